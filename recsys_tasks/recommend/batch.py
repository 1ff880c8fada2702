"""Every user's recommendations in files, streamed as they are made: JSON lines or Parquet, whole or in shards.

One row a user, in the order of ``user_ids.npy``: user_id, tier, movie_ids (item_ids where the dataset's
items are no movies) and scores, best first, seen items left out. Parquet needs pyarrow, the extra ``parquet``.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

from recsys_tasks.artifacts.ids import id_at
from recsys_tasks.errors import SettingsError
from recsys_tasks.recommend.recommender import Recommender

Format = Literal["jsonl", "parquet"]
Line = dict[str, Any]
Write = Callable[[list[Line]], None]
Progress = Callable[[int, int], None]

BLOCK = 10_000
"""Users that are held in memory at a time; a row group of a Parquet file."""


def shard_of(n_users: int, shards: int, shard: int) -> range:
    """The rows of users that a shard is to write: contiguous, and shards differ by one user at most.

    Args:
        n_users: users of the version.
        shards: how many shards there are, >= 1.
        shard: which one, from 0.

    Raises:
        SettingsError: there is no such shard.
    """
    if not 0 <= shard < shards:
        raise SettingsError(f"shard {shard} of {shards}: shards are counted from 0")
    return range(n_users * shard // shards, n_users * (shard + 1) // shards)


def write_part(
    recommender: Recommender,
    path: Path,
    users: range,
    k: int = 10,
    format: Format = "jsonl",
    progress: Progress | None = None,
) -> int:
    """The lists of some users in one file, which takes its name only when it is complete.

    Args:
        recommender: an open version.
        path: the file.
        users: rows of ``user_ids.npy``, as ``shard_of`` gives them; ``range(n_users)`` for all.
        k: length of each list.
        format: of the file.
        progress: called after each block with users done and users in all.

    Returns:
        the places of all lists together.

    Raises:
        SettingsError: Parquet is asked for and pyarrow is not installed.
    """
    partial, places = path.with_name(f".{path.name}.partial"), 0
    name = f"{recommender.artifacts.noun}_ids"
    with SINKS[format](partial, recommender) as write:
        for start in range(0, len(users), BLOCK):
            block = [_line(recommender, user, k) for user in users[start : start + BLOCK]]
            write(block)
            places += sum(len(line[name]) for line in block)
            if progress:
                progress(start + len(block), len(users))
    partial.replace(path)
    return places


def _line(recommender: Recommender, user: int, k: int) -> Line:
    artifacts = recommender.artifacts
    user_id = id_at(artifacts.user_ids, user)
    answer = recommender.recommend(user_id, k)
    return {
        "user_id": user_id,
        "tier": answer.tier,
        f"{artifacts.noun}_ids": [item.item_id for item in answer.items],
        "scores": [round(item.score, 6) for item in answer.items],
    }


@contextmanager
def _jsonl(path: Path, _: Recommender) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda block: file.writelines(
            json.dumps(line, allow_nan=False) + "\n" for line in block
        )


@contextmanager
def _parquet(path: Path, recommender: Recommender) -> Iterator[Write]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise SettingsError(
            "Parquet needs pyarrow: pip install 'recsys-tasks[parquet]', or write jsonl"
        ) from None
    artifacts = recommender.artifacts
    user, item = (
        pa.string() if ids.dtype.kind == "S" else pa.int64()
        for ids in (artifacts.user_ids, artifacts.item_ids)
    )
    schema = pa.schema(
        [
            pa.field("user_id", user, nullable=False),
            pa.field("tier", pa.string(), nullable=False),
            pa.field(f"{artifacts.noun}_ids", pa.list_(item), nullable=False),
            pa.field("scores", pa.list_(pa.float64()), nullable=False),
        ]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda block: writer.write_table(pa.Table.from_pylist(block, schema))


SINKS: dict[Format, Callable[[Path, Recommender], AbstractContextManager[Write]]] = {
    "jsonl": _jsonl,
    "parquet": _parquet,
}
"""How each format is written."""
