"""Section on the data: the ratings, and what changed in them since the champion.

Each public function takes all facts and returns its section, or None where they hold nothing to say.
"""

from collections.abc import Mapping

from recsys_tasks.report import formatting, plots
from recsys_tasks.report.blocks import Facts, Figure, Section, Table

FIRST = (
    "users",
    "items",
    "ratings",
    "density",
    "positives",
    "weaker_positives",
    "users_with_positives",
    "unrated_movies",
    "single_rating_users",
    "oldest_rating",
    "newest_rating",
)
"""Facts of the data in the order in which a person asks for them; others follow by name."""

NO_SHARES = ("ratings", "users", "items", "positives", "newest_rating_age_days")
"""Checks of something else than a share of one."""


def data(facts: Facts) -> Section | None:
    """What was trained on."""
    found = facts.get("data") or {}
    if not found:
        return None
    stars = found.get("histogram") or {}
    figures = (
        (Figure(plots.histogram(stars, "stars", "ratings"), "Ratings by stars"),) if stars else ()
    )
    rows = tuple(
        (formatting.sentence(name), formatting.fact(name, value))
        for name, value in sorted(found.items(), key=lambda fact: _place(fact[0]))
        if formatting.is_number(value)
    )
    features = found.get("features") or {}
    shape = tuple(
        (f"Item features, {name}", formatting.count(value)) for name, value in features.items()
    )
    as_of = (("As of", str(found["as_of"])),) if found.get("as_of") else ()
    tables = (Table(("Fact", "Value"), rows + shape + as_of), *_checks(facts))
    return Section("Data", figures=figures, tables=tables)


def _checks(facts: Facts) -> tuple[Table, ...]:
    """What the data was held against before anything was trained on it."""
    rows = tuple(
        (
            formatting.sentence(str(check["name"])),
            _looked_at(check["name"], check["value"]),
            f"{'most' if check.get('at_most') else 'least'} "
            f"{_looked_at(check['name'], check['bound'])}",
            "✓" if check["passed"] else "✗ broken",
        )
        for check in facts.get("checks") or []
    )
    return (Table(("Check", "value", "at", "held"), rows),) if rows else ()


def activity(facts: Facts) -> Section | None:
    """How many ratings users give and films get."""
    found = facts.get("activity") or {}
    groups = {"users": found.get("users"), "films": found.get("items")}
    figures = tuple(
        Figure(
            plots.histogram(_in_order(sizes), "ratings", what), f"{what.capitalize()} by ratings"
        )
        for what, sizes in groups.items()
        if sizes and all(map(formatting.is_number, sizes.values()))
    )
    share = formatting.share(found.get("top_tenth"))
    text = f"The most rated tenth of the films holds {share} of the ratings."
    return Section("Activity", text, figures=figures) if figures else None


def changes(facts: Facts) -> Section | None:
    """What differs from the version before."""
    rows = tuple(
        (
            formatting.sentence(str(change.get("name", ""))),
            formatting.count(change.get("before")),
            formatting.count(change.get("now")),
            formatting.change(change.get("before"), change.get("now")),
        )
        for change in facts.get("changes") or []
    )
    table = Table(("Fact", "before", "now", "change"), rows)
    return Section("Since the last version", tables=(table,)) if rows else None


def neighbours(facts: Facts) -> Section | None:
    """Films whose neighbours changed most."""
    rows = tuple(
        (
            str(film.get("title", "")),
            ", ".join(film.get("before") or []),
            ", ".join(film.get("now") or []),
        )
        for film in facts.get("neighbours") or []
    )
    table = Table(("Film", "neighbours before", "neighbours now"), rows, wordy=True)
    return Section("Films whose neighbours changed most", tables=(table,)) if rows else None


def _in_order(sizes: Mapping[str, float]) -> dict[str, float]:
    """Groups by their lower bound: JSON has them by name."""
    return dict(sorted(sizes.items(), key=lambda group: formatting.rank(group[0])))


def _looked_at(name: str, value: float) -> str:
    return formatting.count(value) if name in NO_SHARES else formatting.share(value)


def _place(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)
