"""What a consumer runs: recommendations from a published version, by the best tier that applies.

``model``: the user's own vector, or one made of a history as a training would make it. ``fold_in``: a
vector made of a history by a regression, where the version has no other way; only what was liked
counts. ``popular``: the same list for everyone, the last resort. The answer names
its tier. A score is the exact dot product [user vector, bias, 1]·[item vector, 1, bias];
``strength`` beside it is 1 / (1 + exp(-score)): the same order, between 0 and 1, and no probability.
The manifest says what finds the best: annoy's candidates, or exact search.
"""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import compress
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Id
from recsys_tasks.artifacts.items import Item
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.policy import read_policy
from recsys_tasks.artifacts.reader import Artifacts, default_cache, fetch, open_version
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import NotFound, SettingsError
from recsys_tasks.recommend.filters import ItemFilter, Mask
from recsys_tasks.recommend.fold_in import FoldIn
from recsys_tasks.recommend.following import Following
from recsys_tasks.recommend.rules import NO_BOOSTS, Rules, boosted_rows
from recsys_tasks.recommend.search import Choice, Filter, popular_rows, take
from recsys_tasks.recommend.share import is_in_share

log = logging.getLogger(__name__)
Tier = Literal["model", "fold_in", "popular"]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class Recommended(NamedTuple):
    """One place of a list. ``score`` compares within one answer; ``strength`` is in [0, 1]."""

    item_id: Id
    title: str
    categories: tuple[str, ...]
    score: float
    strength: float

    @property
    def movie_id(self) -> Id:
        """The id, under the name that movies have it by."""
        return self.item_id

    @property
    def genres(self) -> tuple[str, ...]:
        """The categories, under the name that movies have them by."""
        return self.categories


@dataclass(frozen=True)
class Recommendations:
    """One answer: from which version and tier, and the list, best first."""

    dataset: str
    version: str
    tier: Tier
    items: tuple[Recommended, ...]
    user_id: Id | None = None
    policy_sha256: str | None = None
    """Of the policy that was kept to, in hex; None: there was none."""


FILTERS_KEPT = 16
"""Filters whose masks a version keeps, a byte an item each."""

Wanted: TypeAlias = ItemFilter | Filter
"""What an answer is restricted to: a filter as data, or a function of an item."""


@dataclass(frozen=True, eq=False)
class _Serving:
    """What answers at a moment: exchanged whole, so that no answer mixes two versions or policies."""

    artifacts: Artifacts
    fold_in: FoldIn
    rules: Rules | None

    @classmethod
    def of(cls, artifacts: Artifacts, rules: Rules | None) -> "_Serving":
        return cls(artifacts, FoldIn(artifacts), rules)

    @property
    def policy_sha256(self) -> str | None:
        return self.rules.sha256 if self.rules else None

    def choice(self, wanted: Wanted | None, user_id: Id | None = None) -> Choice:
        """What may be in an answer for a user, or for someone without an id."""
        chosen = (
            Choice(self._mask_of(wanted))
            if isinstance(wanted, ItemFilter)
            else Choice(filter=wanted)
        )
        return chosen & self.rules.mask(user_id) if self.rules else chosen

    @cached_property
    def _mask_of(self) -> Callable[[ItemFilter], Mask]:
        """The mask of a filter, kept for the filters that were asked for last."""
        return lru_cache(maxsize=FILTERS_KEPT)(lambda wanted: wanted.mask(self.artifacts))

    def answer(
        self, tier: Tier, items: Iterable[Recommended], user_id: Id | None = None
    ) -> Recommendations:
        version, dataset = self.artifacts.version, self.artifacts.dataset
        return Recommendations(dataset, version, tier, tuple(items), user_id, self.policy_sha256)


