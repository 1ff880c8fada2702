"""Makes docs/benchmarks.md's tables and docs/benchmarks.svg from what `python -m benchmarks compare --json` printed.

    .venv/bin/python -m benchmarks compare --scale 0.1 --json > docs/benchmarks/scale-0.1.json
    .venv/bin/python -m benchmarks.page

Replaces what stands between the page's two marks, and nothing else.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def main() -> None:
    """Reads every scale, writes the tables and the plot."""
    runs = [json.loads(path.read_text()) for path in (DOCS / "benchmarks").glob("scale-*.json")]
    runs.sort(key=lambda run: run["scale"])
    page = DOCS / "benchmarks.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(table(run) for run in runs)
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", encoding="utf-8")
    plot(runs, DOCS / "benchmarks.svg")


def table(run: dict[str, Any]) -> str:
    """One scale's steps and notes as Markdown."""
    machine = run["machine"]
    lines = [
        f"### Scale {run['scale']:g}",
        "",
        f"{machine['date']}, {machine['processors']} processors, Python {machine['python']}; load"
        f" average at the end {machine['load_average_at_end']:.1f}.",
        "",
        "| step | article s | ours s | ratio | ratio of CPU | equal | peak MB, article / ours |",
        "|---|---:|---:|---:|---:|---|---:|",
    ]
    for step in run["steps"]:
        lines.append(_row(step["name"], step, {True: "yes", False: "NO", None: ""}[step["equal"]]))
        if "two_threads" in step:
            lines.append(_row("… two threads", step["two_threads"], ""))
    lines += ["", *(f"- {step['name']}: {note}" for step in run["steps"] for note in step["notes"])]
    return "\n".join(lines) + "\n"


def _row(name: str, sides: dict[str, Any], equal: str) -> str:
    of_cpu = sides["article_cpu_s"] / max(sides["ours_cpu_s"], 1e-9)
    return (
        f"| {name} | {sides['article_s']:.4g} | {sides['ours_s']:.4g} | {sides['ratio']:.2f} "
        f"| {of_cpu:.2f} | {equal} | {sides['article_peak_mb']:.0f} / {sides['ours_peak_mb']:.0f} |"
    )


def plot(runs: list[dict[str, Any]], path: Path) -> None:
    """Processor time and peak memory of some steps against scale, both sides."""
    plt.rcParams["svg.hashsalt"] = "recsys"
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    scales = [run["scale"] for run in runs]
    by_name = [{step["name"]: step for step in run["steps"]} for run in runs]
    for place, name in enumerate(("load_ratings", "warp_epoch", "evaluate", "build_index")):
        for side, style in (("article", "--"), ("ours", "-")):
            values = [steps[name][f"{side}_cpu_s"] for steps in by_name]
            time.plot(scales, values, style, marker="o", color=f"C{place}", label=f"{name}, {side}")
    for side, style in (("article", "--"), ("ours", "-")):
        values = [steps["end_to_end"][f"{side}_peak_mb"] for steps in by_name]
        memory.plot(scales, values, style, marker="o", color="C4", label=side)
    time.set(xscale="log", yscale="log", xlabel="scale", ylabel="processor seconds")
    memory.set(xscale="log", xlabel="scale", ylabel="peak MB of the process", ylim=(0, None))
    for axes in (time, memory):
        axes.legend(fontsize="x-small")
        axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
