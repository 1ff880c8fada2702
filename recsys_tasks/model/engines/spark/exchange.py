"""What passes between this process and Spark's executors: Parquet files in a folder that both see."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Interactions

ROWS = 4_000_000
"""Interactions in one part file."""


def write_interactions(train: Interactions, folder: Path) -> None:
    """Writes part files of user int32, item int32 and weight float32, ordered by user, then item."""
    folder.mkdir(parents=True)
    order = np.lexsort((train.col, train.row))
    for part, start in enumerate(range(0, len(order), ROWS)):
        places = order[start : start + ROWS]
        table = pa.table(
            {
                "user": pa.array(train.row[places]),
                "item": pa.array(train.col[places]),
                "weight": pa.array(train.weight[places]),
            }
        )
        pq.write_table(table, folder / f"part-{part:05}.parquet")


GROUP = 0o2020
"""Set-group-ID and writable for the group."""


def open_up(folder: Path) -> None:
    """Lets every executor read a new folder, and the group of the one above it write, if that may there."""
    above = folder.parent.stat().st_mode & GROUP
    folder.chmod(0o755 | (above if above == GROUP else 0))


def prove_shared(spark: Any, folder: Path) -> None:
    """Has executors write a few rows, so that a folder beyond their reach is found out before the fit.

    Args:
        spark: a running ``pyspark.sql.SparkSession``.
        folder: a new one where the factors will lie.

    Raises:
        TrainingRefused: nothing of it is to be seen here. What Spark raises when it may not write
            there is left to ``translated``.
    """
    spark.range(2).write.parquet(str(folder))
    _parts(folder)


def read_factors(folder: Path, n_rows: int, components: int) -> NDArray[np.float32]:
    """Factors that executors wrote as ``id``, ``features``; rows that they lack are zero.

    Args:
        folder: of Spark's part files.
        n_rows: rows of the result.
        components: its width.

    Returns:
        float32, ``(n_rows, components)``; copied part by part, never through Python lists.

    Raises:
        TrainingRefused: Spark left no file, ids beyond the rows, or another width.
    """
    vectors = np.zeros((n_rows, components), dtype=np.float32)
    for part in _parts(folder):
        table = pq.read_table(part)
        ids = table["id"].to_numpy()
        values = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if len(values) != len(ids) * components or (len(ids) and ids.max() >= n_rows):
            raise TrainingRefused(f"{part.name}: not factors of {n_rows} rows x {components}")
        vectors[ids] = values.reshape(len(ids), components)
    return vectors


def _parts(folder: Path) -> list[Path]:
    """What the executors left.

    Raises:
        TrainingRefused: nothing.
    """
    parts = sorted(folder.glob("part-*.parquet"))
    if not parts:
        raise TrainingRefused(
            f"Spark's executors left nothing in {folder}: spark.exchange must name a folder that "
            "they and this process both see"
        )
    return parts
