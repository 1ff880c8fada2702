"""Reads a dataset's tables in one snapshot into parts of interactions and id maps.

Postgres sends the ratings in the order of users and movies; a part is in memory until it is full.
"""

from dataclasses import dataclass
from pathlib import Path

from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.progress import Progress
from recsys_tasks.data.tables import FileAccount, MovieTable, RatingTable
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions_builder import InteractionsBuilder, StreamedInteractions
from recsys_tasks.matrices.parts_writer import PartsWriter


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
    """Reads movies, ratings and the files behind them, all of one moment.

    Args:
        database: where the tables are.
        dataset: whose tables.
        settings: the positives and the moment.
        folder: an existing, empty one; thirteen bytes a rating of disk are needed there.
    """
    moments = settings.as_of_time(), settings.rated_until_time()
    with database.reading(dataset, *moments) as tables:
        movies = tables.movies()
        items = IdMap(movies.movie_id)
        writer = PartsWriter(folder, len(items), settings.train.part_ratings)
        gathering = InteractionsBuilder(items, settings.positives, writer)
        progress = Progress(f"ratings of {dataset}", "rows", None)

        def take(block: RatingTable) -> None:
            gathering.take(block)
            progress.add(len(block), 0)

        tables.stream_ratings(take)
        files = tables.files()
    return Dataset(movies, items, gathering.finish(), files, folder)
