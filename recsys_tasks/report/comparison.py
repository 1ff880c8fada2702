"""Two versions of a dataset side by side: what differs, as a value, as text and as HTML.

The text and the HTML come from the same sections, so a number reads the same in both.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any

from recsys_tasks.model.intervals import Interval
from recsys_tasks.report import formatting
from recsys_tasks.report.blocks import Section, Table
from recsys_tasks.report.page import template
from recsys_tasks.report.text import WIDTH, sections_text


@dataclass(frozen=True)
class Measured:
    """One metric of both versions, over one group of users or movies.

    ``before`` and ``now`` are each version's own means; ``interval`` is taken over the users whom both
    measured, and missing where no such users are known.
    """

    group: str
    """``all``, or the name of a slice as the manifest has it"""
    metric: str
    before: float | None
    now: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Differing:
    """A setting or a fact of the data that is not the same; None: the version does not say."""

    name: str
    before: Any
    now: Any


@dataclass(frozen=True)
class MovedUser:
    """A user whose top ten changed: how many titles it kept, and both lists, best first."""

    user_id: int | str
    kept: int
    before: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True)
class MovedFilm:
    """A well-known movie whose nearest movies changed."""

    title: str
    before: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True)
class Lists:
    """What consumers of one version would be shown, beside what they would be shown by the other."""

    asked: int
    """users asked: all that both know, or evenly spaced ones of them"""
    known: int
    """users that both know"""
    changed: float
    """share of the users asked whose top ten lost more than half of its titles"""
    moved: tuple[MovedUser, ...]
    """those whose top ten changed most, most changed first"""


@dataclass(frozen=True)
class VersionComparison:
    """What differs between two versions of a dataset; ``before`` and ``now`` are their names."""

    dataset: str
    before: str
    now: str
    measured: tuple[Measured, ...]
    unpaired: str
    """why no interval could be taken; empty where one was"""
    head_to_head: Interval | None
    """precision@5 on what both know and neither was trained on, if the one was judged against the other"""
    settings: tuple[Differing, ...]
    data: tuple[Differing, ...]
    histogram: tuple[Differing, ...]
    """share of the ratings with each number of stars"""
    drift: float | None
    """half the sum of the absolute differences of these shares: 0 alike, 1 nothing in common"""
    lists: Lists
    movies: tuple[MovedFilm, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"summary": self.summary()}

    def summary(self) -> str:
        """What moving consumers from the one to the other does to whom, in two or three sentences."""
        return " ".join(_summary(self))

    def text(self) -> str:
        """For a terminal."""
        title = f"{self.dataset}: {self.before} and {self.now}"
        return "\n\n".join((title, fill(self.summary(), WIDTH), sections_text(self.sections())))

    def html(self) -> str:
        """A fragment without head and body, for a page that brings ``report.css`` or its own style."""
        return template("comparison.html").render(summary=self.summary(), sections=self.sections())

    def sections(self) -> tuple[Section, ...]:
        """What text and HTML are made of."""
        return tuple(_sections(self))


def _summary(found: VersionComparison) -> Iterator[str]:
    lists = found.lists
    yield (
        f"Consumers who move from {found.before} to {found.now} show "
        f"{formatting.share(lists.changed)} of {formatting.count(lists.asked)} users a top ten "
        "of which more than half is new."
    )
    gap = next((one for one in found.measured if one.metric == "precision_at_5"), None)
    if gap is None or not (formatting.is_number(gap.before) and formatting.is_number(gap.now)):
        yield "Precision@5 of one of them is not known."
        return
    verb = "rises" if gap.now > gap.before else "falls" if gap.now < gap.before else "stays"
    yield (
        f"Precision@5 {verb} from {formatting.measure(gap.before)} to {formatting.measure(gap.now)}."
    )
    if gap.interval:
        yield _judged(gap.interval)


def _judged(interval: Interval) -> str:
    said = (
        f"On the {formatting.count(interval.users)} users whom both measured, the difference is "
        f"{formatting.signed(interval.difference)} (95 % interval {formatting.signed(interval.low)} "
        f"to {formatting.signed(interval.high)})"
    )
    if interval.low > 0:
        return f"{said}: better than chance would explain."
    if interval.high < 0:
        return f"{said}: worse than chance would explain."
    return f"{said}: too small to tell from chance."


def _sections(found: VersionComparison) -> Iterator[Section]:
    yield _quality(found)
    yield from _groups(found)
    yield _differing("Settings that differ", found.settings, "The settings are the same.")
    yield _data(found)
    yield _lists(found.lists)
    yield _films(found.movies)


def _quality(found: VersionComparison) -> Section:
    rows = tuple(
        (formatting.metric(one.metric), *_numbers(one))
        for one in found.measured
        if one.group == "all"
    )
    points: tuple[str, ...] = (found.unpaired,) if found.unpaired else ()
    if found.head_to_head:
        points += ("Asked the same, before publishing. " + _judged(found.head_to_head),)
    return Section(
        "Quality",
        "As served: whatever a user has rated is left out of the list. Before and after are each "
        "version's own means, on its own test part. The difference is taken user by user, over the "
        "users whom both measured; an interval that holds zero can be chance.",
        points=points,
        tables=(Table(("Metric", *HEAD), rows),),
    )


HEAD = ("Before", "After", "Difference", "95 % low", "95 % high", "Users")


def _numbers(one: Measured) -> tuple[str, ...]:
    both = (formatting.measure(one.before), formatting.measure(one.now))
    if one.interval is None:
        return (*both, *(4 * (formatting.NOTHING,)))
    ends = (one.interval.difference, one.interval.low, one.interval.high)
    return (*both, *map(formatting.signed, ends), formatting.count(one.interval.users))


def _groups(found: VersionComparison) -> Iterator[Section]:
    tables = tuple(
        Table(
            (title, *HEAD),
            tuple((formatting.group(one.group), *_numbers(one)) for one in of_kind),
        )
        for kind, title in formatting.KINDS.items()
        if (of_kind := [one for one in found.measured if one.group.startswith(kind)])
    )
    if tables:
        text = "Precision@5 as served, for groups of users and of movies."
        yield Section("Users and movies by group", text, tables=tables)


def _differing(title: str, differing: tuple[Differing, ...], same: str) -> Section:
    rows = tuple(
        (one.name, formatting.setting(one.before), formatting.setting(one.now)) for one in differing
    )
    if not rows:
        return Section(title, same)
    return Section(title, tables=(Table(("Setting", "Before", "After"), rows, wordy=True),))


def _data(found: VersionComparison) -> Section:
    facts = tuple(
        (
            formatting.sentence(one.name),
            formatting.fact(one.name, one.before),
            formatting.fact(one.name, one.now),
            formatting.change(one.before, one.now) if one.name in COUNTED else "",
        )
        for one in found.data
    )
    stars = tuple(
        (one.name, formatting.share(one.before), formatting.share(one.now))
        for one in found.histogram
    )
    tables: tuple[Table, ...] = (
        (Table(("Fact", "Before", "After", "Change"), facts),) if facts else ()
    )
    names = [one.name for one in found.histogram]
    of_types = any(formatting.value_order(name)[0] for name in names)
    head, of = ("Type", "events") if of_types else ("Stars", "ratings")
    tables += (Table((head, "Before", "After"), stars, f"Share of the {of}"),) if stars else ()
    drift = "" if found.drift is None else " " + formatting.moved_share(found.drift, names)
    same = "" if facts else "Both were made from data of the same size."
    return Section("Data", (same + drift).strip(), tables=tables)


COUNTED = ("users", "items", "ratings", "positives", "weaker_positives", "users_with_positives")
"""Facts of the data whose change is told in per cent."""


def _lists(lists: Lists) -> Section:
    asked = formatting.count(lists.asked)
    who = asked if lists.asked == lists.known else f"{asked} of {formatting.count(lists.known)}"
    text = (
        f"The top ten of {who} users whom both versions know, as each version answers a consumer "
        f"today. More than half of it is new for {formatting.share(lists.changed)} of them."
    )
    tables = tuple(
        Table(
            ("Place", "Before", "After"),
            tuple(
                (str(place + 1), _at(user.before, place), _at(user.now, place))
                for place in range(max(len(user.before), len(user.now)))
            ),
            f"User {user.user_id}: {user.kept} of {len(user.before)} titles stayed",
            wordy=True,
        )
        for user in lists.moved
    )
    return Section("Users whose lists changed most", text, tables=tables)


def _films(movies: tuple[MovedFilm, ...]) -> Section:
    title = "Movies whose neighbours changed most"
    rows = tuple((movie.title, ", ".join(movie.before), ", ".join(movie.now)) for movie in movies)
    if not rows:
        return Section(title, "The nearest movies of the best-known movies are the same.")
    text = "Neighbours are the movies whose vectors point most nearly the same way."
    return Section(title, text, tables=(Table(("Movie", "Before", "After"), rows, wordy=True),))


def _at(titles: tuple[str, ...], place: int) -> str:
    return titles[place] if place < len(titles) else formatting.NOTHING