class Recommender:
    """Answers from one version, which ``reload`` may exchange for a newer one while answers are given.

    Args:
        artifacts: an open version.
        rules: what of it may be shown; None: everything, whatever its period and the policy.
    """

    def __init__(self, artifacts: Artifacts, rules: Rules | None = None) -> None:
        self._serving = _Serving.of(artifacts, rules)
        self._reopen: Callable[[_Serving | None], _Serving | None] | None = None
        self._rest: Recommender | None = None
        self._share, self._salt = 1.0, ""

    @classmethod
    def load(
        cls,
        store: ObjectStore,
        dataset: str,
        channel: str = "champion",
        version: str | None = None,
        cache: Path | None = None,
        share: float = 1.0,
    ) -> Self:
        """Downloads, verifies and opens a version, and reads the dataset's policy.

        Args:
            store: the bucket.
            dataset: prefix in the bucket.
            channel: whose pointer to follow.
            version: this one, whatever the channel says.
            cache: folder of downloaded files; by default in the user's cache folder.
            share: of the users whom this channel answers, in [0, 1], by a stable hash of the user; the
                champion answers the others, and whoever has no id. 1: it answers everyone.

        Raises:
            SettingsError: the share is not in [0, 1].
            NotFound: no such channel or version.
            ArtifactRefused: a file is not what the manifest says, or the policy is not acceptable; the
                error names it.
            StoreUnavailable: the store stayed away.
        """
        if not 0 <= share <= 1:
            raise SettingsError(f"share needs a number from 0 to 1, not {share}")
        folder = cache or default_cache()

        def reopen(known: _Serving | None) -> _Serving | None:
            return _open(store, dataset, channel, version, folder, known)

        opened = reopen(None)
        assert opened is not None  # nothing was known
        recommender = cls(opened.artifacts, opened.rules)
        recommender._reopen = reopen
        if share < 1:
            recommender._rest = cls.load(store, dataset, cache=cache)
            recommender._share, recommender._salt = share, f"{dataset}/{channel}"
        return recommender

    @property
    def artifacts(self) -> Artifacts:
        """The version that answers now."""
        return self._serving.artifacts

    @property
    def version(self) -> str:
        """Name of the version that answers now."""
        return self.artifacts.version

    @property
    def policy_sha256(self) -> str | None:
        """Of the policy that is kept to now, in hex; None: there is none."""
        return self._serving.policy_sha256

    def shown(self, user_id: Id | None = None) -> tuple[Item, ...]:
        """The items that may be shown now, to a user or to anybody, in the order of their rows."""
        artifacts, mask = self.artifacts, self._serving.choice(None, user_id).mask
        return artifacts.items if mask is None else tuple(compress(artifacts.items, mask.tolist()))

    def reload(self) -> bool:
        """Follows the channel to where it points now, and the policy; the old ones serve until then.

        Returns:
            whether another version answers now, or another policy is kept to.

        Raises:
            ArtifactRefused, NotFound, StoreUnavailable: version or policy cannot be had; the old serve on.
        """
        rest_moved = self._rest is not None and self._rest.reload()
        opened = self._reopen(self._serving) if self._reopen else None
        if opened is None:
            return rest_moved
        self._serving = opened
        return True

    def follow(self, seconds: float = 60.0) -> Following:
        """Reloads in the background every so many seconds until ``stop``, or to the end of a ``with`` block.

        Raises:
            SettingsError: the time is not above 0.
        """
        if not 0 < seconds < math.inf:
            raise SettingsError(f"follow needs seconds above 0, not {seconds}")
        return Following(self.reload, seconds)

    def __repr__(self) -> str:
        found = self.artifacts
        sizes = f"{len(found.user_ids)} users, {len(found.item_ids)} {found.noun}s"
        return f"Recommender({found.dataset} {found.version}, {sizes})"

    def recommend(
        self,
        user_id: Id,
        k: int = 10,
        exclude_seen: bool = True,
        filter: Wanted | None = None,
        exact: bool = False,
        since: Iterable[Id] = (),
    ) -> Recommendations:
        """The best items for a user.

        Args:
            user_id: external id; an unknown one gets the popular list.
            k: length of the list; fewer come back when no more are left.
            exclude_seen: leave out what the user has rated, whatever the rating.
            filter: only items that it lets through: an ``ItemFilter``, or a function of an item.
            exact: as if every item were scored, also where the version is searched by annoy.
            since: external ids of what the user has liked since the version was trained, left out of
                the list as what the user has rated; unknown ones are passed over.
        """
        serving = self._serving
        artifacts, fold_in = serving.artifacts, serving.fold_in
        user_id = artifacts.users_by_id.written(_as_id(artifacts, user_id))
        if self._rest and not is_in_share(self._salt, user_id, self._share):
            return self._rest.recommend(user_id, k, exclude_seen, filter, exact, since)
        _check_k(k)
        choice = serving.choice(filter, user_id)
        user = artifacts.users_by_id.row(user_id)
        rated = _seen(artifacts, user) if user >= 0 else []
        newer = _liked(artifacts, since)
        excluded = [*rated, *newer.tolist()] if exclude_seen else []
        if user >= 0:
            newer = np.setdiff1d(newer, artifacts.liked.of(user)[0])
        if user >= 0 and artifacts.user_counts[user] > 0:
            own = np.asarray(artifacts.user_embeddings[user])
            vector = fold_in.moved(user, newer) if len(newer) else own
            return _ranked(serving, vector, k, excluded, choice, exact, "model", user_id)
        if len(newer) or (user >= 0 and artifacts.liked.lengths[user]):
            vector = fold_in.of_user(user, newer) if user >= 0 else fold_in.from_rows(newer)
            return _ranked(serving, vector, k, excluded, choice, exact, fold_in.tier, user_id)
        return _popular(serving, k, excluded, choice, user_id)

    def recommend_for(
        self,
        items: Iterable[Id],
        k: int = 10,
        exclude_seen: bool = True,
        filter: Wanted | None = None,
        exact: bool = False,
    ) -> Recommendations:
        """The best items for someone of whom only some liked items are known.

        Args:
            items: external ids; unknown ones are passed over, and if none is known the answer is popular.
            k: length of the list.
            exclude_seen: leave these items out.
            filter: only items that it lets through: an ``ItemFilter``, or a function of an item.
            exact: as if every item were scored.
        """
        if self._rest:
            return self._rest.recommend_for(items, k, exclude_seen, filter, exact)
        serving = self._serving
        choice = serving.choice(filter)
        _check_k(k)
        liked = _liked(serving.artifacts, items)
        if not len(liked):
            return _popular(serving, k, [], choice)
        excluded = liked.tolist() if exclude_seen else []
        vector = serving.fold_in.from_rows(liked)
        return _ranked(serving, vector, k, excluded, choice, exact, serving.fold_in.tier)

    def recommend_for_features(
        self,
        genres: Iterable[str],
        k: int = 10,
        filter: Wanted | None = None,
        exact: bool = False,
    ) -> Recommendations:
        """The best items for someone of whom only some categories are known.

        Args:
            genres: names as in the catalogue; unknown ones are passed over.
            k: length of the list.
            filter: only items that it lets through: an ``ItemFilter``, or a function of an item.
            exact: as if every item were scored.
        """
        if self._rest:
            return self._rest.recommend_for_features(genres, k, filter, exact)
        serving = self._serving
        choice = serving.choice(filter)
        _check_k(k)
        vector = serving.fold_in.from_genres(genres)
        if vector is None:
            return _popular(serving, k, [], choice)
        return _ranked(serving, vector, k, [], choice, exact, serving.fold_in.tier)

    def similar(self, item_id: Id, k: int = 10, filter: Wanted | None = None) -> Recommendations:
        """The items whose vectors point most nearly the same way; the score is the cosine, unboosted.

        Raises:
            NotFound: no such item in this version, or one that nobody liked.
        """
        if self._rest:
            return self._rest.similar(item_id, k, filter)
        serving = self._serving
        artifacts = serving.artifacts
        _check_k(k)
        row, noun = artifacts.items_by_id.row(_as_id(artifacts, item_id)), artifacts.noun
        if row < 0:
            raise NotFound(f"there is no {noun} {item_id} in {artifacts.version}")
        if not artifacts.is_trained[row]:
            raise NotFound(
                f"{noun} {item_id} has no vector in {artifacts.version}: nobody liked it"
            )
        vectors = artifacts.item_embeddings[:, :-2]
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        lengths = np.sqrt(np.where(squares > 0, squares, 1.0))
        cosines = (vectors @ (vectors[row] / lengths[row]).astype(np.float32)) / lengths
        order = _descending(cosines)
        near = order[artifacts.is_trained[order]].tolist()
        chosen = take(artifacts, near, k, {row}, serving.choice(filter))
        places = (
            _place(artifacts, i, float(cosines[i]), (1 + float(cosines[i])) / 2) for i in chosen
        )
        return serving.answer("model", places)


