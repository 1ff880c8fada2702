"""How long Postgres takes to exchange every user's list for another version's, on a server of its own.

    python -m benchmarks.lists_speed                     162,541 users, ten places each
    python -m benchmarks.lists_speed --users 1000 -k 20 --json

The lists are drawn at random and wait in memory and in the bucket's format on disk; making them from a
version is `recsys batch`. The second exchange is the one of every night: the table is full before it.
"""

import argparse
import json
import secrets
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.folders import database_home
from recsys_tasks.devstack.postgres import start_postgres
from recsys_tasks.publish.postgres_lists import read_part, write_lists

DATASET = "bench"


def main() -> None:
    """Measures the first exchange and the next one, and prints both."""
    arguments = parse()
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=database_home(Path.cwd() / ".recsys")))
    home.chmod(0o711)
    server = start_postgres(home, secrets.token_hex(8))
    try:
        with tempfile.TemporaryDirectory() as made:
            part = Path(made) / "part.jsonl"
            write_part(part, arguments.users, arguments.k)
            seconds = [exchange(Database(server.url), part, f"version-{n}") for n in (1, 2)]
    finally:
        server.stop()
        shutil.rmtree(home)
    found = {
        "users": arguments.users,
        "k": arguments.k,
        "first_s": seconds[0],
        "next_s": seconds[1],
    }
    said = f"{arguments.users:,} users x {arguments.k}: first {seconds[0]} s, next {seconds[1]} s"
    print(json.dumps(found) if arguments.json else said)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time to exchange all lists in Postgres.")
    parser.add_argument("--users", type=int, default=162_541, metavar="N")
    parser.add_argument("-k", type=int, default=10, help="places of a list; default: 10")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def write_part(path: Path, users: int, k: int) -> None:
    """Lists as a batch's part holds them."""
    random = np.random.default_rng(42)
    with path.open("w", encoding="utf-8") as file:
        for user in range(1, users + 1):
            items = random.integers(1, 60_000, k).tolist()
            scores = np.round(random.random(k), 6).tolist()
            line = {"user_id": user, "tier": "model", "movie_ids": items, "scores": scores}
            file.write(json.dumps(line) + "\n")


def exchange(database: Database, part: Path, version: str) -> float:
    """Seconds from the part on disk to the committed table."""
    began = time.perf_counter()
    with database.connect() as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {DATASET}")
        write_lists(connection, DATASET, version, read_part(part, part.name))
    return round(time.perf_counter() - began, 1)


if __name__ == "__main__":
    main()
