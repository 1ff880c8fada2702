"""Top-k lists of a version as a table in Postgres, for services that ask there instead of the bucket.

    recommendations(user_id, rank int, item_id, score real, version text, primary key (user_id, rank))

``rank`` begins with 1; ids are bigint, or text where the items are no movies. The lists are those of the version's batch in
the bucket, made there first if nobody has made them. All rows change in one transaction, which commits when the
champion's pointer has moved, so that a reader sees one version's lists and never two, and after a crash
the old ones. Once the table is there it follows the champion, whoever moves its pointer, and back.
"""

import io
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import extensions, sql

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.policy import read_policy
from recsys_tasks.data.db.copy_binary import HEADER, TRAILER
from recsys_tasks.data.db.roles import grant_reading
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.recommend.batch import Format
from recsys_tasks.recommend.batch_parts import put_part, seal_parts
from recsys_tasks.recommend.recommender import Recommender

log = logging.getLogger(__name__)

TABLE = "recommendations"
FORMAT: Format = "jsonl"
USERS_AT_ONCE = 20_000
"""Users whose lists are in memory at a time."""

_CREATE = """
    CREATE TABLE {schema}.recommendations (
        user_id {type} NOT NULL, rank integer NOT NULL, item_id {type} NOT NULL,
        score real NOT NULL, version text NOT NULL, PRIMARY KEY (user_id, rank)
    )
"""
_COPY = "COPY {schema}.recommendations (user_id, rank, item_id, score, version) FROM STDIN"


@dataclass(frozen=True, eq=False)
class Lists:
    """Some users' lists, a row a place.

    Args:
        user_id, item_id: shape ``(n,)``, external ids, int64 or text.
        rank: int32 ``(n,)``, from 1.
        score: float32 ``(n,)``.
    """

    user_id: NDArray[Any]
    rank: NDArray[np.int32]
    item_id: NDArray[Any]
    score: NDArray[np.float32]


def follow_with_lists(
    connection: extensions.connection, store: ObjectStore, manifest: Manifest, k: int = 0
) -> None:
    """Writes a version's lists, in a transaction that the caller commits when the pointer has moved.

    Args:
        connection: to the database with the table.
        store: the bucket with the version.
        manifest: of the version.
        k: places of a list; 0: as many as the table has, and nothing where there is no table yet.

    Raises:
        ArtifactRefused: a part of the batch is not what its manifest says.
    """
    if length := k or length_of(connection, manifest.dataset):
        make_lists(store, manifest, length)
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            lists = read_lists(store, manifest, length, Path(home))
            write_lists(connection, manifest.dataset, manifest.version, lists)


def make_lists(store: ObjectStore, manifest: Manifest, k: int) -> None:
    """Makes the version's batch of lists in the bucket, unless it is there under the policy of now.

    Takes about a millisecond a user: a run does it before it asks for the lock.
    """
    sealed = keys.batch(manifest.dataset, manifest.version, k, FORMAT) + keys.MANIFEST
    _, policy_sha256 = read_policy(store, manifest.dataset)
    if store.exists(sealed) and store.get_json(sealed).get("policy_sha256") == policy_sha256:
        return
    with tempfile.TemporaryDirectory(prefix="recsys-") as home:
        version = manifest.version
        recommender = Recommender.load(store, manifest.dataset, version=version, cache=Path(home))
        log.info("making the lists of %d users of %s", len(recommender.artifacts.user_ids), version)
        part = put_part(store, recommender, 1, 0, k, FORMAT)
        seal_parts(store, recommender, [part], k, FORMAT)


def read_lists(store: ObjectStore, manifest: Manifest, k: int, home: Path) -> Iterator[Lists]:
    """The batch's lists, some users at a time, in the order of the version's users.

    Args:
        store: the bucket.
        manifest: of the version.
        k: places of a list.
        home: an empty folder for one part at a time.

    Raises:
        ArtifactRefused: a part is not what the batch's manifest says.
    """
    folder = keys.batch(manifest.dataset, manifest.version, k, FORMAT)
    for part in store.get_json(folder + keys.MANIFEST)["parts"]:
        path = home / "part"
        store.download_file(folder + part["name"], path, part["sha256"], part["bytes"])
        yield from read_part(path, folder + part["name"])


def read_part(path: Path, name: str) -> Iterator[Lists]:
    """The lists of one part of a batch, ``USERS_AT_ONCE`` users at a time.

    Raises:
        ArtifactRefused: a line is no JSON; ``name`` says of what.
    """
    with path.open(encoding="utf-8") as lines:
        yield from _blocks(lines, name)


