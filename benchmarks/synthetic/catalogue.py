"""The synthetic movies: sparse ids, genres with the published margins, invented titles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import published
from recsys_tasks.data.tables import SYNTHETIC_TITLE

LABELS = tuple(published.MOVIES_OF_A_GENRE)
"""The 20 genre labels, in the order of the columns of ``Catalogue.genres``."""

_FIRST = "Silent Crimson Hidden Paper Northern Broken Golden Last Electric Hollow Second Velvet"
_SECOND = "Harbor Garden Mirror Letters Frontier Orchard Signal Winter Carnival Bridge Engine River"
_TAILS = ("", "", "", ", The", ": A Story", ' ("Remix")', " & Sons", " / Éclipse")


@dataclass(frozen=True)
class Catalogue:
    """All movies, by ascending id.

    ``movie_id`` int64 ``(n,)``; ``genres`` bool ``(n, 20)``, columns as ``LABELS``.
    """

    movie_id: NDArray[np.int64]
    genres: NDArray[np.bool_]

    def titles(self, years: NDArray[np.int64]) -> list[str]:
        """An invented title for each movie, marked as such, with its year in brackets as in MovieLens."""
        first, second = _FIRST.split(), _SECOND.split()
        return [
            f"{SYNTHETIC_TITLE}{first[i % 12]} {second[i // 12 % 12]} {i}{_TAILS[i % len(_TAILS)]} ({year})"
            for i, year in zip(self.movie_id.tolist(), years.tolist(), strict=True)
        ]

    def genre_lists(self) -> list[str]:
        """The genres column of movies.csv: labels in alphabetical order, joined by ``|``."""
        order = np.argsort(LABELS)
        names = np.array(LABELS)[order]
        return ["|".join(names[row]) for row in self.genres[:, order]]


def make_catalogue(rng: np.random.Generator) -> Catalogue:
    """Every movie of the published catalogue's size, whatever the number of users."""
    ids = rng.choice(published.LARGEST_MOVIE_ID - 1, published.MOVIES - 1, replace=False) + 1
    movie_id = np.append(np.sort(ids), published.LARGEST_MOVIE_ID).astype(np.int64)
    return Catalogue(movie_id, _genres(rng))


def _genres(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Labels with exact margins: movies with several first, the single ones take what is left."""
    left = np.array([published.MOVIES_OF_A_GENRE[label] for label in LABELS])
    bare = LABELS.index(published.NO_GENRE)
    rows = np.zeros((published.MOVIES, len(LABELS)), bool)
    at = 0
    for count in sorted(published.GENRE_COUNTS, reverse=True):
        if count == 1:
            continue
        for _ in range(published.GENRE_COUNTS[count]):
            chance = np.where(np.arange(left.size) == bare, 0, left) * rng.exponential(size=20)
            chosen = np.argpartition(-chance, count)[:count]
            rows[at, chosen] = True
            left[chosen] -= 1
            at += 1
    rows[np.arange(at, published.MOVIES), np.repeat(np.arange(left.size), left)] = True
    return rng.permutation(rows)
