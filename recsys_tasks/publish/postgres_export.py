"""A version's embeddings as two tables in Postgres, for readers who ask there instead of the bucket.

    user_embeddings(user_id bigint primary key, embedding real[], version text)
    movie_embeddings(movie_id bigint primary key, embedding real[], version text)

Where items are no movies, the second is item_embeddings(item_id …), and both keys are text.

Rows are those of ``user_embeddings.npy`` and ``item_embeddings.npy``: the score of a movie for a
user is the dot product of the two arrays. Both tables change in one transaction, so that a reader
sees one version or the other and never two. Once they are there, they follow the champion, whoever
moves its pointer.
"""

import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psycopg2 import extensions, sql

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.ids import Ids, id_list
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.artifacts.manifest import NOUN_OF, Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.db.roles import grant_reading
from recsys_tasks.publish.postgres_lists import follow_with_lists

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 5000
"""Rows that are turned into text at a time."""

_CREATE = """
    CREATE TABLE {schema}.{table}
        ({key} {kind} PRIMARY KEY, embedding real[] NOT NULL, version text NOT NULL)
"""

_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""What means something else in COPY's text format."""


@dataclass(frozen=True)
class _Table:
    """A table, its key, and the files with the ids and the rows."""

    name: str
    key: str
    ids: str
    rows: str


def _tables(noun: Noun) -> tuple[_Table, _Table]:
    return (
        _Table("user_embeddings", "user_id", "user_ids.npy", "user_embeddings.npy"),
        _Table(f"{noun}_embeddings", f"{noun}_id", "item_ids.npy", "item_embeddings.npy"),
    )


def tables_follow(
    database: Database, store: ObjectStore, create: bool = False, list_length: int = 0
) -> Callable[[Manifest], AbstractContextManager[None]]:
    """What writes a version's rows before the champion's pointer moves to it and commits them after.

    Args:
        database: where the tables are.
        store: the bucket with the version.
        create: also where there are no tables of embeddings yet.
        list_length: places of the lists of ``postgres_lists``; 0: only where there is a table of them.

    The context that it makes raises:
        DatabaseUnavailable: Postgres is away; the pointer stays where it is.
        SettingsError: the account may not write the tables.
        ArtifactRefused: a file is not what the manifest says.
    """

    @contextmanager
    def follow(manifest: Manifest) -> Iterator[None]:
        with database.connect() as connection:
            noun = NOUN_OF[manifest.schema_version]
            if create or _are_there(connection, manifest.dataset, noun):
                with tempfile.TemporaryDirectory(prefix="recsys-") as home:
                    _download(store, manifest, Path(home))
                    version = manifest.version
                    write_embeddings(connection, manifest.dataset, version, Path(home), noun)
            follow_with_lists(connection, store, manifest, list_length)
            yield

    return follow


def write_embeddings(
    connection: extensions.connection,
    dataset: str,
    version: str,
    folder: Path,
    noun: Noun = "movie",
) -> int:
    """Replaces what the two tables hold by a version's rows.

    Args:
        connection: in a transaction that the caller commits; an error leaves the old rows.
        dataset: the schema, which exists.
        version: as each row will say.
        folder: with the four files, verified.
        noun: what the dataset calls its items.

    Returns:
        the number of rows written.
    """
    rows = 0
    with connection.cursor() as cursor:
        for table in _tables(noun):
            names: dict[str, sql.Composable] = {
                "schema": sql.Identifier(dataset),
                "table": sql.Identifier(table.name),
                "key": sql.Identifier(table.key),
            }
            if not _is_there(cursor, dataset, table.name):
                kind = sql.SQL("bigint" if noun == "movie" else "text")
                cursor.execute(sql.SQL(_CREATE).format(kind=kind, **names))
                grant_reading(cursor, dataset, table.name)
            cursor.execute(sql.SQL("DELETE FROM {schema}.{table}").format(**names))
            ids = np.load(folder / table.ids, allow_pickle=False)
            embeddings = np.load(folder / table.rows, mmap_mode="r", allow_pickle=False)
            _copy(cursor, names, version, ids, embeddings)
            rows += len(ids)
    log.info("wrote %d embeddings of %s to Postgres", rows, version)
    return rows


def _are_there(connection: extensions.connection, dataset: str, noun: Noun) -> bool:
    with connection.cursor() as cursor:
        return any(_is_there(cursor, dataset, table.name) for table in _tables(noun))


def _is_there(cursor: extensions.cursor, dataset: str, table: str) -> bool:
    wanted = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"
    cursor.execute(wanted, (dataset, table))
    return cursor.fetchone() is not None


def _download(store: ObjectStore, manifest: Manifest, folder: Path) -> None:
    """The four files that the tables are made of, each checked against the manifest."""
    prefix = keys.version(manifest.dataset, manifest.version)
    for name in (name for table in _tables("item") for name in (table.ids, table.rows)):
        facts = manifest.files[name]
        store.download_file(prefix + name, folder / name, facts.sha256, facts.bytes)


def _copy(
    cursor: extensions.cursor,
    names: Mapping[str, sql.Composable],
    version: str,
    ids: Ids,
    embeddings: NDArray[np.float32],
) -> None:
    statement = sql.SQL("COPY {schema}.{table} ({key}, embedding, version) FROM STDIN")
    for block in _blocks(version, ids, embeddings):
        cursor.copy_expert(statement.format(**names), io.StringIO(block))


def _blocks(version: str, ids: Ids, embeddings: NDArray[np.float32]) -> Iterator[str]:
    """COPY's text format; nine significant digits give a float32 back exactly."""
    for start in range(0, len(ids), ROWS_AT_ONCE):
        rows = embeddings[start : start + ROWS_AT_ONCE].tolist()
        written = (
            str(one).translate(_ESCAPED) for one in id_list(ids[start : start + ROWS_AT_ONCE])
        )
        yield "".join(
            f"{key}\t{{{','.join(f'{value:.9g}' for value in row)}}}\t{version}\n"
            for key, row in zip(written, rows, strict=True)
        )
