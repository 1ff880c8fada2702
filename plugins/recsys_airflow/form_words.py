"""What the trigger form says to a person: titles, sections and their order, bounds in words.

A setting that is named nowhere here stands under ``ADVANCED``, so a new one needs no entry.
"""

from collections.abc import Mapping
from typing import Any

ADVANCED = "Advanced"

OPEN = {
    "dataset": "Dataset",
    "source.movies": "Movies file",
    "source.ratings": "Ratings file",
    "preset": "Preset",
}
"""What a person sets, in this order; it stands open at the top because it has no section."""

SECTIONS = {
    "Search": ("tune.",),
    "Training": (
        *("train.engine", "train.components", "train.epochs", "train.patience"),
        *("train.learning_rate", "train.loss", "train.genres", "train.tuned", "train.warm_start"),
    ),
    "What counts as liked": ("positives.", "events."),
    "What a version must reach": (
        *("gate.min_precision", "gate.min_popular_ratio", "gate.max_champion_loss"),
        *("gate.max_churn", "gate.min_index_recall", "gate.rules"),
    ),
    "What the data must hold": ("checks.",),
    "How the files are read": ("source.",),
}
"""Sections in the order of the form: settings by name, or by the beginning that they share."""

TITLES = {
    "source.archive": "Archive, in place of the two files",
    "source.items": "Items file, for a dataset of events",
    "source.events": "Events file, for a dataset of events",
    "source.users": "Users file, for a dataset of events",
    "source.event_columns.user": "Events: column of the user",
    "source.event_columns.item": "Events: column of the item",
    "source.event_columns.type": "Events: column of the type",
    "source.event_columns.time": "Events: column of the time",
    "source.event_columns.value": "Events: column of the value",
    "source.item_columns.item": "Items: column of the item",
    "source.item_columns.title": "Items: column of the title",
    "source.item_columns.categories": "Items: column of the categories",
    "source.item_columns.available_from": "Items: column of when they may be shown first",
    "source.item_columns.available_until": "Items: column of when they may be shown last",
    "events.weights": "Weight of each type of event",
    "events.repeats": "Repeated events of one pair",
    "events.held_out": "Type of event that is tested",
    "positives.half_life_days": "Days after which a positive counts half",
    "source.replace": "Files are a full snapshot",
    "source.rating_columns.user": "Ratings: column of the user",
    "source.rating_columns.movie": "Ratings: column of the movie",
    "source.rating_columns.rating": "Ratings: column of the rating",
    "source.rating_columns.time": "Ratings: column of the time",
    "source.movie_columns.movie": "Movies: column of the movie",
    "source.movie_columns.title": "Movies: column of the title",
    "source.movie_columns.genres": "Movies: column of the genres",
    "positives.as_of": "As known on",
    "train.components": "Width of an embedding",
    "train.max_sampled": "Train: negatives drawn, at most",
    "tune.max_sampled": "Negatives drawn, at most",
    "checks.min_of_champion": "Share of the champion's data, at least",
    "checks.max_of_champion": "Multiple of the champion's data, at most",
    "checks.max_age_days": "Days since the newest rating, at most",
    "source.max_rejected": "Share of rejected rows, at most",
    "source.tolerated_rejected": "Rejected rows that are always tolerated",
    "gate.max_never_shown": "Gate: share of the catalogue that nobody is shown, at most",
    "gate.min_champion_users": "Gate: users to compare with the champion on, at least",
    "train.genres": "Use genres",
    "train.tuned": "Take the last search's winner",
    "train.warm_start": "Go on from the champion",
    "gate.min_precision": "precision@5, at least",
    "gate.min_popular_ratio": "precision@5 against the popular list, at least",
    "gate.max_champion_loss": "precision@5 lost against the champion, at most",
    "gate.max_churn": "Share of users whose list changes, at most",
    "gate.min_index_recall": "Recall of the index, at least",
    "gate.rules": "Further rules",
    "evaluate.ks": "Evaluate: lengths of the list",
}
"""Titles that the name alone does not make."""

WORDS = {"l2": "L2", "ease": "EASE"}
SIDES = {"min_": ", at least", "max_": ", at most"}

BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
SIGNS = ("at least", "more than", "at most", "less than")


def section_of(name: str) -> str | None:
    """The section that a setting stands in; None for one that stands open at the top."""
    if name in OPEN:
        return None
    for section, members in SECTIONS.items():
        if any(name == one or (one.endswith(".") and name.startswith(one)) for one in members):
            return section
    return ADVANCED


def title_of(name: str) -> str:
    """A setting's title: its name in words, after that of its group where it stands among others."""
    if known := OPEN.get(name) or TITLES.get(name):
        return known
    group, _, field = name.rpartition(".")
    side = SIDES.get(field[:4], "")
    named = field[4:] if side else field
    words = " ".join(WORDS.get(word, word) for word in named.split("_")) + side
    if section_of(name) == ADVANCED and group:
        return f"{group.replace('.', ' ').replace('_', '-').capitalize()}: {words}"
    return words[0].upper() + words[1:]


def order_of(name: str) -> tuple[int, int]:
    """Where a setting stands in the form: what is open first, then by section, ``ADVANCED`` last."""
    if name in OPEN:
        return 0, list(OPEN).index(name)
    section = section_of(name)
    if section == ADVANCED:
        return len(SECTIONS) + 1, 0
    place = list(SECTIONS).index(str(section))
    members = SECTIONS[str(section)]
    return place + 1, members.index(name) if name in members else len(members)


def bounds_in_words(spec: Mapping[str, Any]) -> str:
    """``at least 1, at most 1000``; empty for a setting without bounds.

    Args:
        spec: a setting's JSON schema.
    """
    limits = zip(SIGNS, BOUNDS, strict=True)
    return ", ".join(f"{sign} {_number(spec[bound])}" for sign, bound in limits if bound in spec)


def _number(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
