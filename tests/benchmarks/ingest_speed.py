"""Ingestion against a bare COPY and against execute_values, in one run on a server of its own.

    python tests/benchmarks/ingest_speed.py                  synthetic ratings at scale 0.04
    python tests/benchmarks/ingest_speed.py --files DIR      movies.csv and ratings.csv of a folder
    python tests/benchmarks/ingest_speed.py --every 100 4    snapshots in which each 100th, then each
                                                             4th row changes

Only ratios inside one run mean anything. Each load runs in a process of its own, so that its peak
memory is its own.
"""

import argparse
import csv
import json
import logging
import multiprocessing
import resource
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import psycopg2
from psycopg2.extras import execute_values

from recsys_tasks.data.generate import generate
from recsys_tasks.data.ingest import ingest
from recsys_tasks.data.postgres import Database
from recsys_tasks.local.folders import database_home
from recsys_tasks.local.postgres import start_postgres
from recsys_tasks.settings import SourceSettings

DATASET = "bench"
BARE = """
    DROP TABLE IF EXISTS bare;
    CREATE TABLE bare (user_id bigint, movie_id bigint, rating numeric(2,1), rated_at bigint)
"""
SLOW_ROWS = 100_000
EVERY = (100, 50, 25, 10, 4, 1)
"""Snapshots to replace with: one row in so many is rated a second later; 1 is another generation."""


def main() -> None:
    """Measures and prints, as text and as one line of JSON."""
    arguments = parse()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=database_home(Path.cwd() / ".recsys")))
    home.chmod(0o711)
    server = start_postgres(home, secrets.token_hex(8))
    try:
        with tempfile.TemporaryDirectory() as made:
            folder = arguments.files or Path(made)
            if not arguments.files:
                generate(arguments.scale, 1, folder)
            report(measure(server.url, folder, Path(made), arguments.every))
    finally:
        server.stop()
        shutil.rmtree(home)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=Path, help="folder with movies.csv and ratings.csv")
    parser.add_argument("--scale", type=float, default=0.04, help="of synthetic ratings")
    parser.add_argument("--every", type=int, nargs="+", default=EVERY, help="one row in so many")
    return parser.parse_args()


def measure(url: str, folder: Path, scratch: Path, every: Sequence[int]) -> dict[str, float]:
    """Seconds, bytes and rows by name."""
    movies, ratings = folder / "movies.csv", folder / "ratings.csv"
    database = Database(url)
    database.migrate(DATASET)
    found: dict[str, float] = {"bare_copy_s": timed(lambda: bare_copy(url, ratings))}
    found["execute_values_us_per_row"] = slow_insert(url, ratings) / SLOW_ROWS * 1e6
    load = loader(url, movies, ratings, replace=False)
    found["first_load_s"], found["first_load_mb"], found["rows"] = load()
    found["rows_per_s"] = found["rows"] / found["first_load_s"]
    snapshot = scratch / "snapshot.csv"
    for one in every:
        change(ratings, snapshot, one)
        load = loader(url, movies, snapshot, replace=True)
        found[f"replace_{one}_s"], found[f"replace_{one}_mb"], _ = load()
    found["bare_copy_again_s"] = timed(lambda: bare_copy(url, ratings))
    found["fetchall_s"] = timed(lambda: fetch_pairs(url))
    found["read_pairs_s"] = timed(lambda: database.read_pairs(DATASET, at_least=5))
    found["read_all_s"] = timed(lambda: database.read_ratings(DATASET))
    return found


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def bare_copy(url: str, ratings: Path) -> None:
    """The file as it is into an unindexed table: nothing is checked."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(BARE)
        connection.commit()
        with ratings.open("rb") as file:
            cursor.copy_expert("COPY bare FROM STDIN (FORMAT csv, HEADER)", file, size=1 << 20)
    connection.close()


def slow_insert(url: str, ratings: Path) -> float:
    """Seconds of the article's way for the first rows."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(BARE)
        with ratings.open(newline="") as file:
            rows = list(islice(csv.reader(file), 1, SLOW_ROWS + 1))
            seconds = timed(lambda: execute_values(cursor, "INSERT INTO bare VALUES %s", rows))
    connection.close()
    return seconds


def fetch_pairs(url: str) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """The article's way of reading the pairs of five stars."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT user_id, movie_id FROM {DATASET}.ratings WHERE rating = 5.0")
        rows = cursor.fetchall()
    connection.close()
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def loader(
    url: str, movies: Path, ratings: Path, replace: bool
) -> Callable[[], tuple[float, float, int]]:
    """One load in a fresh process: seconds, peak megabytes, rows loaded."""

    def load() -> tuple[float, float, int]:
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        source = SourceSettings(movies=str(movies), ratings=str(ratings), replace=replace)
        process = context.Process(target=load_and_tell, args=(url, source, sender))
        process.start()
        seconds, megabytes, rows = receiver.recv()
        process.join()
        return seconds, megabytes, rows

    return load


def load_and_tell(url: str, source: SourceSettings, sender: object) -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    begun = time.perf_counter()
    account = ingest(Database(url), source, DATASET, "benchmark")
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sender.send((seconds, peak, account.files[-1].loaded))  # type: ignore[attr-defined]


def change(ratings: Path, changed: Path, every: int) -> None:
    """A copy of the file in which every so many rows were rated a second later."""
    with ratings.open("rb") as old, changed.open("wb") as new:
        new.write(next(old))
        for number, line in enumerate(old):
            if number % every == 0:
                head, _, moment = line.rstrip().rpartition(b",")
                line = b"%b,%d\r\n" % (head, int(moment) + 1)
            new.write(line)


def report(found: dict[str, float]) -> None:
    """Prints the figures beside what they are compared with."""
    bare, rows = (found["bare_copy_s"] + found["bare_copy_again_s"]) / 2, found["rows"]
    ours = found["first_load_s"] / rows * 1e6
    slow = found["execute_values_us_per_row"]
    print(f"{rows:,.0f} ratings")
    first, last = found["bare_copy_s"], found["bare_copy_again_s"]
    print(f"bare COPY            {bare:8.1f} s, mean of {first:.1f} and, at the end, {last:.1f}")
    for name in [name.removesuffix("_mb") for name in found if name.endswith("_mb")]:
        seconds, peak = found[f"{name}_s"], found[f"{name}_mb"]
        print(f"{name:20} {seconds:8.1f} s  {seconds / bare:5.2f} x bare  {peak:6.0f} MB")
    print(f"rows per second      {found['rows_per_s']:8,.0f}")
    print(
        f"execute_values       {slow:8.1f} us a row, {slow / (bare / rows * 1e6):5.1f} x bare COPY"
    )
    print(f"ours, checked, keyed {ours:8.2f} us a row, execute_values is {slow / ours:5.1f} x")
    ratio = found["fetchall_s"] / found["read_pairs_s"]
    print(f"pairs of five stars  {found['read_pairs_s']:8.2f} s, fetchall is {ratio:5.1f} x")
    print(f"all ratings read in  {found['read_all_s']:8.2f} s")
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
