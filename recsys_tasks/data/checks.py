"""Checks of the tables before a training: each number against its bound."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from recsys_tasks.config.settings import CheckSettings
from recsys_tasks.data.tables import WEEKDAYS, RatingTally
from recsys_tasks.errors import DataCheckFailed

SECONDS_A_DAY = 86_400
LEAST_SHARE = 1e-4
"""What a value's share of the ratings counts for at least, in ``stability_index``."""

RECENT_DAYS = 28
"""Days up to the newest rating that ``ratings_a_day`` and ``silent_days`` look at."""

FEWEST_RATINGS = 1000
"""Of fewer, on either side, shares by day of the week say nothing."""

SIZES = ("ratings", "users", "items", "positives")
"""The counts that are compared with the champion's; ``items`` are the movies of the catalogue."""


class TableFacts(TypedDict):
    """Numbers about one reading of the tables; the manifest's ``data`` has the first four too."""

    ratings: int
    users: int
    items: int
    positives: int
    density: float
    """Ratings as a share of all pairs of user and movie."""

    positive_share: float
    """Positives as a share of the ratings."""

    newest_rating: int
    """Unix seconds; 0 without ratings."""

    unrated_movies: int
    single_rating_users: int
    histogram: dict[str, int]
    """Ratings by stars, those that occur."""

    weekdays: dict[str, int]
    """Ratings by day of the week, UTC."""

    ratings_a_day: float
    """Mean of the last ``RECENT_DAYS`` days up to the newest rating's."""

    silent_days: int
    """Those of these days without a rating."""


@dataclass(frozen=True)
class CheckResult:
    """One number beside its bound."""

    name: str
    """What was looked at, such as ``users`` or ``users_of_champion``."""

    value: float
    """What was found."""

    bound: float
    """What was asked for."""

    passed: bool
    """Whether the value keeps to the bound; a value that is no number does not."""

    reason: str
    """One sentence for the log and the report."""

    at_most: bool = False
    """Whether the bound is the greatest value allowed, and not the least."""


def table_facts(tally: RatingTally, threshold: float) -> TableFacts:
    """What the checks look at.

    Args:
        tally: of the ratings read for training, and of the catalogue of the same moment.
        threshold: stars from which on a rating is a positive.
    """
    count, users, items = tally.ratings, len(tally.per_user), tally.movies
    positives, recent = tally.at_least(threshold), tally.last_days(RECENT_DAYS)
    return {
        "ratings": count,
        "users": users,
        "items": items,
        "positives": positives,
        "density": count / max(users * items, 1),
        "positive_share": positives / max(count, 1),
        "newest_rating": tally.newest,
        "unrated_movies": items - tally.rated_movies,
        "single_rating_users": int((tally.per_user == 1).sum()),
        "histogram": tally.histogram(),
        "weekdays": tally.weekdays(),
        "ratings_a_day": sum(recent) / RECENT_DAYS,
        "silent_days": recent.count(0),
    }


