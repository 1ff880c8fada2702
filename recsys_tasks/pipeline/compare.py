"""Compares two published versions: reads both as a consumer does, and says what differs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys_tasks.artifacts.ids import Id, id_list
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import default_cache, fetch, open_version
from recsys_tasks.artifacts.user_metrics import METRICS, NAME, UserMetrics
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.renamed import with_new_names
from recsys_tasks.evaluation.slices import ACTIVITY
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.model.intervals import Interval, paired
from recsys_tasks.recommend.recommender import Recommender
from recsys_tasks.report.blocks import flat
from recsys_tasks.report.comparison import (
    Differing,
    Lists,
    Measured,
    MovedFilm,
    MovedUser,
    VersionComparison,
)
from recsys_tasks.report.examples import Titles, Vectors, moved_neighbours
from recsys_tasks.report.formatting import value_order
from recsys_tasks.report.sections.data import histogram_drift

ASKED = 2000
"""Users whose lists are compared at most: evenly spaced ones, so that it takes seconds."""

SHOWN, LENGTH = 20, 10
"""Users whose lists are shown, and titles of a list."""

SEED = 42
"""Of the bootstrap: the same versions give the same intervals."""

OF_SEARCH = ("metric", "trees", "search", "search_k", "transform", "width")
"""Facts of the index that were chosen; the others were measured."""

OF_DATA = (
    "users",
    "items",
    "ratings",
    "positives",
    "weaker_positives",
    "users_with_positives",
    "density",
    "oldest_rating",
    "newest_rating",
    "as_of",
)


def compare_versions(
    store: ObjectStore, dataset: str, before: str, now: str, cache: Path | None = None
) -> VersionComparison:
    """What differs between two versions of a dataset.

    Args:
        store: the bucket.
        dataset: prefix in the bucket.
        before: name of a version, usually the champion.
        now: name of another.
        cache: folder of downloads; by default in the user's cache folder.

    Raises:
        NotFound: there is no such version.
        ArtifactRefused: a file of one of them is missing or not what its manifest says.
        StoreUnavailable: the store stayed away.
    """
    folder = cache or default_cache()
    old, new = (_Version.of(store, dataset, name, folder) for name in (before, now))
    unpaired = _unpaired(old, new)
    histogram = tuple(_histogram(old.manifest, new.manifest))
    return VersionComparison(
        dataset=dataset,
        before=before,
        now=now,
        measured=tuple(_measured(old, new, not unpaired)),
        unpaired=unpaired,
        head_to_head=_head_to_head(old.manifest, new.manifest),
        settings=tuple(_differing(_chosen(old.manifest), _chosen(new.manifest))),
        data=tuple(_differing(_sizes(old.manifest), _sizes(new.manifest))),
        histogram=histogram,
        drift=histogram_drift(*map(_stars, (old.manifest, new.manifest))),
        lists=_lists(old.recommender, new.recommender),
        movies=tuple(_films(old.recommender, new.recommender)),
    )


@dataclass(frozen=True)
class _Version:
    """A version that can be asked, and what it measured user by user, if it was published."""

    manifest: Manifest
    recommender: Recommender
    users: UserMetrics | None

    @classmethod
    def of(cls, store: ObjectStore, dataset: str, version: str, cache: Path) -> "_Version":
        manifest = read_manifest(store, dataset, version)
        recommender = Recommender(open_version(manifest, fetch(store, manifest, cache)))
        kept = fetch(store, manifest, cache, (NAME,)) if NAME in manifest.files else None
        return cls(manifest, recommender, UserMetrics.load(kept[NAME]) if kept else None)


def _unpaired(old: _Version, new: _Version) -> str:
    """Why the two cannot be compared user by user; empty: they can."""
    for version in (old, new):
        if version.users is None:
            return (
                f"{version.manifest.version} was published without its metrics of each user "
                f"({NAME}): no interval can be given. Versions published from now on have it."
            )
    splits = (dict(flat(one.manifest.split.model_dump(mode="json"))) for one in (old, new))
    if differing := list(_differing(*splits)):
        named = ", ".join(one.name for one in differing)
        return f"The test parts were chosen differently ({named}): no interval can be given."
    if not len(_ids(new).shared_with(_ids(old))):
        return "No user was measured by both versions: no interval can be given."
    return ""


def _ids(version: _Version) -> IdMap:
    assert version.users is not None
    return IdMap(version.users.ids)


def _measured(old: _Version, new: _Version, can_pair: bool) -> Iterator[Measured]:
    both: list[Mapping[str, Any]] = [dict(of.manifest.metrics) for of in (old, new)]
    intervals = dict(_intervals(old, new)) if can_pair else {}
    for metric in METRICS:
        before, now = (_number(of, "test_served", metric) for of in both)
        yield Measured("all", metric, before, now, intervals.get(("all", metric)))
    metric = METRICS[0]
    slices = [of.get("slices") or {} for of in both]
    named = [*(f"users.{name}" for name in ACTIVITY), *slices[1], *slices[0]]
    for group in dict.fromkeys(named):
        before, now = (_number(of, group, metric) for of in slices)
        interval = intervals.get((group, metric))
        if (before, now, interval) != (None, None, None):
            yield Measured(group, metric, before, now, interval)


def _intervals(old: _Version, new: _Version) -> Iterator[tuple[tuple[str, str], Interval]]:
    """Paired intervals by group and metric; a user's group is the one that the later version knows."""
    assert old.users is not None
    assert new.users is not None
    shared = _ids(new).shared_with(_ids(old))
    ours, theirs = _ids(new).rows_of(shared), _ids(old).rows_of(shared)
    for metric in METRICS:
        pair = new.users.values[metric][ours], old.users.values[metric][theirs]
        yield ("all", metric), paired(*pair, SEED)
    pair = new.users.values[METRICS[0]][ours], old.users.values[METRICS[0]][theirs]
    activity = new.users.training_positives[ours]
    for name, (low, high) in ACTIVITY.items():
        of_group = (low <= activity) & (activity <= high)
        if of_group.any():
            first, second = (values[of_group] for values in pair)
            yield (f"users.{name}", METRICS[0]), paired(first, second, SEED)


