"""Items as a person knows them: ``items.jsonl`` and ``popular.json``, read, written and put into answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.artifacts.ids import Id, IdLookup, Ids, id_list
from recsys_tasks.errors import ArtifactRefused

Noun: TypeAlias = Literal["movie", "item"]
"""What a dataset calls its items: movies where ratings of MovieLens' form were ingested."""

CATEGORIES: dict[Noun, str] = {"movie": "genres", "item": "categories"}
"""What a dataset calls the categories of an item."""

Period: TypeAlias = tuple[int | None, int | None]
"""From when and until when an item may be shown, epoch seconds, the second not included; None: no bound."""

ALWAYS: Period = (None, None)

MAX_LISTING = 1 << 30
"""Bytes of ``items.jsonl`` beyond which it is refused: it is read into memory."""


@dataclass(frozen=True)
class Item:
    """One item as a person knows it, with its number of training positives."""

    item_id: Id
    title: str
    categories: tuple[str, ...]
    positives: int
    available: Period = ALWAYS

    @property
    def movie_id(self) -> Id:
        """The id, under the name that movies have it by."""
        return self.item_id

    @property
    def genres(self) -> tuple[str, ...]:
        """The categories, under the name that movies have them by."""
        return self.categories


def item_line(noun: Noun, item: Item) -> dict[str, Any]:
    """What ``items.jsonl`` says of an item."""
    begins, ends = item.available
    period = {"available_from": begins, "available_until": ends}
    return {
        f"{noun}_id": item.item_id,
        "title": item.title,
        CATEGORIES[noun]: list(item.categories),
        "positives": item.positives,
        **{name: moment for name, moment in period.items() if moment is not None},
    }


def in_answer(noun: Noun, item_id: Id, title: str, categories: Sequence[str]) -> dict[str, Any]:
    """An item in an answer's JSON: of movies also ``movie_id`` and ``genres``."""
    of_movies = {"movie_id": item_id, "genres": list(categories)} if noun == "movie" else {}
    return {**of_movies, "item_id": item_id, "title": title, "categories": list(categories)}


def read_items(path: Path) -> tuple[Noun, tuple[Item, ...]]:
    """What the dataset calls its items, and the items in row order.

    Raises:
        ArtifactRefused: the file is too large, or a line is no item.
    """
    if path.stat().st_size > MAX_LISTING:
        raise ArtifactRefused("items.jsonl", f"larger than {MAX_LISTING} bytes")
    lines = [canonical_json.from_bytes(line, path.name) for line in path.read_bytes().splitlines()]
    noun: Noun = "movie" if lines and "movie_id" in lines[0] else "item"
    return noun, tuple(_item(noun, line) for line in lines)


def check_listed(items: Sequence[Item], item_ids: Ids) -> None:
    """Refuses a listing that is not of these ids, in their order.

    Raises:
        ArtifactRefused: it is not.
    """
    if [item.item_id for item in items] != id_list(item_ids):
        raise ArtifactRefused("items.jsonl", "does not list the ids of item_ids.npy in their order")


def read_popular(path: Path, items: IdLookup) -> NDArray[np.int64]:
    """The rows of the popular list, most popular first.

    Raises:
        ArtifactRefused: the file is no such list, or names an item without a row.
    """
    if path.stat().st_size > canonical_json.MAX_BYTES:
        raise ArtifactRefused("popular.json", f"larger than {canonical_json.MAX_BYTES} bytes")
    try:
        lines = canonical_json.from_bytes(path.read_bytes(), path.name)
        rows = [items.row(line["item_id" if "item_id" in line else "movie_id"]) for line in lines]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ArtifactRefused("popular.json", "not a list of items") from None
    if any(row < 0 for row in rows):
        raise ArtifactRefused("popular.json", "names an item that is not in item_ids.npy")
    return np.array(rows, np.int64)


def _item(noun: Noun, line: Any) -> Item:
    named = line if isinstance(line, Mapping) else {}
    match named.get(f"{noun}_id"), named.get(CATEGORIES[noun]), named:
        case int() | str() as item_id, list(categories), {
            "title": str(title),
            "positives": int(positives),
        } if all(isinstance(category, str) for category in categories):
            period = _moment(named, "available_from"), _moment(named, "available_until")
            return Item(item_id, title, tuple(categories), positives, period)
        case _:
            what = "a movie" if noun == "movie" else "an item"
            raise ArtifactRefused("items.jsonl", f"a line is not {what}: {str(line)[:80]}")


def _moment(line: Mapping[str, Any], name: str) -> int | None:
    moment = line.get(name)
    if moment is not None and type(moment) is not int:
        raise ArtifactRefused("items.jsonl", f"{name} is not whole seconds: {str(moment)[:40]}")
    return moment
