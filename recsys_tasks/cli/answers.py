"""How the commands that ask a version open it, take ids, and write what it answers."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import open_store
from recsys_tasks.errors import InputRejected, NotFound, SettingsError
from recsys_tasks.printable import printable

if TYPE_CHECKING:
    from recsys_tasks.artifacts.ids import Id
    from recsys_tasks.artifacts.items import Item
    from recsys_tasks.recommend.filters import ItemFilter
    from recsys_tasks.recommend.recommender import Recommendations, Recommended, Recommender

TIERS = {
    "model": "from the model",
    "fold_in": "from what is known of this user, whom the model was not trained on",
    "popular": "from the popular list, because the model knows nothing of this user",
}
"""The tier of an answer, in words."""


def add_common(parser: ArgumentParser, filters: bool = True) -> None:
    """Adds the options of every question; with ``filters`` also those that choose among the items."""
    parser.add_argument("-k", type=length, default=10, help="length of the list (default: 10)")
    parser.add_argument(
        "--version", help="a version, champion, previous or candidate (default: champion)"
    )
    parser.add_argument("--cache", type=Path, help="folder of downloads (default: ~/.cache/recsys)")
    if filters:
        _add_filters(parser)


def _add_filters(parser: ArgumentParser) -> None:
    for names, what in (
        (("--category", "--genre"), "only items of this category; repeat: of any of them"),
        (("--not-category",), "no item of this category; repeat"),
    ):
        parser.add_argument(*names, action="append", default=[], metavar="CATEGORY", help=what)
    parser.add_argument("--item-in", type=Path, metavar="FILE", help="only ids of FILE, one a line")


def item_filter(arguments: Namespace, recommender: "Recommender") -> "ItemFilter | None":
    """What the arguments of ``add_common`` say of the items; None: nothing.

    Raises:
        NotFound: no item is of a category that is named.
        InputRejected: the file of ids cannot be read.
    """
    from recsys_tasks.recommend.filters import ItemFilter

    wanted, unwanted, file = arguments.category, arguments.not_category, arguments.item_in
    if not (wanted or unwanted or file):
        return None
    refuse_unknown_categories(recommender, [*wanted, *unwanted])
    ids = tuple(typed_id(recommender, line) for line in _lines_of(file)) if file else None
    return ItemFilter(tuple(wanted), tuple(unwanted), ids)


def _lines_of(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    except OSError as error:
        raise InputRejected(path.name, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputRejected(path.name, "is not UTF-8") from None


def refuse_unknown_categories(recommender: "Recommender", categories: Sequence[str]) -> None:
    """Refuses a category that no item has: its list could only be empty.

    Raises:
        NotFound: there is none of that name.
    """
    from recsys_tasks.config.settings import did_you_mean

    artifacts = recommender.artifacts
    known = sorted(artifacts.rows_by_category)
    what = "genre" if artifacts.noun == "movie" else "category"
    for category in categories:
        if category not in known:
            near = did_you_mean(category, known) or did_you_mean(category.title(), known)
            raise NotFound(f"there is no {what} {category}{near}; there are: {', '.join(known)}")


def open_recommender(arguments: Namespace) -> "Recommender":
    """The version that the arguments name, open."""
    from recsys_tasks.publish.naming import CHAMPION, named_version
    from recsys_tasks.recommend.recommender import Recommender

    store, dataset = open_store(), arguments.dataset
    version = named_version(store, dataset, arguments.version or CHAMPION)
    return Recommender.load(store, dataset, version=version, cache=arguments.cache)


def typed_id(recommender: "Recommender", text: str) -> "Id":
    """An id that was typed: of movies a number, of other items as it is.

    Raises:
        SettingsError: a movie or its user is asked for by something else than a number.
    """
    if recommender.artifacts.noun == "item":
        return text
    try:
        return number(text)
    except ArgumentTypeError as error:
        raise SettingsError(str(error)) from None


def answer_document(answer: "Recommendations", recommender: "Recommender") -> dict[str, Any]:
    """An answer for a program."""
    from recsys_tasks.artifacts.items import in_answer

    noun = recommender.artifacts.noun
    items = [
        in_answer(noun, item.item_id, item.title, item.categories)
        | {"score": item.score, "strength": item.strength}
        for item in answer.items
    ]
    return {**asdict(replace(answer, items=())), "items": items}


def headline(answer: "Recommendations", recommender: "Recommender") -> str:
    """Whom an answer is for, and how it was made."""
    who = "" if answer.user_id is None else f"user {shown(answer.user_id)}, "
    near = "" if answer.user_id is None else _nearest_users(answer.user_id, recommender)
    return f"{who}{TIERS[answer.tier]} ({source(answer)}){near}"


def _nearest_users(user: "Id", recommender: "Recommender") -> str:
    """For a user whom the version does not know: which ids it knows near this one, where ids are in order."""
    import numpy as np

    lookup = recommender.artifacts.users_by_id
    if lookup.row(user) >= 0:
        return ""
    strange = f"\nthere is no user {shown(user)} in this version"
    if lookup.order is not None or isinstance(user, str):
        return strange
    known: Any = lookup.ids
    place = int(np.searchsorted(known, user))
    said = " and ".join(map(str, known[max(0, place - 1) : place + 1].tolist()))
    return f"{strange}; the nearest ids are {said}"


def source(answer: "Recommendations") -> str:
    """The dataset and the version that answered."""
    return f"{answer.dataset} {answer.version}"


def answer_table(answer: "Recommendations", recommender: "Recommender") -> str:
    """An answer for a person, best first."""
    wide, noun = width(item.item_id for item in answer.items), recommender.artifacts.noun
    lines = [
        f"{place:>3}  {shown(item.item_id):>{wide}}  {item.score:>8.4f}  {named(item)}"
        for place, item in enumerate(answer.items, start=1)
    ]
    if not lines:
        return "     nothing is left to recommend"
    return "\n".join([f"{'':>3}  {noun:>{wide}}  {'score':>8}  title", *lines])


def named(item: "Item | Recommended") -> str:
    """Title and categories."""
    return f"{_cut(printable(item.title), 56):<56}  {printable(', '.join(item.categories))}"


def shown(one: "Id") -> str:
    """An id as a terminal may show it."""
    return printable(str(one))


def width(ids: "Iterable[Id]") -> int:
    """Characters of a column of ids."""
    return max((8, *(len(shown(one)) for one in ids)))


def _cut(title: str, wide: int) -> str:
    return title if len(title) <= wide else title[: wide - 1] + "…"


def number(text: str) -> int:
    """A whole number, for argparse."""
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 20:
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def length(text: str) -> int:
    """The length of a list, for argparse."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)
