"""Movies by words of their title, for a person who knows no ids."""

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from recsys_tasks.artifacts.reader import Movie


def find_titles(movies: Sequence[Movie], wanted: str, k: int) -> tuple[bool, list[Movie]]:
    """Up to ``k`` movies whose title holds all words, the most liked first; else the nearest titles.

    Args:
        movies: the catalogue.
        wanted: words in any order; case and accents do not count.
        k: most movies that are returned.

    Returns:
        whether the titles hold the words, and the movies.
    """
    words = _plain(wanted).split()
    plain = [_plain(movie.title) for movie in movies]
    holding = [
        movie
        for movie, title in zip(movies, plain, strict=True)
        if words and all(word in title for word in words)
    ]
    if holding:
        return True, sorted(holding, key=lambda movie: -movie.positives)[:k]
    by_name: dict[str, Movie] = {}
    for movie, title in zip(movies, plain, strict=True):
        by_name.setdefault(title.partition(" (")[0], movie)
    near = get_close_matches(" ".join(words), by_name, n=min(k, 10), cutoff=0.6)
    return False, [by_name[title] for title in near]


def _plain(text: str) -> str:
    """Lower case without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))