def _open(
    store: ObjectStore,
    dataset: str,
    channel: str,
    version: str | None,
    cache: Path,
    known: _Serving | None,
) -> _Serving | None:
    """The version asked for and the policy, opened; nothing when both are those that are known."""
    sha256 = None
    if version is None:
        pointer = read_pointer(store, dataset, channel)
        if pointer is None:
            raise NotFound(f"{dataset} has no {channel} yet")
        version, sha256 = pointer.version, pointer.manifest_sha256
    policy, of_policy = read_policy(store, dataset)
    if known is not None and version == known.artifacts.version:
        if of_policy == known.policy_sha256:
            return None
        return replace(known, rules=Rules(known.artifacts, policy, of_policy))
    manifest = read_manifest(store, dataset, version, sha256)
    opened = open_version(manifest, fetch(store, manifest, cache))
    return _Serving.of(opened, Rules(opened, policy, of_policy))


def _ranked(
    serving: _Serving,
    vector: Floats,
    k: int,
    excluded: list[int],
    choice: Choice,
    exact: bool,
    tier: Tier,
    user_id: Id | None = None,
) -> Recommendations:
    """The best ``k`` that may be in the answer, with their scores: by the index, or exactly."""
    artifacts, rules = serving.artifacts, serving.rules
    boosts = rules.boosts if rules else NO_BOOSTS
    rows, scores = boosted_rows(artifacts, vector, k, excluded, choice, exact, boosts)
    items = (
        _place(artifacts, row, score, _strength(score))
        for row, score in zip(rows.tolist(), (scores + float(vector[-2])).tolist(), strict=True)
    )
    return serving.answer(tier, items, user_id)


