"""The moves of a dataset's champion: entry ``n`` is the pointer as it was at its ``n``-th move."""

import re
from contextlib import suppress

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.errors import ArtifactRefused, NotFound


def history(store: ObjectStore, dataset: str) -> tuple[Pointer, ...]:
    """Every move of the champion, first to last."""
    moves = {each.move: each for each in entries(store, dataset)}
    if (now := read_pointer(store, dataset)) is not None:
        moves[now.move] = now
    return tuple(moves[move] for move in sorted(moves))


def entries(store: ObjectStore, dataset: str) -> list[Pointer]:
    """The entries that the bucket holds, in no order."""
    found = store.list(keys.history(dataset))
    return [Pointer.from_bytes(store.get(each.key), each.key) for each in found]


def entry(store: ObjectStore, dataset: str, move: int) -> Pointer | None:
    """One move of the history; None: it is missing or damaged."""
    key = f"{keys.history(dataset)}{move}.json"
    try:
        return Pointer.from_bytes(store.get(key), key)
    except (NotFound, ArtifactRefused):
        return None


def gone_back_from(store: ObjectStore, dataset: str, pointer: Pointer) -> str | None:
    """The version that a pointer's last move left to return to its predecessor; None: it went on."""
    before = entry(store, dataset, pointer.move - 1)
    return before.version if before and before.previous == pointer.version else None


def was_champion(store: ObjectStore, dataset: str, now: Pointer, version: str) -> bool:
    """Whether a move led to the version since its run began; reads no further back than that."""
    for number in range(now.move - 1, 0, -1):
        found = entry(store, dataset, number)
        if found and found.version == version:
            return True
        if found and re.sub("[-:]", "", found.moved_at) < version.partition("-")[0]:
            return False
    return False


def record(store: ObjectStore, dataset: str, pointer: Pointer) -> None:
    """Entry ``n`` holds the ``n``-th pointer; written again only when it is missing or differs."""
    key = f"{keys.history(dataset)}{pointer.move}.json"
    document = canonical_json.to_bytes(pointer.model_dump(mode="json"))
    with suppress(NotFound, ArtifactRefused):  # missing or damaged: written again
        if store.get(key) == document:
            return
    store.put(key, document)
