"""Section on training: epochs, index, time and memory, settings, lineage.

Each public function takes all facts and returns its section, or None where they hold nothing to say.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from recsys_tasks.config.settings import PRESETS, Settings
from recsys_tasks.report import formatting, plots
from recsys_tasks.report.blocks import Facts, Figure, Section, Table, flat


def training(facts: Facts) -> Section | None:
    """Epochs: how long they took and what they brought; where WARP has no part, why."""
    history, left_out = facts.get("history") or [], facts.get("warp_left_out")
    if left_out:
        return Section("Training", f"The closed form ridge-svd serves alone: {left_out}.")
    if not history:
        return None
    name = str(dict(flat(facts.get("settings"))).get("train.validate_on") or "ndcg_at_10")
    label = formatting.metric(name)
    drawn = _curves(history)
    beside = ", and of what its users were trained on," if "train" in drawn else ""
    caption = f"{label[:1].upper()}{label[1:]} of the validation part{beside} by epoch"
    figures = (Figure(plots.epochs(drawn, label), caption),) if drawn else ()
    without = "" if drawn else " No validation part was held back, so no epoch was compared."
    text = f"{len(history)} epochs{_took(history)}.{_chosen(facts)}{without}{_learnt(facts, name)}"
    return Section("Training", text, figures=figures)


def index(facts: Facts) -> Section | None:
    """What serves, annoy or exact search, what each finds, and what that costs."""
    found = facts.get("index") or {}
    if not found:
        return None
    recall = formatting.share(found.get("recall_at_10"))
    text = (
        f"{_exactly(found)}annoy finds {recall} of the ten best movies with search_k "
        f"{found.get('search_k')}; "
        f"{found.get('trees')} trees, metric {found.get('metric')}, width {found.get('width')}."
        f"{_latency(facts, found)}"
    )
    return Section("Index", text, figures=_recall_figures(facts, found))


def timings(facts: Facts) -> Section | None:
    """Seconds and memory of each step."""
    notes = [note for note in facts.get("timings") or [] if note.get("step")]
    if not notes:
        return None
    rows = tuple(
        (
            str(note["step"]),
            formatting.duration(note.get("seconds")),
            formatting.memory(note.get("peak_mb")),
            "failed" if note.get("failure") else "done",
        )
        for note in notes
    )
    seconds = {
        str(note["step"]): note["seconds"]
        for note in notes
        if formatting.is_number(note.get("seconds"))
    }
    return Section(
        "Time and memory",
        f"{formatting.duration(sum(seconds.values()))} in all.",
        figures=(Figure(plots.durations(seconds), "Seconds of each step"),) if seconds else (),
        tables=(Table(("Step", "Time", "Peak memory", "Ended"), rows),),
    )


def changed_settings(facts: Facts) -> Section | None:
    """The settings that are not the nearest preset's."""
    given = dict(flat(facts.get("settings")))
    if not given:
        return None
    by_preset = {
        preset: [name for name, value in given.items() if name in own and own[name] != value]
        for preset, own in _presets().items()
    }
    preset = min(by_preset, key=lambda name: len(by_preset[name]))
    own = _presets()[preset]
    rows = tuple(
        (name, formatting.setting(own[name]), formatting.setting(given[name]))
        for name in by_preset[preset]
    )
    text = f"The nearest preset is {preset}."
    if not rows:
        return Section("Settings", f"{text} Nothing differs from it.")
    table = Table(("Setting", f"In {preset}", "In this run"), rows, wordy=True)
    return Section("Settings", f"{text} These settings differ from it.", tables=(table,))


@cache
def _presets() -> dict[str, dict[str, Any]]:
    """Every setting's value in each preset, by its dotted name."""
    return {preset: Settings.load(preset).flat() for preset in PRESETS}


def settings(facts: Facts) -> Section | None:
    """Every setting of the run."""
    rows = tuple((name, formatting.setting(value)) for name, value in flat(facts.get("settings")))
    return Section("All settings", tables=(_two(rows),), folded=True) if rows else None


