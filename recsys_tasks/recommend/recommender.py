"""What a consumer runs: recommendations from a published version, by the best tier that applies.

``model``: the user's own vector. ``fold_in``: a vector made from items or genres, for someone whom
the model has not met. ``popular``: the same list for everyone, the last resort. The answer names
its tier. A score is the exact dot product [user vector, bias, 1]·[item vector, 1, bias] of a
candidate that the index found; ``strength`` beside it is 1 / (1 + exp(-score)): the same order,
between 0 and 1, and no probability.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.errors import NotFound, SettingsError
from recsys_tasks.publish.channels import read_pointer
from recsys_tasks.publish.index import index_queries
from recsys_tasks.publish.object_store import ObjectStore
from recsys_tasks.publish.publisher import read_manifest
from recsys_tasks.recommend.artifacts import (
    Artifacts,
    Movie,
    default_cache,
    fetch,
    open_version,
    rows_of,
)
from recsys_tasks.recommend.fold_in import FoldIn

log = logging.getLogger(__name__)
Tier = Literal["model", "fold_in", "popular"]
Filter = Callable[[Movie], bool]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Recommended:
    """One place of a list. ``score`` compares within one answer; ``strength`` is in [0, 1]."""

    movie_id: int
    title: str
    genres: tuple[str, ...]
    score: float
    strength: float


@dataclass(frozen=True)
class Recommendations:
    """One answer: from which version and tier, and the list, best first."""

    dataset: str
    version: str
    tier: Tier
    items: tuple[Recommended, ...]
    user_id: int | None = None


class Recommender:
    """Answers from one version, which ``reload`` may exchange for a newer one while answers are given.

    Args:
        artifacts: an open version.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._fold_in = FoldIn(artifacts)
        self._reopen: Callable[[str], Artifacts | None] | None = None

    @classmethod
    def load(
        cls,
        store: ObjectStore,
        dataset: str,
        channel: str = "champion",
        version: str | None = None,
        cache: Path | None = None,
    ) -> Self:
        """Downloads, verifies and opens a version.

        Args:
            store: the bucket.
            dataset: prefix in the bucket.
            channel: whose pointer to follow.
            version: this one, whatever the channel says.
            cache: folder of downloaded files; by default in the user's cache folder.

        Raises:
            NotFound: no such channel or version.
            ArtifactRefused: a file is not what the manifest says; the error names it.
            StoreUnavailable: the store stayed away.
        """
        folder = cache or default_cache()

        def reopen(known: str) -> Artifacts | None:
            return _open(store, dataset, channel, version, folder, known)

        opened = reopen("")
        assert opened is not None  # no version is called ""
        recommender = cls(opened)
        recommender._reopen = reopen
        return recommender

    @property
    def artifacts(self) -> Artifacts:
        """The version that answers now."""
        return self._artifacts

    @property
    def version(self) -> str:
        """Name of the version that answers now."""
        return self._artifacts.version

    def reload(self) -> bool:
        """Follows the channel to where it points now; the old version serves until the new is open.

        Returns:
            whether another version answers now.

        Raises:
            ArtifactRefused, NotFound, StoreUnavailable: the new one cannot be had; the old serves on.
        """
        opened = self._reopen(self.version) if self._reopen else None
        if opened is None:
            return False
        self._artifacts, self._fold_in = opened, FoldIn(opened)
        return True

    def recommend(
        self,
        user_id: int,
        k: int = 10,
        exclude_seen: bool = True,
        filter: Filter | None = None,
        exact: bool = False,
    ) -> Recommendations:
        """The best items for a user.

        Args:
            user_id: external id; an unknown one gets the popular list.
            k: length of the list; fewer come back when no more are left.
            exclude_seen: leave out what the user has rated, whatever the rating.
            filter: only movies for which it is true.
            exact: score every item instead of the index's candidates.
        """
        artifacts, fold_in = self._artifacts, self._fold_in
        _check_k(k)
        user = int(rows_of(artifacts.user_ids, _as_ids([user_id]))[0])
        if user < 0:
            return _popular(artifacts, k, _NOTHING, filter, user_id)
        rated = _seen(artifacts, user)
        barred = rated if exclude_seen else _NOTHING
        if artifacts.user_counts[user] > 0:
            vector = np.asarray(artifacts.user_embeddings[user])
            return _ranked(artifacts, vector, k, barred, filter, exact, "model", user_id)
        if len(rated):
            vector = fold_in.from_rows(rated)
            return _ranked(artifacts, vector, k, barred, filter, exact, "fold_in", user_id)
        return _popular(artifacts, k, barred, filter, user_id)

    def recommend_for(
        self,
        items: Iterable[int],
        k: int = 10,
        exclude_seen: bool = True,
        filter: Filter | None = None,
        exact: bool = False,
    ) -> Recommendations:
        """The best items for someone of whom only some liked movies are known.

        Args:
            items: external ids; unknown ones are passed over, and if none is known the answer is popular.
            k: length of the list.
            exclude_seen: leave these movies out.
            filter: only movies for which it is true.
            exact: score every item.
        """
        artifacts, fold_in = self._artifacts, self._fold_in
        _check_k(k)
        rows = rows_of(artifacts.item_ids, _as_ids(items))
        liked = np.unique(rows[rows >= 0])
        if not len(liked):
            return _popular(artifacts, k, _NOTHING, filter)
        barred = liked if exclude_seen else _NOTHING
        vector = fold_in.from_rows(liked)
        return _ranked(artifacts, vector, k, barred, filter, exact, "fold_in")

    def recommend_for_features(
        self,
        genres: Iterable[str],
        k: int = 10,
        filter: Filter | None = None,
        exact: bool = False,
    ) -> Recommendations:
        """The best items for someone of whom only some genres are known.

        Args:
            genres: names as in the catalogue; unknown ones are passed over.
            k: length of the list.
            filter: only movies for which it is true.
            exact: score every item.
        """
        artifacts, fold_in = self._artifacts, self._fold_in
        _check_k(k)
        vector = fold_in.from_genres(genres)
        if vector is None:
            return _popular(artifacts, k, _NOTHING, filter)
        return _ranked(artifacts, vector, k, _NOTHING, filter, exact, "fold_in")

    def similar(self, movie_id: int, k: int = 10, filter: Filter | None = None) -> Recommendations:
        """The movies whose vectors point most nearly the same way; the score is the cosine.

        Raises:
            NotFound: no such movie in this version.
        """
        artifacts = self._artifacts
        _check_k(k)
        row = int(rows_of(artifacts.item_ids, _as_ids([movie_id]))[0])
        if row < 0:
            raise NotFound(f"there is no movie {movie_id} in {artifacts.version}")
        vectors = artifacts.item_embeddings[:, :-2]
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
        cosines = (vectors @ vectors[row]) / (lengths * lengths[row])
        chosen = _take(artifacts, _descending(cosines), k, {row}, filter)
        items = tuple(
            _place(artifacts, i, float(cosines[i]), (1 + float(cosines[i])) / 2) for i in chosen
        )
        return Recommendations(artifacts.dataset, artifacts.version, "model", items)


