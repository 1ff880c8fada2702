"""Section on quality: the model beside its baselines and the champion, in every view and slice.

Each public function takes all facts and returns its section, or None where they hold nothing to say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_tasks.report import formatting, plots
from recsys_tasks.report.blocks import Facts, Figure, Section, Table, flat

PLOTTED = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr")
TABLED = (*PLOTTED, "auc")
OF_SLICES = ("precision_at_5", "recall_at_10", "ndcg_at_10")
OF_LENGTHS = ("precision", "recall", "ndcg")
COMPARED = "precision_at_5"
OF_LISTS = ("coverage_at_10", "gini_at_10", "novelty_at_10")
VIEWS = ("test_served", "test", "test_unmasked", "train")
HALF_WIDTH = 1.96
"""Standard errors on each side of a mean in its 95 % interval."""


def quality(facts: Facts) -> Section | None:
    """The model as served beside its champion and its baselines."""
    scorers = _scorers(facts)
    served = _columns(scorers, "test_served", _tabled(facts))
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
        f"means over {formatting.count(users)} users of the test part, ± 95 % interval.{beside}"
        f"{_whose(facts)}",
        points=tuple(str(finding) for finding in facts["metrics"].get("findings") or ()),
        figures=(Figure(plots.comparison(values), caption),) if values else (),
        tables=(served,),
    )


def _whose(facts: Facts) -> str:
    """Which model was measured, where another one is published."""
    if not facts.get("finalised"):
        return ""
    return (
        " Measured is the judged model, which was not trained on the test part; the version answers with the "
        "finalised one, fitted on train, validation and test with the same choices."
    )


def _tabled(facts: Facts) -> tuple[str, ...]:
    """``TABLED``, and the metrics of lists at each length that ``evaluate.ks`` asks for."""
    asked = dict(flat(facts.get("settings"))).get("evaluate.ks")
    lengths = [k for k in asked or () if formatting.is_number(k)] if isinstance(asked, list) else []
    more = (f"{name}_at_{k}" for name in OF_LENGTHS for k in lengths)
    return tuple(dict.fromkeys((*PLOTTED[:1], *more, *TABLED)))


def views(facts: Facts) -> Section | None:
    """The other views, and the lists as a whole."""
    scorers = _scorers(facts)
    tables = [_columns(scorers, view, TABLED) for view in VIEWS[1:]]
    found = tuple(table for table in tables if table is not None)
    text = "The view decides which model looks better, so each is named. The gate judges as served."
    return Section("Other views", text, tables=found, folded=True) if found else None


def differences(facts: Facts) -> Section | None:
    """The model minus each of the others, user by user: what is left of it is more than chance."""
    metrics = facts.get("metrics") or {}
    champion = metrics.get("champion") or {}
    anchor = metrics.get("anchor") or {}
    then = f"champion {anchor.get('days')} days ago"
    pairs = {"champion": champion, then: anchor, **(metrics.get("intervals") or {})}
    found = {
        name: pair[COMPARED]
        for name, pair in pairs.items()
        if formatting.is_number(((pair or {}).get(COMPARED) or {}).get("difference"))
    }
    if not found:
        return None
    ends = {name: (of["difference"], of["low"], of["high"]) for name, of in found.items()}
    rows = tuple(
        (
            name,
            *(formatting.signed(value) for value in ends[name]),
            formatting.count(of.get("users")),
        )
        for name, of in found.items()
    )
    label = formatting.metric(COMPARED)
    return Section(
        "Differences",
        f"{label} as served: the model's minus another's, over the same users. Where the 95 % "
        "interval holds zero, the difference can be chance.",
        points=_against_champion(champion),
        figures=(
            Figure(
                plots.differences(ends, label),
                f"{label}: model minus another; right of the line the model is better",
            ),
        ),
        tables=(Table(("Model minus", "Difference", "95 % low", "95 % high", "Users"), rows),),
    )


def slices(facts: Facts) -> Section | None:
    """Quality, as served, for groups of users and of movies."""
    metrics = facts.get("metrics") or {}
    own = metrics.get("slices") or {}
    popular = ((metrics.get("baselines") or {}).get("popular") or {}).get("slices") or {}
    tables = tuple(
        Table(
            (
                title,
                "Users",
                *(formatting.metric(key) for key in OF_SLICES),
                f"{formatting.metric(OF_SLICES[0])} of the popular list",
            ),
            tuple(
                (
                    formatting.group(name),
                    formatting.count(part.get("users")),
                    *(formatting.measure(part.get(key)) for key in OF_SLICES),
                    formatting.measure((popular.get(name) or {}).get(OF_SLICES[0])),
                )
                for name, part in sorted(own.items(), key=lambda named: formatting.rank(named[0]))
                if name.startswith(kind) and part
            ),
        )
        for kind, title in formatting.KINDS.items()
        if any(name.startswith(kind) and part for name, part in own.items())
    )
    return (
        Section(
            "Users and movies by group",
            "As served. Users are grouped by how much of theirs was trained on, movies by how well "
            "known or how new they are.",
            tables=tables,
        )
        if tables
        else None
    )


def coverage(facts: Facts) -> Section | None:
    """How much of the catalogue the lists show, and how far down its long tail they reach."""
    table = _columns(
        _scorers(facts), "test_served", OF_LISTS, "the lists of all test users, as served"
    )
    if table is None:
        return None
    return Section(
        "Coverage and long tail",
        "How much of the catalogue the lists show, how evenly, and how little known it is.",
        tables=(table,),
    )


def _against_champion(champion: Mapping[str, Any]) -> tuple[str, ...]:
    churn, why = champion.get("churn"), champion.get("not_compared")
    said = (
        f"Against the champion, more than half of the top 10 changed for {formatting.share(churn)} "
        "of the users."
    )
    reason = f"Not compared with the champion: {why}."
    return ((said,) if formatting.is_number(churn) else ()) + ((reason,) if why else ())


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
        (
            formatting.metric(key),
            *(_with_interval(of.get(view) or {}, key) for of in scorers.values()),
        )
        for key in keys
        if formatting.is_number(own.get(key))
    )
    if not rows:
        return None
    return Table(("Metric", *scorers), rows, caption or formatting.view(view))


def _intervals(
    scorers: Mapping[str, Mapping[str, Any]], view: str, keys: Sequence[str]
) -> dict[str, dict[str, plots.Interval]]:
    rows = {
        formatting.metric(key): {
            name: (of[view][key], _half(of[view], key) or 0.0)
            for name, of in scorers.items()
            if formatting.is_number((of.get(view) or {}).get(key))
        }
        for key in keys
    }
    return {label: row for label, row in rows.items() if row}


def _with_interval(view: Mapping[str, Any], key: str) -> str:
    return formatting.measure(view.get(key), _half(view, key))


def _half(view: Mapping[str, Any], key: str) -> float | None:
    error = (view.get("standard_errors") or {}).get(key)
    return HALF_WIDTH * error if formatting.is_number(error) else None
