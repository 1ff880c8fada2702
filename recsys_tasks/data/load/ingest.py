"""One load: files into the tables, together or not at all, every row accounted for."""

import logging
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database, validated
from recsys_tasks.data.events.events_load import EventsLoad
from recsys_tasks.data.load.file_load import FileLoad, begin, named
from recsys_tasks.data.load.ratings_load import RatingsLoad
from recsys_tasks.data.sources.addresses import FindStore, find_store
from recsys_tasks.data.sources.source_files import CheckedFile, check_file, source_files
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.data.tables import LoadAccount

log = logging.getLogger(__name__)


def ingest(
    database: Database,
    settings: SourceSettings,
    dataset: str,
    run: str,
    store: FindStore = find_store,
    policy: SourcePolicy | None = None,
    types: Iterable[str] = (),
) -> LoadAccount:
    """Loads the files that the settings name into the dataset's tables, in one transaction.

    Args:
        database: migrated for this dataset.
        settings: the files and how to read them; without any file nothing happens.
        dataset: name of the dataset.
        run: who loads, for the record: a run's id or ``cli``.
        store: gives the S3 access for ``s3://`` addresses; by default the environment's.
        policy: where the files may come from; None: from anywhere.
        types: the types of event that have a weight; none: any type is loaded.

    Raises:
        InputRejected: a file cannot be trusted; the tables are as before.
        SourceUnavailable: a file's server is away; the tables are as before.
        DatabaseUnavailable: Postgres is away or broke off; the tables are as before.
    """
    validated(dataset)
    with TemporaryDirectory(prefix="recsys-ingest-") as folder:
        files = [check_file(file) for file in source_files(settings, Path(folder), store, policy)]
        if not files:
            log.info("no files are named: the tables stay as they are")
            return LoadAccount((), ())
        for file in files:
            log.info("%s %s: %s bytes, sha256 %s", *_announced(file))
        with database.naming_lock_holders(dataset), database.connect() as connection:
            begin(connection, dataset)
            load = _load(database, connection, settings, dataset, run, frozenset(types))
            for file in files:
                load.take(file)
            account = load.finish()
    log.info("dataset %s: committed", dataset)
    return account


def _load(
    database: Database,
    connection: Connection,
    settings: SourceSettings,
    dataset: str,
    run: str,
    types: frozenset[str],
) -> FileLoad:
    """The load for the kind of files that the settings name."""
    if settings.names_events:
        return EventsLoad(connection, settings, dataset, run, types)
    return RatingsLoad(database, connection, settings, dataset, run)


def _announced(file: CheckedFile) -> tuple[str, str, str, str]:
    return *named(file), f"{file.size:,}", file.sha256