_NOTHING: Rows = np.empty(0, np.int64)


def _open(
    store: ObjectStore, dataset: str, channel: str, version: str | None, cache: Path, known: str
) -> Artifacts | None:
    """The version asked for, opened; nothing when it is the one that is known."""
    sha256 = None
    if version is None:
        pointer = read_pointer(store, dataset, channel)
        if pointer is None:
            raise NotFound(f"{dataset} has no {channel} yet")
        version, sha256 = pointer.version, pointer.manifest_sha256
    if version == known:
        return None
    manifest = read_manifest(store, dataset, version, sha256)
    return open_version(manifest, fetch(store, manifest, cache))


def _ranked(
    artifacts: Artifacts,
    vector: Floats,
    k: int,
    barred: Rows,
    filter: Filter | None,
    exact: bool,
    tier: Tier,
    user_id: int | None = None,
) -> Recommendations:
    """The best ``k`` that are not barred, among ever more candidates until there are enough."""
    out = set(barred.tolist())
    chosen: list[int] = []
    for rows in _widening(artifacts, vector, k, len(barred), exact):
        scores = artifacts.item_embeddings[rows] @ vector
        order = rows[_descending(scores)]
        chosen = _take(artifacts, order, k, out, filter)
        if len(chosen) == k:
            break
    values = [float(artifacts.item_embeddings[row] @ vector) for row in chosen]
    items = tuple(
        _place(artifacts, row, score, _strength(score))
        for row, score in zip(chosen, values, strict=True)
    )
    return Recommendations(artifacts.dataset, artifacts.version, tier, items, user_id)


def _widening(
    artifacts: Artifacts, vector: Floats, k: int, n_barred: int, exact: bool
) -> Iterator[Rows]:
    """Candidate rows: from the index, four times as many each time, and at last every item."""
    n_items = len(artifacts.item_ids)
    query = index_queries(vector[None, :], artifacts.index_facts.metric)[0]
    wanted = k + n_barred
    while not exact and wanted < n_items // 8:
        search_k = artifacts.index_facts.search_k * max(1, wanted // 10)
        found = artifacts.index.get_nns_by_vector(query, wanted, search_k)
        yield np.array(found, np.int64)
        wanted *= 4
    yield np.arange(n_items)


def _take(
    artifacts: Artifacts, order: Rows, k: int, barred: set[int], filter: Filter | None
) -> list[int]:
    chosen: list[int] = []
    for row in order.tolist():
        if row not in barred and (filter is None or filter(artifacts.movies[row])):
            chosen.append(row)
            if len(chosen) == k:
                break
    return chosen


def _popular(
    artifacts: Artifacts, k: int, barred: Rows, filter: Filter | None, user_id: int | None = None
) -> Recommendations:
    """The popular list; its score is the number of training positives, as a share of the first's."""
    most = max(1, artifacts.movies[int(artifacts.popular[0])].positives)
    chosen = _take(artifacts, artifacts.popular, k, set(barred.tolist()), filter)
    items = tuple(
        _place(artifacts, row, share, share)
        for row in chosen
        for share in [artifacts.movies[row].positives / most]
    )
    return Recommendations(artifacts.dataset, artifacts.version, "popular", items, user_id)


def _place(artifacts: Artifacts, row: int, score: float, strength: float) -> Recommended:
    movie = artifacts.movies[row]
    return Recommended(movie.movie_id, movie.title, movie.genres, score, strength)


def _descending(scores: NDArray[Any]) -> Rows:
    """Best first; among equals the first row, so that an answer repeats itself."""
    return np.argsort(-scores, kind="stable")


def _strength(score: float) -> float:
    return float(1 / (1 + np.exp(-np.float64(score))))


def _seen(artifacts: Artifacts, user: int) -> Rows:
    start, stop = artifacts.seen_indptr[user : user + 2]
    return np.asarray(artifacts.seen_indices[start:stop], np.int64)


def _as_ids(ids: Iterable[int]) -> NDArray[np.int64]:
    try:
        return np.array(list(ids), np.int64)
    except (OverflowError, ValueError, TypeError):
        raise SettingsError("an id is a whole number of at most 64 bits") from None


def _check_k(k: int) -> None:
    if not 1 <= k <= 10_000:
        raise SettingsError(f"k is from 1 to 10,000, not {k}")
