"""Snapshots of the sample's ratings as a source would give them, one after the other.

``earlier`` holds the first 10,000 ratings by time. ``later`` holds 15,000: it lacks the first 30 of
them, has other stars for 40 of the rest, and adds what was rated next. ``renumbered`` is ``earlier``
with other user ids, so that none of its pairs stays. Each has the movies that it rates.
"""

import csv
from pathlib import Path

from recsys_tasks.config.settings import SourceSettings

Rows = list[list[str]]
EARLIER, LATER = slice(0, 10_000), slice(30, 15_030)


def write_snapshots(sample: Path, folder: Path) -> dict[str, SourceSettings]:
    """Settings that load each by its name, in the place of all that was there."""
    movies_head, movies = _read(sample / "movies.csv")
    ratings_head, ratings = _read(sample / "ratings.csv")
    ratings.sort(key=lambda row: int(row[3]))
    before = [[*row[:2], "0.5", row[3]] if n % 250 == 249 else row for n, row in enumerate(ratings)]
    earlier = before[EARLIER]
    renumbered = [[str(int(row[0]) + 1000), *row[1:]] for row in earlier]
    parts = {"earlier": earlier, "renumbered": renumbered, "later": ratings[LATER]}
    for name, part in parts.items():
        (folder / name).mkdir()
        rated = {row[1] for row in part}
        _write(
            folder / name / "movies.csv", movies_head, [row for row in movies if row[0] in rated]
        )
        _write(folder / name / "ratings.csv", ratings_head, sorted(part, key=_by_user))
    return {name: _settings(folder / name) for name in parts}


def _settings(folder: Path) -> SourceSettings:
    return SourceSettings(
        movies=str(folder / "movies.csv"), ratings=str(folder / "ratings.csv"), replace=True
    )


def _by_user(row: list[str]) -> tuple[int, int]:
    return int(row[0]), int(row[1])


def _read(path: Path) -> tuple[list[str], Rows]:
    with path.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    return head, rows


def _write(path: Path, head: list[str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
