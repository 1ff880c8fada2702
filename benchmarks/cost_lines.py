"""Fits the cost model to docs/benchmarks/steps-*.json and writes its tables into docs/scale.md.

    for S in 0.01 0.1 0.25 0.5 1; do
      .venv/bin/python -m benchmarks flow --scale $S --json > docs/benchmarks/steps-$S.json
    done
    .venv/bin/python -m benchmarks.cost_lines

Writes recsys_tasks/pipeline/cost_coefficients.json from all scales. The check in the page comes from another
fit, without the largest scale, which it then foretells.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from recsys_tasks.pipeline.cost_model import (
    EPOCHS,
    MEGABYTES_BY,
    SECONDS_BY,
    Size,
    coefficients,
    predict,
    training_bytes,
)

PROJECT = Path(__file__).parents[1]
COEFFICIENTS = PROJECT / "recsys_tasks" / "pipeline" / "cost_coefficients.json"
FOLDER = PROJECT / "docs" / "benchmarks"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
TARGETS = (25_000_095, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000)
CORES = 2
MACHINES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
"""Gigabytes of memory that one can rent in one machine."""

Run = dict[str, Any]


def main() -> None:
    """Fits, checks, writes."""
    runs = [by_name(json.loads(path.read_text())) for path in FOLDER.glob("steps-*")]
    runs.sort(key=lambda run: run["sizes"]["ratings"])
    COEFFICIENTS.write_text(json.dumps(fitted(runs), indent=1) + "\n")
    coefficients.cache_clear()
    tables = [data_step(runs), check(runs), lines(), extrapolation()]
    page = PROJECT / "docs" / "scale.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{chr(10).join(tables)}{END}{after}", encoding="utf-8")


def by_name(run: Run) -> Run:
    """The document with its steps by their names."""
    return run | {"steps": {step["name"]: step for step in run["steps"]}}


def fitted(runs: list[Run]) -> dict[str, dict[str, list[float]]]:
    """Constant and slope of every line, neither negative, errors counted in shares of the value."""
    return {
        "seconds": {name: line(runs, name, "seconds", by) for name, by in SECONDS_BY.items()},
        "megabytes": {
            name: line(runs, name, "anonymous_mb", by) for name, by in MEGABYTES_BY.items()
        },
    }


def line(runs: list[Run], name: str, value: str, driver: str) -> list[float]:
    """One line by non-negative least squares."""
    found = np.array([run["steps"][name][value] for run in runs])
    drivers = np.array([size_of(run).driver(driver) for run in runs])
    unit = drivers.max()
    terms = np.column_stack([1 / found, drivers / unit / found])
    constant, slope = nnls(terms, np.ones(len(runs)))[0]
    return [float(f"{constant:.4g}"), float(f"{slope / unit:.4g}")]


def size_of(run: Run) -> Size:
    """The size that a run was measured at."""
    names = ("ratings", "users", "items", "interactions", "epochs")
    return Size(**{name: run["sizes"][name] for name in names})


def data_step(runs: list[Run]) -> str:
    """The data step's memory beside what it grows with."""
    rows = [
        "| scale | ratings | positives, weaker ones counted | users + movies | data step, anonymous MB | at most MB | seconds |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        sizes, step = run["sizes"], run["steps"]["fit_dataset"]
        rows.append(
            f"| {run['scale']:g} | {sizes['ratings']:,} | {sizes['interactions']:,} "
            f"| {sizes['users'] + sizes['items']:,} | {step['anonymous_mb']:.0f} "
            f"| {step['peak_mb']:.0f} | {step['seconds']:.1f} |"
        )
    return "\n".join(["### The data step", "", *rows, ""])


def check(runs: list[Run]) -> str:
    """The largest scale, foretold from the others."""
    *others, largest = runs
    lines_without = fitted(others)
    size = size_of(largest)
    rows = [
        "| step | seconds foretold | measured | MB foretold | measured |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, driver in SECONDS_BY.items():
        constant, slope = lines_without["seconds"][name]
        seconds = constant + slope * size.driver(driver)
        if name in MEGABYTES_BY:
            constant, slope = lines_without["megabytes"][name]
            megabytes = constant + slope * size.driver(MEGABYTES_BY[name])
        else:
            megabytes = training_bytes(size) / 1e6
        step = largest["steps"][name]
        rows.append(
            f"| {name} | {seconds:.1f} | {step['seconds']:.1f} | {megabytes:.0f} "
            f"| {step['anonymous_mb']:.0f} |"
        )
    scales = ", ".join(f"{run['scale']:g}" for run in others)
    head = f"### Scale {largest['scale']:g}, foretold from {scales}"
    machine = largest["machine"]
    note = (
        f"{machine['date']}, {machine['processors']} processors, {size.epochs} epochs of "
        f"{size.interactions:,} interactions; load average at the end "
        f"{machine['load_average_at_end']:.1f}. MB of train and evaluate are the estimate that refuses "
        "a run, which errs upwards."
    )
    return "\n".join([head, "", note, "", *rows, ""])


def lines() -> str:
    """The formulas."""
    found = coefficients()
    rows = ["| step | seconds | MB |", "|---|---|---|"]
    for name, driver in SECONDS_BY.items():
        memory = (
            formula(found["megabytes"][name], MEGABYTES_BY[name])
            if name in MEGABYTES_BY
            else "`model/memory.py`"
        )
        rows.append(f"| {name} | {formula(found['seconds'][name], driver)} | {memory} |")
    return "\n".join(["### The lines", "", *rows, ""])


def formula(values: list[float], driver: str) -> str:
    """Constant and slope a million, in words."""
    constant, slope = values
    return f"{constant:.3g} + {slope * 1e6:.3g} a million {driver.replace('_', ' ')}"


def extrapolation() -> str:
    """What larger sizes would take; all but the first row lie outside what was measured."""
    rows = [
        "| ratings | users | all steps, 2 cores | core-hours | train | evaluate | most memory | where |",
        "|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for ratings in TARGETS:
        size = Size.like_movielens(ratings)
        costs = predict(size)
        total = sum(cost.seconds for cost in costs) / 3600
        hours = {cost.name: f"{cost.seconds / 3600:,.2f} h" for cost in costs}
        worst = max(cost.megabytes for cost in costs) / 1e3
        rows.append(
            f"| {ratings:,} | {size.users:,} | {total:,.2f} h | {CORES * total:,.1f} "
            f"| {hours['train']} | {hours['evaluate']} | {worst:,.1f} GB | {where(worst)} |"
        )
    head = f"### What larger sizes would take, with {EPOCHS} epochs in all"
    return "\n".join([head, "", *rows, ""])


def where(gigabytes: float) -> str:
    """The machine, a quarter of its memory left free; beyond the largest that are sold, a cluster."""
    fitting = [size for size in MACHINES if 0.75 * size >= gigabytes]
    if not fitting:
        return "a cluster: `train.engine = spark-als`"
    return f"one machine of {fitting[0]:,} GB"


if __name__ == "__main__":
    main()
