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

NO_SHARES = (
    *("ratings", "users", "items", "positives", "newest_rating_age_days"),
    *("silent_days", "new_ratings", "rating_drift", "weekday_drift"),
)
"""Checks of something else than a share of one."""


def data(facts: Facts) -> Section | None:
    """What was trained on."""
    found = facts.get("data") or {}
    if not found:
        return None
    stars = found.get("histogram") or {}
    unit, what = ("type", "events") if "events" in found else ("stars", "ratings")
    title = f"{what.capitalize()} by {unit}"
    figures = (Figure(plots.histogram(stars, unit, what), title),) if stars else ()
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
            f"at {'most' if check.get('at_most') else 'least'} "
            f"{_looked_at(check['name'], check['bound'])}",
            "yes" if check["passed"] else "no",
        )
        for check in facts.get("checks") or []
    )
    return (Table(("Check", "Value", "Required", "Passed"), rows),) if rows else ()


def activity(facts: Facts) -> Section | None:
    """How many ratings users give and movies get."""
    found = facts.get("activity") or {}
    groups = {"users": found.get("users"), "movies": found.get("items")}
    figures = tuple(
        Figure(
            plots.histogram(_in_order(sizes), "ratings", what), f"{what.capitalize()} by ratings"
        )
        for what, sizes in groups.items()
        if sizes and all(map(formatting.is_number, sizes.values()))
    )
    share = formatting.share(found.get("top_tenth"))
    text = f"The most rated tenth of the movies holds {share} of the ratings."
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
    table = Table(("Fact", "Before", "Now", "Change"), rows)
    if not rows:
        return None
    champion = (facts.get("champion") or {}).get("version", "")
    return Section(f"Data since the champion {champion}".rstrip(), _drift(facts), tables=(table,))


def _drift(facts: Facts) -> str:
    """How far the ratings by stars, or the events by type, moved from the champion's."""
    before = (facts.get("champion") or {}).get("histogram") or {}
    now = (facts.get("data") or {}).get("histogram") or {}
    moved = histogram_drift(before, now)
    if moved is None:
        return ""
    return formatting.moved_share(moved, now)


def histogram_drift(before: Mapping[str, float], now: Mapping[str, float]) -> float | None:
    """Half the sum of the absolute differences of two distributions: 0 alike, 1 nothing in common.

    Args:
        before, now: how many ratings have how many stars; None is returned where either has none.
    """
    counts = [
        [value for value in of.values() if formatting.is_number(value)] for of in (before, now)
    ]
    sums = [sum(of) for of in counts]
    if not all(total > 0 for total in sums):
        return None
    stars = {*before, *now}
    shares = [
        {star: (of.get(star) or 0) / total for star in stars}
        for of, total in zip((before, now), sums, strict=True)
    ]
    return 0.5 * sum(abs(shares[0][star] - shares[1][star]) for star in stars)


def neighbours(facts: Facts) -> Section | None:
    """Movies whose neighbours changed most."""
    rows = tuple(
        (
            str(movie.get("title", "")),
            ", ".join(movie.get("before") or []),
            ", ".join(movie.get("now") or []),
        )
        for movie in facts.get("neighbours") or []
    )
    table = Table(("Movie", "Neighbours before", "Neighbours now"), rows, wordy=True)
    return Section("Movies whose neighbours changed most", tables=(table,)) if rows else None


def _in_order(sizes: Mapping[str, float]) -> dict[str, float]:
    """Groups by their lower bound: JSON has them by name."""
    return dict(sorted(sizes.items(), key=lambda group: formatting.rank(group[0])))


def _looked_at(name: str, value: float) -> str:
    return formatting.count(value) if name in NO_SHARES else formatting.share(value)


def _place(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)
