"""Items by words of their title, for a person who knows no ids."""

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from recsys_tasks.artifacts.items import Item


def find_titles(items: Sequence[Item], wanted: str, k: int) -> tuple[bool, list[Item]]:
    """Up to ``k`` items whose title holds all words, the most liked first; else the nearest titles.

    Args:
        items: the catalogue.
        wanted: words in any order; case and accents do not count.
        k: most items that are returned.

    Returns:
        whether the titles hold the words, and the items.
    """
    words = _plain(wanted).split()
    plain = [_plain(item.title) for item in items]
    holding = [
        item
        for item, title in zip(items, plain, strict=True)
        if words and all(word in title for word in words)
    ]
    if holding:
        return True, sorted(holding, key=lambda item: -item.positives)[:k]
    by_name: dict[str, Item] = {}
    for item, title in zip(items, plain, strict=True):
        by_name.setdefault(title.partition(" (")[0], item)
    near = get_close_matches(" ".join(words), by_name, n=min(k, 10), cutoff=0.6)
    return False, [by_name[title] for title in near]


def _plain(text: str) -> str:
    """Lower case without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))
