"""Facts of a run as sections of the page: what is said, in what order, with which plot.

Each public function takes all facts and returns its section, or None where they hold nothing to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recsys_tasks.publish.report import plots, wording

Facts = Mapping[str, Any]

PLOTTED = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr")
TABLED = (*PLOTTED, "auc")
OF_LISTS = ("coverage_at_10", "gini_at_10", "novelty_at_10")
VIEWS = ("test_served", "test", "test_unmasked", "train")
HALF_WIDTH = 1.96
"""Standard errors on each side of a mean in its 95 % interval."""


@dataclass(frozen=True)
class Table:
    """Rows of words; the first column names the row, the others are numbers unless ``wordy``."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    wordy: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether it needs the page's whole width."""
        return len(self.head) > 4 or (self.wordy and len(self.head) > 2)


@dataclass(frozen=True)
class Figure:
    """A drawing and what it shows, in a sentence."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it; ``folded`` ones open on a click."""

    title: str
    text: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: bool = False


def quality(facts: Facts) -> Section | None:
    """The model as served beside its champion and its baselines."""
    scorers = _scorers(facts)
    served = _columns(scorers, "test_served", TABLED)
    if served is None:
        return None
    users = scorers["model"]["test_served"].get("users")
    values = _intervals(scorers, "test_served", PLOTTED)
    caption = "Quality as served: further right is better"
    champion = facts.get("champion") or {}
    beside = (
        f" The champion is {champion.get('version', 'unnamed')}, "
        "with what its own run measured on its own test part."
        if "champion" in scorers
        else ""
    )
    return Section(
        "Quality",
        f"What a user is shown who never sees again what they have rated; "
        f"means over {wording.count(users)} users of the test part, ± 95 % interval.{beside}",
        figures=(Figure(plots.comparison(values), caption),) if values else (),
        tables=(served,),
    )


def views(facts: Facts) -> Section | None:
    """The other views, and the lists as a whole."""
    scorers = _scorers(facts)
    tables = [_columns(scorers, view, TABLED) for view in VIEWS[1:]]
    tables.append(_columns(scorers, "test_served", OF_LISTS, "the lists as a whole, as served"))
    found = tuple(table for table in tables if table is not None)
    text = "The view decides which model looks better, so each is named. The gate judges as served."
    return Section("Other views", text, tables=found, folded=True) if found else None


def slices(facts: Facts) -> Section | None:
    """Quality for groups of users or films."""
    tables = tuple(
        Table(
            (wording.sentence(name), "users", *(wording.metric(key) for key in keys)),
            tuple(
                (
                    str(part.get("label", "")),
                    wording.count(part.get("users")),
                    *(wording.measure(part.get(key)) for key in keys),
                )
                for part in parts
            ),
        )
        for name, parts in (facts.get("slices") or {}).items()
        if (keys := [key for key in TABLED if any(key in part for part in parts)])
    )
    return Section("Slices", tables=tables) if tables else None


def training(facts: Facts) -> Section | None:
    """Epochs: how long they took and what they brought."""
    history = facts.get("history") or []
    if not history:
        return None
    curves = {
        name: [
            (epoch["epoch"], epoch[name]) for epoch in history if wording.is_number(epoch.get(name))
        ]
        for name in ("validation", "train")
    }
    drawn = {name: points for name, points in curves.items() if len(points) > 1}
    seconds = [epoch["seconds"] for epoch in history if wording.is_number(epoch.get("seconds"))]
    took = (
        f", {wording.duration(sum(seconds))} in all, "
        f"{wording.duration(sum(seconds) / len(seconds))} each"
        if seconds
        else ""
    )
    figures = (Figure(plots.epochs(drawn), "Precision@5 by epoch"),) if drawn else ()
    without = "" if drawn else " No validation part was held back, so no epoch was compared."
    return Section("Training", f"{len(history)} epochs{took}.{without}", figures)


def index(facts: Facts) -> Section | None:
    """What the approximate index finds, and what that costs."""
    found = facts.get("index") or {}
    if not found:
        return None
    recall = wording.share(found.get("recall_at_10"))
    text = (
        f"{recall} of the ten best films are found with search_k {found.get('search_k')}; "
        f"{found.get('trees')} trees, metric {found.get('metric')}, width {found.get('width')}."
    )
    return Section("Index", text, _recall_figures(facts, found))


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
        for name, value in found.items()
        if wording.is_number(value)
    )
    features = found.get("features") or {}
    shape = tuple(
        (f"Item features, {name}", wording.count(value)) for name, value in features.items()
    )
    as_of = (("As of", str(found["as_of"])),) if found.get("as_of") else ()
    return Section(
        "Data", figures=figures, tables=(Table(("Fact", "Value"), rows + shape + as_of),)
    )


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


