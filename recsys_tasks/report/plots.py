"""The plots of the report: SVG by matplotlib, in the page's colours, light and dark.

Each function gives an ``<svg>`` element as text: no ids that two plots could share, no date, no
script, nothing that is fetched. The same facts give the same bytes.

The colours are those of Okabe and Ito, which colour-blind readers can tell apart; every series has a
marker or a label of its own as well.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, LINE = "#24292e", "#d3d9df"
SERIES = {
    "model": ("#0072b2", "o"),
    "champion": ("#d55e00", "D"),
    "popular": ("#009e73", "s"),
    "recent": ("#8a6d00", "v"),
    "ease": ("#cc79a7", "^"),
    "ials": ("#6a51a3", "P"),
    "random": ("#767676", "x"),
}
"""Colour and marker of each thing that is compared."""

MARKED = 60
"""Points of a line up to which each has its marker."""

MODEL = SERIES["model"][0]
MARK, MARKER = SERIES["champion"]

VARIABLES = {
    INK: "ink",
    LINE: "line",
    **{colour: name for name, (colour, _) in SERIES.items()},
}
"""Each colour's variable in the page's style sheet, which gives it another value in the dark."""

Interval = tuple[float, float]
"""A value and half the width of its 95 % interval, 0 where none is known."""

STYLE: dict[Any, Any] = {
    "date.converter": "concise",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.parse_math": False,
}

OVER_X: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "textcoords": "offset points",
}
"""Places a note by the share of the axes' width, and by the value on y."""


class Canvas:
    """Axes to draw on, and after that the drawing."""

    svg = ""

    def __init__(self, axes: "Axes") -> None:
        self.axes = axes


def comparison(values: Mapping[str, Mapping[str, Interval]]) -> str:
    """A row for each metric, a mark for each series with its 95 % interval.

    Args:
        values: by metric's label, by series (``SERIES``).
    """
    with _canvas("comparison", height=0.75 + 0.62 * len(values)) as canvas:
        axes = canvas.axes
        names = [name for name in SERIES if any(name in row for row in values.values())]
        for place, name in enumerate(names):
            colour, marker = SERIES[name]
            rows = [row for row, of in enumerate(values.values()) if name in of]
            found = [of[name] for of in values.values() if name in of]
            axes.errorbar(
                [value for value, _ in found],
                [row + 0.17 * (place - (len(names) - 1) / 2) for row in rows],
                xerr=[half for _, half in found],
                fmt=marker,
                color=colour,
                label=name,
                markersize=6,
                capsize=0,
                clip_on=False,
            )
        axes.set_yticks(range(len(values)), list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("mean over users, with 95 % interval")
        axes.grid(axis="y", visible=False)
        axes.figure.legend(
            loc="outside upper left", ncols=5, frameon=False, handletextpad=0.2, columnspacing=1.0
        )
    return canvas.svg


def differences(values: Mapping[str, tuple[float, float, float]], label: str) -> str:
    """A row for each comparison: the mean difference, its 95 % interval, and the line of no difference.

    Args:
        values: by the other's name, the difference and both ends of its interval.
        label: of what is compared.
    """
    with _canvas("differences", height=0.75 + 0.4 * len(values)) as canvas:
        axes = canvas.axes
        for row, (name, (middle, low, high)) in enumerate(values.items()):
            colour, marker = SERIES.get(name, (MODEL, "o"))
            axes.plot([low, high], [row, row], color=colour, linewidth=1.6)
            axes.plot([middle], [row], marker, color=colour, markersize=7)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(values)), [f"minus {name}" for name in values])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_xlabel(f"difference in {label}")
        axes.grid(axis="y", visible=False)
    return canvas.svg


def epochs(curves: Mapping[str, Sequence[tuple[float, float]]], label: str) -> str:
    """A metric by epoch.

    Args:
        curves: by name (``validation``, ``train``), pairs of epoch and the metric.
        label: of the metric.
    """
    with _canvas("epochs", height=2.6) as canvas:
        axes = canvas.axes
        for (name, points), (colour, marker) in zip(
            curves.items(), (SERIES["model"], SERIES["champion"]), strict=False
        ):
            axes.plot(*zip(*points, strict=True), color=colour, label=name, linewidth=1.6)
            best = max(points, key=lambda point: point[1])
            axes.plot(*best, marker, color=colour, markersize=7)
        axes.set_xlabel("epoch (the mark is the best)")
        axes.set_ylabel(label)
        axes.locator_params(axis="x", integer=True)
        if len(curves) > 1:
            axes.legend(frameon=False)
    return canvas.svg


