"""What the model was made from: the ratings, and what changed in them and in the films' neighbours.

Each public function takes all facts and returns its section, or None where they hold nothing to say.
"""

from datetime import UTC, datetime

from recsys_tasks.publish.report import plots, wording
from recsys_tasks.publish.report.blocks import Facts, Figure, Section, Table

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
        (wording.sentence(name), _said(name, value))
        for name, value in sorted(found.items(), key=lambda fact: _place(fact[0]))
        if wording.is_number(value)
    )
    features = found.get("features") or {}
    shape = tuple(
        (f"Item features, {name}", wording.count(value)) for name, value in features.items()
    )
    as_of = (("As of", str(found["as_of"])),) if found.get("as_of") else ()
    tables = (Table(("Fact", "Value"), rows + shape + as_of), *_checks(facts))
    return Section("Data", figures=figures, tables=tables)


def _checks(facts: Facts) -> tuple[Table, ...]:
    """What the data was held against before anything was trained on it."""
    rows = tuple(
        (
            wording.sentence(str(check["name"])),
            _said("", check["value"]),
            _said("", check["bound"]),
            "kept" if check["passed"] else "broken",
        )
        for check in facts.get("checks") or []
    )
    return (Table(("Check", "value", "bound", "held"), rows),) if rows else ()


def changes(facts: Facts) -> Section | None:
    """What differs from the version before."""
    rows = tuple(
        (
            wording.sentence(str(change.get("name", ""))),
            wording.count(change.get("before")),
            wording.count(change.get("now")),
        )
        for change in facts.get("changes") or []
    )
    table = Table(("Fact", "before", "now"), rows)
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


def _said(name: str, value: float) -> str:
    if name.endswith("_rating"):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return wording.count(value) if float(value).is_integer() else wording.share(value)


def _place(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)