def _head_to_head(old: Manifest, new: Manifest) -> Interval | None:
    """What the later version's run found when it was judged against the earlier one."""
    found: Any = new.metrics.get("champion") or {}
    gap = found.get("precision_at_5")
    if found.get("version") != old.version or not isinstance(gap, dict):
        return None
    return Interval(gap["difference"], gap["low"], gap["high"], int(gap["users"]))


def _chosen(manifest: Manifest) -> dict[str, Any]:
    """What a person or a search chose for a version, by name."""
    index = manifest.index.model_dump(mode="json")
    data = manifest.data.model_dump(mode="json")
    tree = {
        "train": manifest.model.model_dump(mode="json"),
        "split": manifest.split.model_dump(mode="json"),
        "positives": data.get("positives_settings"),
        "index": {name: index[name] for name in OF_SEARCH},
        "gate": {rule.name: rule.bound for rule in manifest.gate.rules},
        "libraries": manifest.libraries,
        "code": manifest.code.revision,
    }
    return with_new_names(dict(flat(tree)))


def _sizes(manifest: Manifest) -> dict[str, Any]:
    data = manifest.data.model_dump(mode="json")
    files = [str(file.get("name")) for file in data["files"]]
    return {name: data.get(name) for name in OF_DATA} | {"files": files}


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Differing]:
    for name in dict.fromkeys((*before, *now)):
        if before.get(name) != now.get(name):
            yield Differing(name, before.get(name), now.get(name))


def _stars(manifest: Manifest) -> dict[str, float]:
    """How many ratings have how many stars, or events each type; empty where the manifest does not say."""
    return manifest.data.model_dump(mode="json").get("histogram") or {}


def _histogram(old: Manifest, new: Manifest) -> Iterator[Differing]:
    """The share of the ratings with each number of stars, or of the events of each type, in both."""
    counts = [_stars(of) for of in (old, new)]
    if not all(sum(of.values()) for of in counts):
        return
    for stars in sorted({*counts[0], *counts[1]}, key=value_order):
        yield Differing(stars, *(of.get(stars, 0) / sum(of.values()) for of in counts))


def _lists(old: Recommender, new: Recommender) -> Lists:
    known = IdMap(new.artifacts.user_ids).shared_with(IdMap(old.artifacts.user_ids))
    asked = id_list(known[:: max(1, -(-len(known) // ASKED))])
    moved = [_moved(user, old, new) for user in asked]
    kept = np.array([user.kept / max(1, len(user.before)) for user in moved])
    order = np.argsort(kept, kind="stable")[:SHOWN]
    return Lists(
        asked=len(asked),
        known=len(known),
        changed=float((kept < 0.5).mean()) if len(kept) else 0.0,
        moved=tuple(moved[place] for place in order if kept[place] < 1),
    )


def _moved(user: Id, old: Recommender, new: Recommender) -> MovedUser:
    before, now = (of.recommend(user, LENGTH).items for of in (old, new))
    kept = {str(item.item_id) for item in before} & {str(item.item_id) for item in now}
    titles = (tuple(item.title for item in items) for items in (before, now))
    return MovedUser(user, len(kept), *titles)


def _films(old: Recommender, new: Recommender) -> Iterator[MovedFilm]:
    items = new.artifacts.items
    titles = Titles([item.title for item in items], [item.categories for item in items])
    counts = np.array([item.positives for item in items])
    ours, theirs = (
        Vectors(IdMap(of.artifacts.item_ids), of.artifacts.item_embeddings) for of in (new, old)
    )
    for movie in moved_neighbours(ours, theirs, counts, titles):
        yield MovedFilm(movie["title"], tuple(movie["before"]), tuple(movie["now"]))


def _number(metrics: Mapping[str, Any], part: str, name: str) -> float | None:
    value = (metrics.get(part) or {}).get(name)
    return float(value) if isinstance(value, int | float) else None