def over_time(
    series: Mapping[str, Sequence[tuple[datetime, float]]],
    champion: datetime | None,
    red: Sequence[tuple[datetime, float | None]] = (),
) -> str:
    """A metric of one version after the other.

    Args:
        series: by name (``SERIES``), pairs of a run's moment and its value, in order of time.
        champion: moment of the version that consumers get, which is marked.
        red: moments of the runs that were rejected or failed, with the metric or, where the run came
            to none, None: such a run stands on the axis.
    """
    from matplotlib.dates import AutoDateLocator

    with _canvas("over_time", height=2.6) as canvas:
        axes = canvas.axes
        for name, points in series.items():
            colour, marker = SERIES[name]
            axes.plot(
                _days([moment for moment, _ in points]),
                [value for _, value in points],
                "-",
                marker=marker if len(points) <= MARKED else "",
                color=colour,
                label=name,
                markersize=3.5,
            )
        marked = [value for moment, value in series["model"] if moment == champion]
        if champion and marked:
            axes.plot(
                _days([champion]),
                marked[:1],
                MARKER,
                color=MARK,
                markersize=9,
                label="champion",
                clip_on=False,
            )
        if red:
            axes.plot(
                _days([moment for moment, _ in red]),
                [value or 0.0 for _, value in red],
                "X",
                color=INK,
                markersize=6,
                label="red run",
                clip_on=False,
            )
        locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("precision@5, as served")
        axes.figure.legend(
            loc="outside upper left", ncols=4, frameon=False, handletextpad=0.4, columnspacing=1.2
        )
    return canvas.svg


def replayed(series: Mapping[str, Sequence[tuple[datetime, float]]], label: str) -> str:
    """A metric of each scorer, moment by moment.

    Args:
        series: by name (``SERIES``), pairs of a moment and the value there, in order of time.
        label: of the metric.
    """
    from matplotlib.dates import AutoDateLocator

    with _canvas("replayed", height=3.0) as canvas:
        axes = canvas.axes
        for name, points in series.items():
            colour, marker = SERIES[name]
            moments, values = _days([moment for moment, _ in points]), [of for _, of in points]
            axes.plot(moments, values, "-", marker=marker, color=colour, label=name, markersize=5)
        axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=5))  # type: ignore[no-untyped-call]
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label)
        axes.set_xlabel("moment of training")
        axes.figure.legend(loc="outside upper left", ncols=4, frameon=False, handletextpad=0.4)
    return canvas.svg


def recall_curve(
    points: Sequence[tuple[float, float]], chosen: int, wanted: float | None, unit: str
) -> str:
    """What each point of the index's curve finds, against what it costs.

    Args:
        points: cost and recall@10, in the order of rising cost.
        chosen: position in ``points`` of the one that queries use; -1 for none of them.
        wanted: recall that the choice aimed at.
        unit: what the cost is, for the axis.
    """
    with _canvas("recall_curve", height=2.6) as canvas:
        axes = canvas.axes
        axes.plot(*zip(*points, strict=True), "-o", color=MODEL, markersize=3.5, linewidth=1.4)
        if wanted is not None:
            axes.axhline(wanted, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(f"aim {wanted:g}", (0.99, wanted), (0, 4), ha="right", **OVER_X)
        if chosen >= 0:
            axes.plot(*points[chosen], MARKER, color=MARK, markersize=8)
            axes.annotate("chosen", points[chosen], (4, -18), textcoords="offset points")
        if points[-1][0] > 10 * points[0][0] > 0:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(
                lambda value, _: f"{value:g}" if _digit(value) in (2, 5) else ""
            )
        else:
            axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel(unit)
        axes.set_ylabel("recall@10")
    return canvas.svg


def histogram(counts: Mapping[str, float], label: str, unit: str) -> str:
    """A bar for each value, in the order given, with its count; ``unit``: what is counted."""
    with _canvas(f"histogram of {unit}", height=2.6) as canvas:
        axes = canvas.axes
        axes.bar(range(len(counts)), list(counts.values()), color=MODEL, width=0.8)
        axes.set_xticks(range(len(counts)), list(counts))
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel(label)
        axes.set_ylabel(unit)
    return canvas.svg


def durations(seconds: Mapping[str, float]) -> str:
    """A bar for each step's seconds, first step on top."""
    with _canvas("durations", height=0.7 + 0.27 * len(seconds)) as canvas:
        axes = canvas.axes
        axes.barh(range(len(seconds)), list(seconds.values()), color=MODEL, height=0.66)
        axes.set_yticks(range(len(seconds)), list(seconds))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("seconds")
    return canvas.svg


@contextmanager
def _canvas(name: str, height: float) -> Iterator[Canvas]:
    """Axes of the page's width, ``height`` in inches; drawn when the block ends.

    ``name`` goes into every id of the drawing, so that two plots of a page have none in common.

    matplotlib takes a second to import, so it waits until something is drawn. Its figures are made
    without pyplot: nothing here is global, and a server may draw two at once.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(5.2, height), layout="constrained")
        canvas = Canvas(figure.add_subplot())
        yield canvas
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    canvas.svg = _inline(file.getvalue())


def _days(moments: Sequence[datetime]) -> NDArray[np.datetime64]:
    """Moments as the plot's axis takes them, in UTC."""
    return np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], "M8[s]")


def _digit(value: float) -> int:
    """The first digit of a positive number."""
    return int(f"{value:e}"[0])


def _inline(svg: str) -> str:
    """matplotlib's file as an element of the page: no head, no shared ids, colours by variable."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r' (?:xmlns(?::xlink)?|version)="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return re.sub(r"\s*\n\s*", "\n", svg)