def write_lists(
    connection: extensions.connection, dataset: str, version: str, lists: Iterable[Lists]
) -> int:
    """Replaces what the table holds by a version's lists.

    Args:
        connection: in a transaction that the caller commits; an error leaves the old rows.
        dataset: the schema, which exists.
        version: as each row will say.
        lists: the rows, in blocks.

    Returns:
        the number of rows written.
    """
    rows = 0
    schema = sql.Identifier(dataset)
    with connection.cursor() as cursor:
        for number, block in enumerate(lists):
            if number == 0:
                _empty(cursor, dataset, block)
            _copy(cursor, schema, version, block)
            rows += len(block.rank)
    log.info("wrote %d places of lists of %s to Postgres", rows, version)
    return rows


def length_of(connection: extensions.connection, dataset: str) -> int:
    """Places of the longest list that the table holds; 0: there is no table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (f'"{dataset}".{TABLE}',))
        if cursor.fetchone() == (None,):
            return 0
        longest = sql.SQL("SELECT coalesce(max(rank), 10) FROM {}")
        cursor.execute(longest.format(sql.Identifier(dataset, TABLE)))
        return int(cursor.fetchall()[0][0])


def _blocks(lines: Iterable[str], name: str) -> Iterator[Lists]:
    """The lists of ``USERS_AT_ONCE`` lines at a time."""
    block: list[dict[str, Any]] = []
    for line in lines:
        try:
            block.append(json.loads(line))
        except ValueError as error:
            raise ArtifactRefused(name, f"a line is no JSON ({error})") from error
        if len(block) == USERS_AT_ONCE:
            yield _lists(block)
            block = []
    if block:
        yield _lists(block)


def _lists(block: list[dict[str, Any]]) -> Lists:
    items = "movie_ids" if "movie_ids" in block[0] else "item_ids"
    kind = np.int64 if items == "movie_ids" else np.str_
    lengths = np.array([len(line["scores"]) for line in block])
    ends = np.cumsum(lengths)
    rank = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths) + 1
    return Lists(
        np.repeat(np.array([line["user_id"] for line in block], dtype=kind), lengths),
        rank.astype(np.int32),
        np.array([item for line in block for item in line[items]], dtype=kind),
        np.array([score for line in block for score in line["scores"]], dtype=np.float32),
    )


def _empty(cursor: extensions.cursor, dataset: str, block: Lists) -> None:
    """The table without rows, made where it is missing."""
    schema = sql.Identifier(dataset)
    cursor.execute("SELECT to_regclass(%s)", (f'"{dataset}".{TABLE}',))
    if cursor.fetchone() == (None,):
        kind = sql.SQL("bigint" if block.user_id.dtype.kind == "i" else "text")
        cursor.execute(sql.SQL(_CREATE).format(schema=schema, type=kind))
        grant_reading(cursor, dataset, TABLE)
    else:
        cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(dataset, TABLE)))


def _copy(cursor: extensions.cursor, schema: sql.Identifier, version: str, block: Lists) -> None:
    """Rows of whole numbers as Postgres's own records, text ids as COPY's text."""
    whole = block.user_id.dtype.kind == "i" and block.item_id.dtype.kind == "i"
    statement = sql.SQL(_COPY + (" (FORMAT binary)" if whole else "")).format(schema=schema)
    document = _records(version, block) if whole else _text(version, block)
    cursor.copy_expert(statement, io.BytesIO(document), size=1 << 20)


def _records(version: str, block: Lists) -> bytes:
    """COPY's binary format: before each field its length in bytes."""
    name = version.encode()
    fields = (
        ("user_id", ">i8", block.user_id),
        ("rank", ">i4", block.rank),
        ("item_id", ">i8", block.item_id),
        ("score", ">f4", block.score),
        ("version", f"S{len(name)}", name),
    )
    kind = [("fields", ">i2")]
    for field, dtype, _ in fields:
        kind += [(f"{field}_length", ">i4"), (field, dtype)]
    records = np.empty(len(block.rank), dtype=np.dtype(kind))
    records["fields"] = len(fields)
    for field, dtype, values in fields:
        records[f"{field}_length"] = np.dtype(dtype).itemsize
        records[field] = values
    return HEADER + records.tobytes() + TRAILER


def _text(version: str, block: Lists) -> bytes:
    """COPY's text format; nine significant digits give a float32 back exactly."""
    columns = (block.user_id.tolist(), block.rank.tolist(), block.item_id.tolist())
    rows = zip(*columns, block.score.tolist(), strict=True)
    return "".join(
        f"{_escaped(user)}\t{rank}\t{_escaped(item)}\t{score:.9g}\t{version}\n"
        for user, rank, item, score in rows
    ).encode()


def _escaped(field: Any) -> str:
    """An id in which nothing can end a field, a row or the data."""
    said = str(field).replace("\\", "\\\\").replace("\t", "\\t")
    return said.replace("\n", "\\n").replace("\r", "\\r")
