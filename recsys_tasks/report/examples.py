"""Single users and movies for the report, beside the champion's answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Ids, id_at
from recsys_tasks.evaluation.paired import ScoredVersion
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.report.activity import activity_facts

ACTIVITY = (0.25, 0.5, 0.9)
"""Quantiles of the number of liked movies at which the example users stand."""

LIKED, LISTED = 8, 10
"""Movies shown of what a user liked, and of each list made for the user."""

WATCHED, NEAR, MOVED = 200, 5, 6
"""Best known movies whose neighbours are compared; neighbours of each; movies shown."""


@dataclass(frozen=True)
class Titles:
    """What a person calls the candidate's items, by their rows."""

    titles: Sequence[str]
    genres: Sequence[Sequence[str]]

    def movie(self, row: int) -> dict[str, Any]:
        """One item as the report takes it."""
        return {"title": self.titles[row], "genres": list(self.genres[row])}


@dataclass(frozen=True, eq=False)
class Vectors:
    """Items by id, each with its row [vector, 1, bias]."""

    ids: IdMap
    rows: NDArray[np.float32]


def example_facts(
    candidate: ScoredVersion,
    champion: ScoredVersion | None,
    liked: Interactions,
    seen: Csr,
    titles: Titles,
) -> dict[str, Any]:
    """The report's ``examples``, ``neighbours`` and ``activity``.

    Args:
        candidate: the version that the run makes.
        champion: the version that consumers get now, where it can be read.
        liked: what the candidate was trained on, in its rows.
        seen: CSR, everything rated, in its rows; none of it is recommended.
        titles: of its items.
    """
    counts = np.bincount(liked.col, minlength=liked.shape[1])
    return {
        "examples": [
            _example(row, candidate, champion, liked, seen, titles) for row in _typical(liked)
        ],
        "neighbours": moved_neighbours(_vectors(candidate), _vectors(champion), counts, titles)
        if champion
        else [],
        "activity": activity_facts(seen),
    }


def beside_champion(manifest: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The report's ``champion`` and ``changes``: what the champion's manifest says beside this run's data."""
    before = manifest.get("data") or {}
    changes = [
        {"name": name, "before": before[name], "now": data[name]}
        for name in ("users", "items", "ratings", "positives")
        if name in before and name in data
    ]
    champion = {
        "version": manifest["version"],
        "metrics": manifest["metrics"],
        "histogram": before.get("histogram") or {},
    }
    return {"champion": champion, "changes": changes}


def _typical(liked: Interactions) -> list[int]:
    """Rows of users at the quantiles of activity among those who like anything, each once."""
    counts = np.bincount(liked.row, minlength=liked.shape[0])
    users = np.flatnonzero(counts)
    if not len(users):
        return []
    ordered = users[np.argsort(counts[users], kind="stable")]
    places = [int(quantile * (len(ordered) - 1)) for quantile in ACTIVITY]
    return list(dict.fromkeys(int(ordered[place]) for place in places))


def _example(
    row: int,
    candidate: ScoredVersion,
    champion: ScoredVersion | None,
    liked: Interactions,
    seen: Csr,
    titles: Titles,
) -> dict[str, Any]:
    user = candidate.users.ids[row : row + 1]
    excluded = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
    found = {
        "user_id": id_at(user, 0),
        "liked": [titles.movie(item) for item in _best_liked(liked, row)],
        "recommended": [titles.movie(item) for item in _best(candidate, row, excluded)],
    }
    if champion is not None and champion.users.known(user)[0]:
        found["champion"] = [
            titles.movie(item) for item in _champions_best(user, candidate, champion, excluded)
        ]
    return found


def _best_liked(liked: Interactions, user: int) -> list[int]:
    """Items of a user, true positives before weaker ones, newest first."""
    own = np.flatnonzero(liked.row == user)
    order = np.lexsort((liked.col[own], -liked.rated_at[own], ~liked.is_positive[own]))
    return [int(item) for item in liked.col[own[order[:LIKED]]]]


def _best(version: ScoredVersion, user: int, excluded: NDArray[Any]) -> list[int]:
    """The version's own rows of the best items for a user of it, best first."""
    scores = version.scores(user)
    scores[excluded] = -np.inf
    order = np.argsort(-scores, kind="stable")[:LISTED]
    return [int(item) for item in order if np.isfinite(scores[item])]


def _champions_best(
    user: Ids, candidate: ScoredVersion, champion: ScoredVersion, excluded: NDArray[Any]
) -> list[int]:
    """The champion's best items for a user, as the candidate's rows; what it alone has is left out."""
    shared = candidate.items.ids[excluded]
    known = shared[champion.items.known(shared)]
    row = int(champion.users.rows_of(user)[0])
    best = champion.items.ids[_best(champion, row, champion.items.rows_of(known))]
    return [int(item) for item in candidate.items.rows_of(best[candidate.items.known(best)])]


def moved_neighbours(
    candidate: Vectors, champion: Vectors, counts: NDArray[Any], titles: Titles
) -> list[dict[str, Any]]:
    """Well known movies whose nearest movies differ most between both versions.

    Args:
        candidate, champion: the later version's items and the earlier one's.
        counts: ``(n_items,)``, how often each of the candidate's items was liked.
        titles: of the candidate's items.

    Returns:
        dicts with title, and the titles of the nearest movies before and now.
    """
    shared = candidate.ids.shared_with(champion.ids)
    ours, theirs = candidate.ids.rows_of(shared), champion.ids.rows_of(shared)
    watched = np.argsort(-counts[ours], kind="stable")[:WATCHED]
    now = _nearest(candidate.rows[ours], watched)
    before = _nearest(champion.rows[theirs], watched)
    kept = [len(np.intersect1d(*pair)) for pair in zip(now, before, strict=True)]
    order = [place for place in np.argsort(kept, kind="stable")[:MOVED] if kept[place] < NEAR]
    return [
        {
            "title": titles.titles[ours[watched[place]]],
            "before": [titles.titles[ours[item]] for item in before[place]],
            "now": [titles.titles[ours[item]] for item in now[place]],
        }
        for place in order
    ]


def _vectors(version: ScoredVersion) -> Vectors:
    return Vectors(version.items, version.embeddings.items)


def _nearest(items: NDArray[np.float32], asked: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each row asked, the rows at the smallest angle to it, itself left out; biases do not count."""
    vectors = items[:, :-2]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths == 0, 1, lengths)
    cosines = directions[asked] @ directions.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    return np.argsort(-cosines, axis=1, kind="stable")[:, :NEAR]
