"""What the bucket holds, as the pages show it. A published version never changes, so it is read once."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from recsys_airflow.run_context import bucket
from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore, Patience
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused, NotFound, SettingsError
from recsys_tasks.publish.publisher import refusals
from recsys_tasks.recommend.recommender import Recommender
from recsys_tasks.report.headline import headline

BRIEF = Patience(tries=2, deadline=4.0, connect_timeout=2.0, read_timeout=10.0)
"""A person waits for the page: better to say soon that the store is away."""

AT_ONCE = 8
"""Manifests that are read at the same time; the client keeps ten connections."""

LAST_MOVES = 20

LAST_RUNS = 30
"""Runs whose endings are read: a month of nights."""

RUNNING = 2
"""Runs beyond them that are looked at, because the newest may not have ended."""


@dataclass(frozen=True)
class Row:
    """One version in a list."""

    version: str
    moment: datetime | None
    dag_id: str
    run_id: str
    accepted: bool
    precision: float | None
    popular: float | None
    ndcg: float | None
    users: int | None


@dataclass(frozen=True)
class RunOutcome:
    """What one run came to, as its report says."""

    version: str
    dag_id: str
    run_id: str
    moment: datetime | None
    verdict: str
    headline: str
    """the sentence of alert, note and report"""
    failed_task: str
    precision: float | None

    @property
    def is_red(self) -> bool:
        """Whether it was rejected or failed."""
        return self.verdict != "accepted"


@dataclass(frozen=True)
class Dataset:
    """One dataset with what consumers get of it, and how its last run ended."""

    name: str
    champion: Pointer | None
    serving: Row | None
    """The champion's own row; None where its manifest cannot be read."""
    versions: int
    last: RunOutcome | None


class Catalogue:
    """The bucket's datasets and versions.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def datasets(self) -> list[Dataset]:
        """Every dataset, by name."""
        names = [name for name in self.store.folders("") if re.fullmatch(keys.DATASET, name)]
        return [self._dataset(name) for name in names]

    def _dataset(self, name: str) -> Dataset:
        champion, rows = read_pointer(self.store, name), self.rows(name)
        serving = (row for row in rows if champion and row.version == champion.version)
        last = next(iter(self.endings(name, most=1)), None)
        return Dataset(name, champion, next(serving, None), len(rows), last)

    def rows(self, dataset: str) -> list[Row]:
        """Every version that can be read, newest first."""
        access = self.store.access
        place = f"{access.endpoint}/{access.bucket}/{dataset}"
        names = sorted(self._names(dataset), reverse=True)
        new = [name for name in names if (place, name) not in _rows]
        with ThreadPoolExecutor(AT_ONCE) as readers:
            found = readers.map(lambda name: self._row(dataset, name), new)
        _rows.update({(place, row.version): row for row in found if row})
        return [_rows[place, name] for name in names if (place, name) in _rows]

    def manifest(self, dataset: str, version: str) -> Manifest:
        """A version's manifest."""
        return read_manifest(self.store, dataset, version)

    def champion(self, dataset: str) -> Pointer | None:
        """Where consumers are sent."""
        return read_pointer(self.store, dataset)

    def refusals(self, dataset: str) -> dict[str, str]:
        """The versions that verification last refused, with the reason."""
        return refusals(self.store, dataset)

    def moves(self, dataset: str, champion: Pointer | None) -> list[Pointer]:
        """The last moves of the champion, newest first."""
        if champion is None:
            return []
        first = max(1, champion.move - LAST_MOVES + 1)
        places = range(champion.move - 1, first - 1, -1)
        earlier = (self._move(dataset, place) for place in places)
        return [champion, *(move for move in earlier if move)]

    def endings(self, dataset: str, most: int = LAST_RUNS) -> list[RunOutcome]:
        """What the newest runs came to, newest first; without those whose report is still to come."""
        names = self.store.folders(keys.all_runs(dataset))
        newest = sorted(names, reverse=True)[: most + RUNNING]
        with ThreadPoolExecutor(AT_ONCE) as readers:
            found = readers.map(lambda name: self._ending(dataset, name), newest)
        return [ending for ending in found if ending][:most]

    def _ending(self, dataset: str, version: str) -> RunOutcome | None:
        try:
            return _ending_of(self.store.get_json(keys.runs(dataset, version) + "outcome.json"))
        except (NotFound, ArtifactRefused, SettingsError):
            return None

    def _names(self, dataset: str) -> tuple[str, ...]:
        return self.store.folders(keys.versions(dataset))

    def _row(self, dataset: str, version: str) -> Row | None:
        try:
            return _row_of(read_manifest(self.store, dataset, version))
        except (NotFound, ArtifactRefused):
            return None

    def _move(self, dataset: str, place: int) -> Pointer | None:
        key = f"{keys.history(dataset)}{place}.json"
        try:
            return Pointer.from_bytes(self.store.get(key), key)
        except NotFound:
            return None


_rows: dict[tuple[str, str], Row] = {}


def catalogue() -> Catalogue:
    """The catalogue of the connection ``recsys_s3``."""
    return Catalogue(_briefly(bucket().access))


@lru_cache(maxsize=4)
def _briefly(access: StoreAccess) -> ObjectStore:
    """One client for all requests: making one costs more than a page does."""
    return ObjectStore(access, BRIEF)


def recommender(dataset: str, version: str) -> Recommender:
    """A version opened to be asked, under the policy of now."""
    opened = _opened(dataset, version)
    opened.reload()
    return opened


@lru_cache(maxsize=2)
def _opened(dataset: str, version: str) -> Recommender:
    """The first question downloads and checks a version's files."""
    return Recommender.load(bucket(), dataset, version=version)


def titles_with(text: str, movies: Iterable[Any], most: int = 20) -> list[Any]:
    """Movies whose title holds the text, in any case, best known first."""
    found = [movie for movie in movies if text.casefold() in movie.title.casefold()]
    return sorted(found, key=lambda movie: -movie.positives)[:most]


def _row_of(manifest: Manifest) -> Row:
    served: Any = manifest.metrics.get("test_served") or {}
    baselines: Any = manifest.metrics.get("baselines") or {}
    popular = (baselines.get("popular") or {}).get("test_served") or {}
    return Row(
        version=manifest.version,
        moment=_moment(manifest.run.run_after),
        dag_id=manifest.run.dag_id,
        run_id=manifest.run.run_id,
        accepted=manifest.gate.accepted,
        precision=served.get("precision_at_5"),
        popular=popular.get("precision_at_5"),
        ndcg=served.get("ndcg_at_10"),
        users=served.get("users"),
    )


def _ending_of(outcome: dict[str, Any]) -> RunOutcome:
    return RunOutcome(
        version=outcome["version"],
        dag_id=outcome["dag_id"],
        run_id=outcome["run_id"],
        moment=_moment(outcome["run_after"]),
        verdict=outcome["verdict"],
        headline=headline(outcome),
        failed_task=outcome["reason"].partition(": ")[0],
        precision=outcome["metrics"].get("precision_at_5"),
    )


def _moment(written: str) -> datetime | None:
    """A run's time in UTC, where what is written is a time."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