def _popular(
    serving: _Serving,
    k: int,
    excluded: list[int],
    choice: Choice,
    user_id: Id | None = None,
) -> Recommendations:
    """The popular list; its score is the number of training positives, as a share of the first's."""
    artifacts = serving.artifacts
    most = max(1, artifacts.items[int(artifacts.popular[0])].positives)
    chosen = take(artifacts, popular_rows(artifacts, choice), k, set(excluded), choice)
    shares = [artifacts.items[row].positives / most for row in chosen]
    places = (_place(artifacts, *pair, pair[1]) for pair in zip(chosen, shares, strict=True))
    return serving.answer("popular", places, user_id)


def _place(artifacts: Artifacts, row: int, score: float, strength: float) -> Recommended:
    item = artifacts.items[row]
    return Recommended(item.item_id, item.title, item.categories, score, strength)


def _descending(scores: NDArray[Any]) -> Rows:
    """Best first; among equals the first row, so that an answer repeats itself."""
    return np.argsort(-scores, kind="stable")


def _strength(score: float) -> float:
    """The logistic function, in the form that cannot overflow."""
    return (1 + math.tanh(score / 2)) / 2


def _liked(artifacts: Artifacts, items: Iterable[Id]) -> Rows:
    """The rows of external ids, ascending and each once; unknown ones are passed over."""
    found = (artifacts.items_by_id.row(_as_id(artifacts, item)) for item in items)
    return np.array(sorted({row for row in found if row >= 0}), np.int64)


def _seen(artifacts: Artifacts, user: int) -> list[int]:
    start, stop = artifacts.seen_indptr[user : user + 2]
    rows: list[int] = artifacts.seen_indices[start:stop].tolist()
    return rows


def _as_id(artifacts: Artifacts, given: Id) -> Id:
    """An id as the version writes it: a whole number, or of items that are no movies also text.

    Raises:
        SettingsError: it is neither.
    """
    if isinstance(given, str) and artifacts.noun == "item":
        return given
    if not isinstance(given, int | np.integer) or isinstance(given, bool):
        kind = type(given).__name__
        raise SettingsError(f"an id is a whole number, not {str(given)[:60]!r}, a {kind}")
    if not -(2**63) <= given < 2**63:
        raise SettingsError("an id is a whole number of at most 64 bits")
    return int(given)


def _check_k(k: int) -> None:
    if not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise SettingsError(f"k is a whole number, not {str(k)[:60]!r}, a {type(k).__name__}")
    if not 1 <= k <= 10_000:
        raise SettingsError(f"k is from 1 to 10,000, not {k}")
