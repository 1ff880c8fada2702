"""Ingestion against a bare COPY and against execute_values, in one run on a server of its own.

    python -m benchmarks.ingest_speed                  synthetic ratings at scale 0.04
    python -m benchmarks.ingest_speed --files DIR      movies.csv and ratings.csv of a folder
    python -m benchmarks.ingest_speed --every 100 4    snapshots in which each 100th, then each
                                                             4th row changes

Only ratios to the bare COPY just before and after a load mean anything: of seconds on a quiet machine,
of processor time, Postgres's and the client's, on any. Each load runs in a process of its own, so that
its peak memory is its own.
"""

import argparse
import csv
import json
import logging
import multiprocessing
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg2
from psycopg2.extras import execute_values

from benchmarks.cost import Cost, cost_of
from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.devstack.folders import database_home
from recsys_tasks.devstack.postgres import start_postgres

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
                from benchmarks.generate import generate  # heavy, and not for each load

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


def measure(url: str, folder: Path, scratch: Path, every: Sequence[int]) -> dict[str, Any]:
    """Seconds, megabytes and rows by name."""
    movies, ratings = folder / "movies.csv", folder / "ratings.csv"
    database = Database(url)
    database.migrate(DATASET)
    found: dict[str, Any] = {"slow_us_per_row": slow_insert(url, ratings) / SLOW_ROWS * 1e6}
    bare = partial(costs, url, lambda: cost_of(lambda: bare_copy(url, ratings))[1])
    found["bare"], found["loads"] = [bare()], {}
    for name, snapshot in snapshots(ratings, scratch, every):
        load = partial(loaded, url, movies, snapshot, replace=name != "first_load")
        found["loads"][name], found["bare"] = costs(url, load), [*found["bare"], bare()]
    found["rows"] = database.fetch(f"SELECT count(*) FROM {DATASET}.ratings")[0][0]
    found["fetchall_s"] = timed(lambda: fetch_pairs(url))
    found["read_pairs_s"] = timed(lambda: database.read_pairs(DATASET, at_least=5))
    found["read_all_s"] = timed(lambda: database.read_ratings(DATASET))
    return found


def snapshots(ratings: Path, scratch: Path, every: Sequence[int]) -> Iterator[tuple[str, Path]]:
    """What is loaded one after the other, and its name."""
    yield "first_load", ratings
    for one in every:
        change(ratings, scratch / "snapshot.csv", one)
        yield f"replace_{one}", scratch / "snapshot.csv"


def costs(url: str, work: Callable[[], Cost]) -> tuple[float, float, float]:
    """Seconds, processor seconds of client and server, and the client's peak megabytes."""
    before = server_cpu(url)
    cost = work()
    return cost.seconds, cost.cpu + server_cpu(url) - before, cost.peak_mb


def server_cpu(url: str) -> float:
    """Processor seconds of all of Postgres's processes so far, also of those that have ended."""
    with psycopg2.connect(url) as connection:
        postmaster = psutil.Process(connection.info.backend_pid).parent()
    connection.close()
    time.sleep(0.5)  # whoever ended is counted now
    assert postmaster is not None
    running = [process.cpu_times() for process in [postmaster, *postmaster.children()]]
    ended = postmaster.cpu_times()
    return ended.children_user + ended.children_system + sum(t.user + t.system for t in running)


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


def fetch_pairs(url: str) -> tuple[np.ndarray, np.ndarray]:
    """The article's way of reading the pairs of five stars."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT user_id, movie_id FROM {DATASET}.ratings WHERE rating = 5.0")
        rows = cursor.fetchall()
    connection.close()
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def loaded(url: str, movies: Path, ratings: Path, replace: bool) -> Cost:
    """One load in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    source = SourceSettings(movies=str(movies), ratings=str(ratings), replace=replace)
    process = context.Process(target=load_and_tell, args=(url, source, sender))
    process.start()
    cost: Cost = receiver.recv()
    process.join()
    return cost


def load_and_tell(url: str, source: SourceSettings, sender: object) -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    _, cost = cost_of(lambda: ingest(Database(url), source, DATASET, "benchmark"))
    sender.send(cost)  # type: ignore[attr-defined]


def change(ratings: Path, changed: Path, every: int) -> None:
    """A copy of the file in which every so many rows were rated a second later."""
    with ratings.open("rb") as old, changed.open("wb") as new:
        new.write(next(old))
        for number, line in enumerate(old):
            if number % every == 0:
                head, _, moment = line.rstrip().rpartition(b",")
                line = b"%b,%d\r\n" % (head, int(moment) + 1)
            new.write(line)


def report(found: dict[str, Any]) -> None:
    """Prints the figures beside what they are compared with."""
    bare, rows = np.array(found["bare"]), found["rows"]
    around = (bare[:-1] + bare[1:])[:, :2] / 2
    print(f"{rows:,} ratings; bare COPY is the mean of one just before and one just after")
    print("                      s  bare s  ratio    CPU s  bare CPU s  ratio     MB")
    for (name, load), (seconds, cpu) in zip(found["loads"].items(), around, strict=True):
        print(
            f"{name:14} {load[0]:8.1f} {seconds:7.1f} {load[0] / seconds:6.2f}"
            f" {load[1]:8.1f} {cpu:11.1f} {load[1] / cpu:6.2f} {load[2]:6.0f}"
        )
    ours, slow = found["loads"]["first_load"][0] / rows * 1e6, found["slow_us_per_row"]
    print(f"first load           {ours:8.2f} us a row, {1e6 / ours:,.0f} rows a second")
    print(
        f"execute_values       {slow:8.2f} us a row, {slow / (bare[0, 0] / rows * 1e6):.1f} x bare COPY"
    )
    print(
        f"pairs of five stars  {found['read_pairs_s']:8.2f} s, fetchall {found['fetchall_s']:.2f} s"
    )
    print(f"all ratings read in  {found['read_all_s']:8.2f} s")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
