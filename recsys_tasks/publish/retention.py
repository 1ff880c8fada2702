"""Removes old versions, unfinished uploads, files of runs and batches from the bucket.

Never the champion, its predecessor, what any other channel names, or what the champion's pointer named
within the time that is kept. A version loses its manifest first, so that it stops being a version before
it stops being whole. What the store refuses to remove stays, and the rest is removed all the same.
"""

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore, StoredObject
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.errors import PermanentError
from recsys_tasks.publish.history import history
from recsys_tasks.publish.pointer_move import Lock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removal:
    """One version, run, batch or remainder to remove, with the reason in words."""

    prefix: str
    kind: str
    """version, remains (files that no manifest names), run or batch."""

    reason: str
    objects: tuple[StoredObject, ...]

    @property
    def bytes(self) -> int:
        """Size of all its objects."""
        return sum(found.bytes for found in self.objects)


@dataclass(frozen=True)
class Retention:
    """What a clean-up kept and what it removed, or would."""

    kept: tuple[tuple[str, str], ...]
    """(version, why it stays)."""

    removed: tuple[Removal, ...]
    dry_run: bool
    refused: tuple[tuple[Removal, str], ...] = ()
    """What the store did not let these keys remove, with its words."""

    def complaint(self) -> str:
        """One sentence on what was refused and which right is missing; empty if nothing was."""
        if not self.refused:
            return ""
        first, said = self.refused[0]
        places = {"/".join(removal.prefix.split("/")[:2]) for removal, _ in self.refused}
        needed = ", ".join(f"{place}/*" for place in sorted(places))
        return (
            f"{len(self.refused)} of {len(self.refused) + len(self.removed)} removals were refused, "
            f"{first.prefix} first ({said}): these keys need s3:DeleteObject on {needed}"
        )


def gc(
    store: ObjectStore,
    lock: Lock,
    dataset: str,
    keep: int,
    older_than: timedelta,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Retention:
    """Removes old versions, what crashed publishers left, old runs' files, and batches of no kept version.

    Args:
        store: the bucket.
        lock: the one that promotions hold, so that no version is promoted while it is removed.
        dataset: prefix in the bucket.
        keep: the newest versions that stay in any case, >= 0.
        older_than: nothing younger is removed, and nothing that a pointer named within this time.
        dry_run: only say what would go.
        now: the time to judge by; by default the clock's.

    Raises:
        StoreUnavailable: the store went away; running it again goes on.
    """
    removed: list[Removal] = []
    refused: list[tuple[Removal, str]] = []
    with lock:
        moment = now or datetime.now(UTC)
        before = moment - older_than
        kept, removals = _plan(store, dataset, keep, before)
        for removal in removals:
            try:
                if not dry_run:
                    _remove(store, removal)
                removed.append(removal)
            except PermanentError as error:
                log.warning("not removed: %s", error)
                refused.append((removal, str(error)))
    return Retention(tuple(kept.items()), tuple(removed), dry_run, tuple(refused))


def _plan(
    store: ObjectStore, dataset: str, keep: int, before: datetime
) -> tuple[dict[str, str], list[Removal]]:
    folders = _folders(store, keys.versions(dataset))
    published = [name for name in folders if _has_manifest(folders[name])]
    protected = dict.fromkeys(_newest(published, keep), f"one of the newest {keep}")
    protected |= _protected(store, dataset, before)
    kept: dict[str, str] = {}
    removals: list[Removal] = []
    for name, objects in folders.items():
        if name in protected:
            kept[name] = protected[name]
        elif (newest := max(found.modified for found in objects)) > before:
            kept[name] = f"written {newest:%Y-%m-%d %H:%M}"
        else:
            kind = "version" if name in published else "remains"
            removals.append(_removal(keys.version(dataset, name), kind, objects))
    for name, objects in _folders(store, f"{dataset}/runs/").items():
        if max(found.modified for found in objects) <= before:
            removals.append(_removal(keys.runs(dataset, name), "run", objects))
    for name, objects in _folders(store, keys.batches(dataset)).items():
        if name not in kept and max(found.modified for found in objects) <= before:
            removals.append(_removal(f"{keys.batches(dataset)}{name}/", "batch", objects))
    return kept, removals


def _protected(store: ObjectStore, dataset: str, before: datetime) -> dict[str, str]:
    """The champion, its predecessor, and everything that a pointer named since a moment."""
    moves = history(store, dataset)
    since = [
        move
        for move, following in zip_longest(moves, moves[1:])
        if following is None or datetime.fromisoformat(following.moved_at) >= before
    ]
    protected = _named_by_channels(store, dataset)
    protected |= {move.version: f"champion until {before:%Y-%m-%d} or later" for move in since}
    if (champion := read_pointer(store, dataset)) is not None:
        if champion.previous is not None:
            protected[champion.previous] = "predecessor of the champion"
        protected[champion.version] = "champion"
    return protected


def _named_by_channels(store: ObjectStore, dataset: str) -> dict[str, str]:
    """What the pointers of all channels name now."""
    folder = keys.channels(dataset)
    names = [found.key.removeprefix(folder) for found in store.list(folder)]
    channels = [name.removesuffix(".json") for name in names if "/" not in name]
    pointers = {name: read_pointer(store, dataset, name) for name in channels}
    return {found.version: f"channel {name}" for name, found in pointers.items() if found}


def _newest(published: list[str], keep: int) -> list[str]:
    """Versions begin with their run's UTC stamp, so their names are in the order of time."""
    return sorted(published)[len(published) - min(keep, len(published)) :]


def _folders(store: ObjectStore, prefix: str) -> dict[str, list[StoredObject]]:
    folders: dict[str, list[StoredObject]] = defaultdict(list)
    for found in store.list(prefix):
        folders[found.key.removeprefix(prefix).partition("/")[0]].append(found)
    return dict(sorted(folders.items()))


def _has_manifest(objects: list[StoredObject]) -> bool:
    return any(found.key.endswith(f"/{keys.MANIFEST}") for found in objects)


def _removal(prefix: str, kind: str, objects: list[StoredObject]) -> Removal:
    newest = max(found.modified for found in objects)
    manifest_first = sorted(objects, key=lambda found: not found.key.endswith(keys.MANIFEST))
    return Removal(prefix, kind, f"last written {newest:%Y-%m-%d %H:%M}", tuple(manifest_first))


def _remove(store: ObjectStore, removal: Removal) -> None:
    for found in removal.objects:
        store.delete(found.key)
    log.info("removed %s %s, %d bytes", removal.kind, removal.prefix, removal.bytes)
