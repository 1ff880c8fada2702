"""One reading of the tables in memory, for work outside a run."""

from dataclasses import dataclass
from pathlib import Path

from recsys_tasks.artifacts.arrays import read_npz
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.tables import MovieTable
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.matrices.parts import DTYPES, Part, join_csr, join_interactions
from recsys_tasks.pipeline.dataset import Dataset, read_dataset


@dataclass(frozen=True, eq=False)
class KnownData:
    """What was known at one moment.

    Args:
        movies: the catalogue.
        users, items: ids in the order of rows.
        interactions: everything that counts as positive.
        seen: CSR ``(n_users, n_items)``, everything rated.
        ratings: how many.
        newest: Unix seconds of the newest rating; 0 without one.
        files: sha256 of the files that the rows came from.
    """

    movies: MovieTable
    users: IdMap
    items: IdMap
    interactions: Interactions
    seen: Csr
    ratings: int
    newest: int
    files: tuple[str, ...]


def read_known(database: Database, settings: Settings, folder: Path) -> KnownData:
    """Reads what the settings' moment knows.

    Args:
        database: where the tables are.
        settings: the dataset, the positives and the moment.
        folder: an existing, empty one, for the time of the reading and of what uses it.
    """
    found = read_dataset(database, settings.dataset, settings, folder)
    parts = [_part(found, number) for number in range(len(found.gathered.parts))]
    return KnownData(
        found.movies,
        found.gathered.users,
        found.items,
        join_interactions([part.interactions() for part in parts]),
        join_csr([part.seen() for part in parts]),
        found.gathered.tally.ratings,
        found.gathered.tally.newest,
        tuple(file.sha256 for file in found.files),
    )


def _part(found: Dataset, number: int) -> Part:
    """One of the parts that a reading wrote, mapped."""
    path = found.folder / f"{number:05}.npz"
    arrays = read_npz(path, path.name, DTYPES)
    return Part.from_arrays(found.gathered.parts[number].first, len(found.items), arrays)