def lineage(facts: Facts) -> Section | None:
    """Which files, which code and which libraries this came from."""
    files = (facts.get("data") or {}).get("files") or []
    rows = tuple(
        (
            str(file.get("name", "")),
            str(file.get("role", "")),
            formatting.count(file.get("loaded")),
            formatting.count(file.get("rejected")),
            str(file.get("sha256", "")),
        )
        for file in files
    )
    head = ("File", "Role", "Rows loaded", "Rows rejected", "sha256")
    run = flat(facts.get("run"))
    code = flat({"code": facts.get("code") or {}, "libraries": facts.get("libraries") or {}})
    names = tuple((name, formatting.setting(value)) for name, value in (*run, *code))
    tables = (*((_two(names),) if names else ()), *((Table(head, rows),) if rows else ()))
    return Section("Lineage", tables=tables, folded=True) if tables else None


def _chosen(facts: Facts) -> str:
    """How many epochs the published model has, where that is told."""
    epochs = facts.get("epochs")
    if not formatting.is_number(epochs):
        return ""
    return f" The published model has {formatting.count(epochs)} epochs."


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """By name, pairs of epoch and metric, where there are more than one."""
    curves = {
        name: [
            (epoch["epoch"], epoch[name])
            for epoch in history
            if formatting.is_number(epoch.get(name))
        ]
        for name in ("validation", "train")
    }
    return {name: points for name, points in curves.items() if len(points) > 1}


def _took(history: Sequence[Mapping[str, Any]]) -> str:
    seconds = [epoch["seconds"] for epoch in history if formatting.is_number(epoch.get("seconds"))]
    if not seconds:
        return ""
    each = formatting.duration(sum(seconds) / len(seconds))
    return f", {formatting.duration(sum(seconds))} in all, {each} each"


def _learnt(facts: Facts, name: str) -> str:
    """The same metric on the items that the model was trained on, once it was finished."""
    own = ((facts.get("metrics") or {}).get("train") or {}).get(name)
    if not formatting.is_number(own):
        return ""
    said = f"{formatting.metric(name)} {formatting.measure(own)}"
    return f" On the items that it was trained on, the finished model has {said}."


def _exactly(found: Mapping[str, Any]) -> str:
    """What exact search costs, where it serves."""
    if found.get("search") != "exact":
        return ""
    share = formatting.share((found.get("exact") or {}).get("looked_at"))
    return f"Exact search serves: it finds all of the ten best and scores {share} of the movies. "


def _latency(facts: Facts, found: Mapping[str, Any]) -> str:
    """What a query takes of annoy, and of what serves beside a scan, where it was timed."""
    asked = [point["search_k"] for point in found.get("curve") or []]
    seconds = facts.get("index_seconds") or []
    if len(seconds) != len(asked) or found.get("search_k") not in asked:
        return ""
    took = formatting.duration(seconds[asked.index(found["search_k"])])
    times = (facts.get("index_found") or {}).get("times_scan")
    if not formatting.is_number(times):
        return f" A query of annoy takes {took}."
    beside = f"{formatting.measure(times)} times a scan of all movies"
    if found.get("search") == "exact":
        return f" A query of annoy takes {took}; one that is served, {beside}."
    return f" A query takes {took}, {beside}."


def _recall_figures(facts: Facts, found: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Recall against the time of a query where it was measured, against the nodes looked at else."""
    curve = found.get("curve") or []
    seconds = facts.get("index_seconds") or []
    if len(curve) < 2:
        return ()
    timed = len(seconds) == len(curve)
    cost = [1000 * each for each in seconds] if timed else [point["search_k"] for point in curve]
    places = sorted(range(len(curve)), key=lambda place: cost[place])
    points = [(cost[place], curve[place]["recall_at_10"]) for place in places]
    asked = [curve[place]["search_k"] for place in places]
    chosen = asked.index(found["search_k"]) if found.get("search_k") in asked else -1
    wanted = dict(flat(facts.get("settings"))).get("index.min_recall")
    unit = "milliseconds a query" if timed else "search_k, nodes looked at by a query"
    svg = plots.recall_curve(points, chosen, wanted, unit)
    return (Figure(svg, "Recall@10 against exact search, and what it costs"),)


def _two(rows: tuple[tuple[str, str], ...]) -> Table:
    return Table(("Name", "Value"), rows, wordy=True)