def timings(facts: Facts) -> Section | None:
    """Seconds and memory of each step."""
    notes = [note for note in facts.get("timings") or [] if note.get("step")]
    if not notes:
        return None
    rows = tuple(
        (
            str(note["step"]),
            wording.duration(note.get("seconds")),
            wording.memory(note.get("peak_mb")),
            "failed" if note.get("failure") else "done",
        )
        for note in notes
    )
    seconds = {
        str(note["step"]): note["seconds"]
        for note in notes
        if wording.is_number(note.get("seconds"))
    }
    return Section(
        "Time and memory",
        f"{wording.duration(sum(seconds.values()))} in all.",
        (Figure(plots.durations(seconds), "Seconds of each step"),) if seconds else (),
        (Table(("Step", "time", "peak memory", "ended"), rows),),
    )


def settings(facts: Facts) -> Section | None:
    """Every setting of the run."""
    rows = tuple((name, wording.setting(value)) for name, value in _flat(facts.get("settings")))
    return Section("Settings", tables=(_two(rows),), folded=True) if rows else None


def lineage(facts: Facts) -> Section | None:
    """Which files, which code and which libraries this came from."""
    files = (facts.get("data") or {}).get("files") or []
    rows = tuple(
        (
            str(file.get("name", "")),
            str(file.get("role", "")),
            wording.count(file.get("loaded")),
            wording.count(file.get("rejected")),
            str(file.get("sha256", "")),
        )
        for file in files
    )
    head = ("File", "role", "rows loaded", "rows set aside", "sha256")
    run = _flat(facts.get("run"))
    code = _flat({"code": facts.get("code") or {}, "libraries": facts.get("libraries") or {}})
    names = tuple((name, wording.setting(value)) for name, value in (*run, *code))
    tables = (*((_two(names),) if names else ()), *((Table(head, rows),) if rows else ()))
    return Section("Lineage", tables=tables, folded=True) if tables else None


def _scorers(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """Metrics by view of the model, the champion and the baselines, whichever are there."""
    metrics = facts.get("metrics") or {}
    champion = (facts.get("champion") or {}).get("metrics") or {}
    baselines = metrics.get("baselines") or {}
    every = {"model": metrics, "champion": champion, **baselines}
    return {name: every[name] for name in plots.SERIES if every.get(name)}


def _columns(
    scorers: Mapping[str, Mapping[str, Any]],
    view: str,
    keys: Sequence[str],
    caption: str = "",
) -> Table | None:
    """A column for each scorer, a row for each of the metrics that the model has in this view."""
    own = (scorers.get("model") or {}).get(view) or {}
    rows = tuple(
        (wording.metric(key), *(_with_interval(of.get(view) or {}, key) for of in scorers.values()))
        for key in keys
        if wording.is_number(own.get(key))
    )
    if not rows:
        return None
    return Table(("Metric", *scorers), rows, caption or wording.view(view))


def _intervals(
    scorers: Mapping[str, Mapping[str, Any]], view: str, keys: Sequence[str]
) -> dict[str, dict[str, plots.Interval]]:
    rows = {
        wording.metric(key): {
            name: (of[view][key], _half(of[view], key) or 0.0)
            for name, of in scorers.items()
            if wording.is_number((of.get(view) or {}).get(key))
        }
        for key in keys
    }
    return {label: row for label, row in rows.items() if row}


def _with_interval(view: Mapping[str, Any], key: str) -> str:
    return wording.measure(view.get(key), _half(view, key))


def _half(view: Mapping[str, Any], key: str) -> float | None:
    error = (view.get("standard_errors") or {}).get(key)
    return HALF_WIDTH * error if wording.is_number(error) else None


def _recall_figures(facts: Facts, found: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Recall against the time of a query where it was measured, against the nodes looked at else."""
    curve = found.get("curve") or []
    seconds = facts.get("index_seconds") or []
    if len(curve) < 2:
        return ()
    timed = len(seconds) == len(curve)
    cost = [1000 * each for each in seconds] if timed else [point["search_k"] for point in curve]
    points = [(at, point["recall_at_10"]) for at, point in zip(cost, curve, strict=True)]
    asked = [point["search_k"] for point in curve]
    chosen = asked.index(found["search_k"]) if found.get("search_k") in asked else -1
    wanted = dict(_flat(facts.get("settings"))).get("index.min_recall")
    unit = "milliseconds a query" if timed else "search_k, nodes looked at by a query"
    svg = plots.recall_curve(points, chosen, wanted, unit)
    return (Figure(svg, "Recall@10 against exact search, and what it costs"),)


def _said(name: str, value: float) -> str:
    if name.endswith("_rating"):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return wording.count(value) if float(value).is_integer() else wording.share(value)


def _two(rows: tuple[tuple[str, str], ...]) -> Table:
    return Table(("Name", "Value"), rows, wordy=True)


def _flat(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings by their dotted names."""
    leaves: list[tuple[str, Any]] = []
    for name, value in (tree or {}).items():
        inner = isinstance(value, Mapping)
        leaves += _flat(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]
    return leaves
