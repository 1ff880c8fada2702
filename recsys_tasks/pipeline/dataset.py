"""Reads a dataset's tables in one snapshot into parts of interactions and id maps.

Postgres sends the ratings in the order of users and movies; a part is in memory until it is full.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.event_reader import EventReader, holds_events, reading_events
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.progress import Progress
from recsys_tasks.data.tables import EventTable, FileAccount, MovieTable, RatingTable
from recsys_tasks.matrices.events import EventRule
from recsys_tasks.matrices.events_builder import EventsBuilder, id_map
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions_builder import InteractionsBuilder, StreamedInteractions
from recsys_tasks.matrices.parts_writer import PartsWriter

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Dataset:
    """What one reading of the tables gave.

    Args:
        movies: the catalogue.
        items: its ids in the order of rows.
        gathered: users, interactions and numbers about the ratings.
        files: those that the rows came from, oldest first.
        folder: with a file for each of ``gathered.parts``.
    """

    movies: MovieTable
    items: IdMap
    gathered: StreamedInteractions
    files: tuple[FileAccount, ...]
    folder: Path


def read_dataset(database: Database, dataset: str, settings: Settings, folder: Path) -> Dataset:
    """Reads the catalogue, ratings or events, and the files behind them, all of one moment.

    Args:
        database: where the tables are.
        dataset: whose tables.
        settings: the positives and the moment.
        folder: an existing, empty one; thirteen bytes a rating of disk are needed there.
    """
    read = _read_events if holds_events(database, dataset) else _read_ratings
    return read(database, dataset, settings, folder)


def _read_events(database: Database, dataset: str, settings: Settings, folder: Path) -> Dataset:
    """Reads items, events and the files behind them."""
    moments = settings.as_of_time(), settings.rated_until_time()
    with reading_events(database, dataset, *moments) as tables:
        found, rule = tables.items(), _rule_of(tables, settings)
        writer = PartsWriter(folder, len(found), settings.train.part_ratings)
        builder = EventsBuilder(found.row, rule, writer)
        progress = Progress(f"events of {dataset}", "rows", None)

        def take(block: EventTable) -> None:
            builder.take(block)
            progress.add(len(block), 0)

        tables.stream(take)
        gathered = builder.finish(tables.user_ids())
        files = tables.files()
    _tell_unweighted(gathered.tally.histogram(), settings.events.weights)
    items = id_map(list(found.id), found.row)
    catalogue = MovieTable(items.ids, found.title, found.categories, found.available)
    return Dataset(catalogue, items, gathered, files, folder)


def _rule_of(tables: EventReader, settings: Settings) -> EventRule:
    """What the events of the tables are worth."""
    newest = tables.newest() if settings.positives.half_life_days else 0
    top = settings.source.top_rating
    return EventRule(settings.events, settings.positives, tables.types(), top, newest)


def _tell_unweighted(types: Mapping[str, int], weights: Mapping[str, float]) -> None:
    """Names the types of event that have no weight: they count as seen and nothing more."""
    for name, count in types.items():
        if weights and not weights.get(name):
            log.warning("%s events of type %s have no weight in events.weights", count, name)


def _read_ratings(database: Database, dataset: str, settings: Settings, folder: Path) -> Dataset:
    """Reads movies, ratings and the files behind them."""
    moments = settings.as_of_time(), settings.rated_until_time()
    with database.reading(dataset, *moments) as tables:
        movies = tables.movies()
        items = IdMap(movies.movie_id)
        writer = PartsWriter(folder, len(items), settings.train.part_ratings)
        newest = tables.newest() if settings.positives.half_life_days else 0
        gathering = InteractionsBuilder(items, settings.positives, writer, newest)
        progress = Progress(f"ratings of {dataset}", "rows", None)

        def take(block: RatingTable) -> None:
            gathering.take(block)
            progress.add(len(block), 0)

        tables.stream_ratings(take)
        files = tables.files()
    return Dataset(movies, items, gathering.finish(), files, folder)
