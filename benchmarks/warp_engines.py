"""Our WARP engine against LightFM over several seeds: quality, and processor time of an epoch.

    .venv/bin/python -m benchmarks.warp_engines --scale 0.05 --epochs 10 --threads 2

Each seed draws its own initial parameters and negatives; split and data stay. The difference is
paired by seed. What stands in docs/benchmarks.md was printed by this.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.generate import generate
from benchmarks.prepared import prepare, read
from recsys_tasks.config.settings import Settings
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.ranking import Parts, rank
from recsys_tasks.model.fit import fit
from recsys_tasks.model.representations import with_biases

SHOWN = ("precision_at_5", "ndcg_at_10", "auc")


def main() -> None:
    """Trains and measures both engines for each seed and prints the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    settings = Settings.load("article")
    with tempfile.TemporaryDirectory() as folder:
        generate(arguments.scale, 42, Path(folder))
        given = prepare(read(Path(folder)), settings)
    parts, features = given.parts, given.features
    question = Parts.of(parts.train, parts.test, given.seen)
    found: dict[str, list[list[float]]] = {"lightfm": [], "recsys": []}
    seconds: dict[str, list[float]] = {"lightfm": [], "recsys": []}
    for seed in range(arguments.seeds):
        for engine in found:
            wanted = settings.train.model_copy(
                update={
                    "engine": engine,
                    "epochs": arguments.epochs,
                    "seed": seed,
                    "threads": arguments.threads,
                }
            )
            began = time.process_time()
            model = fit(parts.train, features, wanted).model
            seconds[engine].append((time.process_time() - began) / arguments.epochs)
            views = rank(with_biases(model, features), question, 0, threads=2).views
            values = metrics.measure(views["test_served"], (5, 10))
            found[engine].append([float(values[name].mean()) for name in SHOWN])
            print(seed, engine, *(f"{value:.4f}" for value in found[engine][-1]), file=sys.stderr)
    differences = np.array(found["recsys"]) - np.array(found["lightfm"])
    error = differences.std(axis=0, ddof=1) / np.sqrt(arguments.seeds)
    print(
        f"{len(parts.train):,} positives, {arguments.epochs} epochs, {arguments.threads} threads,"
        f" {arguments.seeds} seeds, view test_served"
    )
    print(f"{'':<16}{'LightFM':>10}{'ours':>10}{'difference':>12}{'std. error':>12}")
    for place, name in enumerate(SHOWN):
        means = [np.mean([row[place] for row in found[engine]]) for engine in found]
        print(
            f"{name:<16}{means[0]:>10.4f}{means[1]:>10.4f}"
            f"{differences[:, place].mean():>+12.5f}{error[place]:>12.5f}"
        )
    cpu = [float(np.median(seconds[engine])) for engine in seconds]
    print(
        f"{'CPU s an epoch':<16}{cpu[0]:>10.3f}{cpu[1]:>10.3f}{'ratio':>12}{cpu[0] / cpu[1]:>12.2f}"
    )


if __name__ == "__main__":
    main()
