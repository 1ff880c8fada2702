"""Reads a dataset's tables in one snapshot into interactions, id maps and seen items.

Postgres sends the ratings in the order of users and movies; each block leaves its positives in
memory and its items' rows in a file, and is gone.
"""

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.progress import Progress
from recsys_tasks.data.tables import FileAccount, MovieTable, RatingTable
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions_builder import InteractionsBuilder, StreamedInteractions


@dataclass(frozen=True, eq=False)
class Dataset:
    """What one reading of the tables gave.

    Args:
        movies: the catalogue.
        items: its ids in the order of rows.
        gathered: users, interactions and numbers about the ratings.
        files: those that the rows came from, oldest first.
        seen: ``seen.npz``: indptr (int64) and indices (int32) of the CSR of everything rated.
    """

    movies: MovieTable
    items: IdMap
    gathered: StreamedInteractions
    files: tuple[FileAccount, ...]
    seen: Path


def read_dataset(database: Database, dataset: str, settings: Settings, folder: Path) -> Dataset:
    """Reads movies, ratings and the files behind them, all of one moment.

    Args:
        database: where the tables are.
        dataset: whose tables.
        settings: the positives and the moment.
        folder: an existing one; eight bytes a rating of disk are needed there.
    """
    rows = folder / "rated_rows"
    moments = settings.as_of_time(), settings.rated_until_time()
    with database.reading(dataset, *moments) as tables, rows.open("wb") as file:
        movies = tables.movies()
        items = IdMap(movies.movie_id)
        gathering, progress = (
            InteractionsBuilder(items, settings.positives),
            Progress(f"ratings of {dataset}", "rows", None),
        )

        def take(block: RatingTable) -> None:
            file.write(gathering.take(block).astype("<i4", copy=False).data)
            progress.add(len(block), 0)

        tables.stream_ratings(take)
        files = tables.files()
    gathered = gathering.finish()
    _pack(folder / "seen.npz", gathered.seen_indptr, rows)
    rows.unlink()
    return Dataset(movies, items, gathered, files, folder / "seen.npz")


def _pack(path: Path, indptr: NDArray[np.int64], rows: Path) -> None:
    """Byte for byte what ``np.savez`` writes of ``indptr`` and ``indices``, the second never in memory."""
    count = rows.stat().st_size // 4
    header = {"descr": "<i4", "fortran_order": False, "shape": (count,)}
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("indptr.npy", "w", force_zip64=True) as member:
            npy.write_array(member, indptr, allow_pickle=False)
        with archive.open("indices.npy", "w", force_zip64=True) as member, rows.open("rb") as file:
            npy.write_array_header_1_0(member, header)
            shutil.copyfileobj(file, member, 1 << 20)