def stability_index(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """The population stability index of two histograms: 0 for equal shares, above 0.25 by custom a great change.

    The sum over all values of ``(p - q) * ln(p / q)``, p and q being the value's shares, each at least
    ``LEAST_SHARE`` so that a value that only one of them has counts and is finite.
    """
    totals = max(sum(now.values()), 1), max(sum(before.values()), 1)
    pairs = [
        tuple(
            max(found.get(value, 0) / total, LEAST_SHARE)
            for found, total in zip((now, before), totals, strict=True)
        )
        for value in {*now, *before}
    ]
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def check_data(
    facts: TableFacts,
    champion: Mapping[str, Any] | None,
    settings: CheckSettings,
    now: int,
    known: Mapping[str, float] | None = None,
) -> tuple[CheckResult, ...]:
    """Each number against its bound.

    Args:
        facts: of what is about to be trained on.
        champion: ``data`` of the champion's manifest; None while there is no champion.
        settings: the bounds.
        now: Unix seconds of the run.
        known: shares of the champion's ``users`` and ``items`` that are still there, as far as it can
            be asked for them.
    """
    users, items = max(facts["users"], 1), max(facts["items"], 1)
    return (
        _at_least("ratings", facts["ratings"], settings.min_ratings),
        _at_least("users", facts["users"], settings.min_users),
        _at_least("items", facts["items"], settings.min_movies),
        _at_least("positives", facts["positives"], settings.min_positives),
        _at_least("density", facts["density"], settings.min_density),
        _at_least("positive_share", facts["positive_share"], settings.min_positive_share),
        _at_most("positive_share", facts["positive_share"], settings.max_positive_share),
        _at_most("unrated_movies", facts["unrated_movies"] / items, settings.max_unrated_movies),
        _at_most(
            "single_rating_users",
            facts["single_rating_users"] / users,
            settings.max_single_rating_users,
        ),
        _at_most("silent_days", facts["silent_days"], settings.max_silent_days),
        *_age(facts, settings, now),
        *_against_champion(facts, champion or {}, settings),
        *_drift(facts, champion or {}, settings),
        *(
            _at_least(f"known_{side}", share, settings.min_known)
            for side, share in (known or {}).items()
        ),
    )


def refuse_broken(results: tuple[CheckResult, ...]) -> None:
    """Stops the run when a bound is broken.

    Raises:
        DataCheckFailed: with the sentence of each broken one.
    """
    broken = tuple(result.reason for result in results if not result.passed)
    if broken:
        raise DataCheckFailed(broken)


def _age(facts: TableFacts, settings: CheckSettings, now: int) -> Iterator[CheckResult]:
    if settings.max_age_days:
        age = (now - facts["newest_rating"]) / SECONDS_A_DAY
        yield _at_most("newest_rating_age_days", age, settings.max_age_days)


def _against_champion(
    facts: TableFacts, champion: Mapping[str, Any], settings: CheckSettings
) -> Iterator[CheckResult]:
    """The four sizes as shares of the champion's."""
    sizes: Mapping[str, Any] = facts
    for size in SIZES:
        before = champion.get(size)
        if not before:
            continue
        share, name = sizes[size] / before, f"{size}_of_champion"
        yield _at_least(name, share, settings.min_of_champion)
        if settings.max_of_champion:
            yield _at_most(name, share, settings.max_of_champion)


def _drift(
    facts: TableFacts, champion: Mapping[str, Any], settings: CheckSettings
) -> Iterator[CheckResult]:
    """How ratings and their times moved since the champion's data."""
    if before := champion.get("histogram"):
        drift = stability_index(facts["histogram"], before)
        yield _at_most("rating_drift", drift, settings.max_rating_drift)
    if _comparable(facts["weekdays"], before := champion.get("weekdays") or {}):
        drift = stability_index(facts["weekdays"], before)
        yield _at_most("weekday_drift", drift, settings.max_weekday_drift)
    if before_a_day := champion.get("ratings_a_day"):
        share = facts["ratings_a_day"] / before_a_day
        yield _at_least("ratings_a_day_of_champion", share, settings.min_daily_of_champion)
    if champion.get("ratings") and settings.min_new_ratings:
        new = facts["ratings"] - champion["ratings"]
        yield _at_least("new_ratings", new, settings.min_new_ratings)


def _comparable(now: Mapping[str, int], before: Mapping[str, int]) -> bool:
    """Whether both have enough ratings, and the champion's some on every day of the week."""
    enough = min(sum(now.values()), sum(before.values())) >= FEWEST_RATINGS
    return enough and len(before) == len(WEEKDAYS) and all(before.values())


def _at_least(name: str, value: float, bound: float) -> CheckResult:
    passed = value >= bound
    return CheckResult(name, value, bound, passed, _said(name, value, f"at least {bound:.6g}"))


def _at_most(name: str, value: float, bound: float) -> CheckResult:
    passed = value <= bound
    said = _said(name, value, f"at most {bound:.6g}")
    return CheckResult(name, value, bound, passed, said, at_most=True)


def _said(name: str, value: float, required: str) -> str:
    size, _, rest = name.partition("_of_")
    what = f"the number of {size}" if size in SIZES else f"the {size.replace('_', ' ')}"
    what += " as a share of the champion's" if rest else ""
    return f"{what} is {value:.6g}, must be {required}"
