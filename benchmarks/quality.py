"""What moves quality, in tables: settings compared on validation, then the presets on the test part.

    python -m benchmarks.quality presets FOLDER...
    python -m benchmarks.quality compare FOLDER...

``presets`` is what the nightly preset was chosen by: every candidate on the validation part of several
splits of MovieLens and MovieTweetings; the test part is not looked at. ``compare`` then measures the
presets, the popular list and EASE on the test part, over as many seeds; nothing is chosen by it.
Both print Markdown; docs/evaluation.md holds their output.
"""

import argparse
import csv
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from recsys_tasks.config.settings import Settings, parse_assignments
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.evaluation.baselines import popular
from recsys_tasks.evaluation.ease import fit_ease
from recsys_tasks.evaluation.evaluate import EvaluationTask, measure_scorer, validator
from recsys_tasks.evaluation.ranking import Scorer
from recsys_tasks.matrices.interactions import (
    Csr,
    Interactions,
    build_id_maps,
    build_interactions,
    build_item_features,
    build_seen,
)
from recsys_tasks.matrices.split import Split, split
from recsys_tasks.model.fit import fit
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import fold

CANDIDATES: dict[str, dict[str, Any]] = {
    "nightly": {},
    "5.0 only": {"positives.weak_weight": 0.0},
    "weak weight 0.25": {"positives.weak_weight": 0.25},
    "weak weight 1": {"positives.weak_weight": 1.0},
    "weak threshold 3.5": {"positives.weak_threshold": 3.5},
    "10 negatives": {"train.max_sampled": 10},
    "30 negatives": {"train.max_sampled": 30},
    "300 negatives": {"train.max_sampled": 300},
    "32 components": {"train.components": 32},
    "128 components": {"train.components": 128},
    "no genres": {"train.genres": False},
    "genre weight 0.05": {"train.genre_weight": 0.05},
    "genre weight 0.3": {"train.genre_weight": 0.3},
    "genre weight 1": {"train.genre_weight": 1.0},
    "learning rate 0.03": {"train.learning_rate": 0.03},
    "learning rate 0.08": {"train.learning_rate": 0.08},
    "L2 1e-5": {
        "train.engine": "lightfm",
        "train.item_alpha": 1e-5,
        "train.user_alpha": 1e-5,
    },
}
"""One setting at a time away from the nightly preset."""

COMPARED: dict[str, tuple[str, dict[str, Any]]] = {
    "article, 250 epochs": ("article", {}),
    "article, early stopping within 125": (
        "article",
        {"split.validation_fraction": 0.1, "train.epochs": 125, "train.patience": 30},
    ),
    "nightly": ("nightly", {}),
    "nightly, LightFM": ("nightly", {"train.engine": "lightfm"}),
    "nightly, 250 epochs": (
        "nightly",
        {"split.validation_fraction": 0.0, "train.epochs": 250, "train.patience": 0},
    ),
}
"""Preset and overrides of each model on the test part."""

PAIRS = (
    ("article, early stopping within 125", "article, 250 epochs"),
    ("nightly", "nightly, 250 epochs"),
    ("nightly", "nightly, LightFM"),
    ("nightly", "article, 250 epochs"),
    ("nightly", "popular, 5.0 only"),
    ("article, 250 epochs", "popular, 5.0 only"),
    ("nightly", "EASE, graded"),
)
"""Scorers whose difference is measured on the same splits."""

VIEWS = ("test_served", "test", "test_unmasked")
METRICS = ("precision_at_5", "ndcg_at_10")


@dataclass(frozen=True)
class Tables:
    """A dataset as it is read."""

    ratings: RatingTable
    movies: MovieTable


@dataclass(frozen=True)
class Prepared:
    """A dataset as one run of some settings sees it."""

    parts: Split
    features: Csr
    seen: Csr


def read(folder: Path) -> Tables:
    """movies.csv and ratings.csv of a folder, well-formed."""
    rows = np.loadtxt(folder / "ratings.csv", delimiter=",", skiprows=1)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as lines:
        movies = sorted((int(i), title, tags) for i, title, tags in list(csv.reader(lines))[1:])
    whole = rows[:, [0, 1, 3]].astype(np.int64)
    return Tables(
        RatingTable(whole[:, 0], whole[:, 1], rows[:, 2].astype(np.float32), whole[:, 2]),
        MovieTable(
            np.array([i for i, _, _ in movies], dtype=np.int64),
            tuple(title for _, title, _ in movies),
            tuple(tuple(dict.fromkeys(tags.split("|"))) for _, _, tags in movies),
        ),
    )


def seeded(preset: str, overrides: dict[str, Any], seed: int) -> Settings:
    """A preset with overrides, split and fitted with ``seed``."""
    return Settings.load(preset, overrides=overrides | {"split.seed": seed, "train.seed": seed})


def prepare(tables: Tables, settings: Settings) -> Prepared:
    """The matrices that ``settings`` ask for."""
    users, items = build_id_maps(tables.ratings, tables.movies)
    interactions = build_interactions(tables.ratings, users, items, settings.positives)
    return Prepared(
        split(interactions, settings.split, users, items),
        build_item_features(
            tables.movies, settings.train.genres, settings.train.genre_weight_used
        ).matrix,
        build_seen(tables.ratings, users, items),
    )


def best_validation(tables: Tables, settings: Settings) -> dict[str, float]:
    """Best value of the validation metric, its epoch, the popular list's value, and seconds."""
    given = prepare(tables, settings)
    validate = validator(
        given.parts, given.features, given.seen, settings.evaluate, settings.train.validate_on
    )
    began = time.perf_counter()
    fitted = fit(given.parts.train, given.features, settings.train, validate)
    return {
        "value": max(epoch.validation or 0.0 for epoch in fitted.history),
        "epochs": fitted.epochs,
        "popular": _validated_popular(given, settings),
        "seconds": time.perf_counter() - began,
    }


def trained(given: Prepared, settings: Settings) -> tuple[Model, int, int]:
    """The model as a nightly run would publish it, its epochs, and those that chose their number."""
    parts, wanted = given.parts, settings.train
    if parts.validation is None:
        return fit(parts.train, given.features, wanted).model, wanted.epochs, 0
    validate = validator(parts, given.features, given.seen, settings.evaluate, wanted.validate_on)
    searched = fit(parts.train, given.features, wanted, validate)
    again = wanted.model_copy(update={"epochs": searched.epochs, "patience": 0})
    model = fit(parts.train_and_validation(), given.features, again).model
    return model, searched.epochs, len(searched.history)


def scorers(
    tables: Tables, seed: int, common: dict[str, Any]
) -> Iterator[tuple[str, Scorer, Prepared, Interactions, tuple[int, int]]]:
    """Everything that ``compare`` measures, what it was trained on, and its epochs as ``trained``'s."""
    for name, (preset, overrides) in COMPARED.items():
        settings = seeded(preset, common | overrides, seed)
        given = prepare(tables, settings)
        train = given.parts.train_and_validation()
        model, epochs, searched = trained(given, settings)
        print(f"seed {seed}: {name}, {epochs} epochs", file=sys.stderr)
        yield name, fold(model, given.features), given, train, (epochs, searched)
        if not overrides:
            kind = "5.0 only" if preset == "article" else "graded"
            ease = fit_ease(train, settings.evaluate.ease_l2)
            yield f"popular, {kind}", popular(train), given, train, (0, 0)
            yield f"EASE, {kind}", ease, given, train, (0, 0)


def presets(folders: list[Path], seeds: list[int], common: dict[str, Any]) -> str:
    """A Markdown table: each candidate's validation metric relative to the popular list's."""
    tables = {folder.name: read(folder) for folder in folders}
    lines = ["| candidate | " + " | ".join(f"{name} | epochs | s" for name in tables) + " |"]
    lines.append("|---|" + "---|" * 3 * len(tables))
    for candidate, overrides in CANDIDATES.items():
        cells = [candidate]
        for name in tables:
            found = [
                best_validation(tables[name], seeded("nightly", common | overrides, seed))
                for seed in seeds
            ]
            values, popular_values, epochs, seconds = (
                np.array([run[key] for run in found])
                for key in ("value", "popular", "epochs", "seconds")
            )
            cells.append(f"{values.mean():.4f} ({values.mean() / popular_values.mean():.2f}x)")
            cells += [f"{epochs.mean():.0f}", f"{seconds.mean():.1f}"]
            print(f"{name}: {candidate}: {', '.join(cells[-3:])}", file=sys.stderr)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(folders: list[Path], seeds: list[int], common: dict[str, Any]) -> str:
    """Markdown tables: every scorer in every view, mean over seeds with a 95 % interval."""
    return "\n\n".join(_compared(folder.name, read(folder), seeds, common) for folder in folders)


def _compared(dataset: str, tables: Tables, seeds: list[int], common: dict[str, Any]) -> str:
    found: dict[str, dict[str, list[float]]] = {}
    settings = Settings().evaluate
    for seed in seeds:
        for name, scorer, given, train, epochs in scorers(tables, seed, common):
            question = EvaluationTask.of(train, given.parts.test, given.seen)
            measured, _ = measure_scorer(scorer, question, settings)
            row = {
                f"{view} {metric}": measured[view][metric] for view in VIEWS for metric in METRICS
            }
            for key, value in (*row.items(), ("epochs", epochs[0]), ("searched", epochs[1])):
                found.setdefault(name, {}).setdefault(key, []).append(value)
    return f"{dataset}, {len(seeds)} seeds:\n\n{_values(found)}\n\n{_differences(found)}"


def _values(found: dict[str, dict[str, list[float]]]) -> str:
    """Every scorer in every view, and over the popular list."""
    columns = [f"{view} {metric}" for view in VIEWS for metric in METRICS]
    lines = [
        f"| scorer | {' | '.join(columns)} | served p@5 over popular | epochs | to choose them |",
        "|---|" + "---|" * (len(columns) + 3),
    ]
    base = np.array(found["popular, 5.0 only"]["test_served precision_at_5"])
    for name, values in found.items():
        ratio = _with_interval(list(values["test_served precision_at_5"] / base), 2)
        epochs = f"{np.mean(values['epochs']):.0f} | {np.mean(values['searched']):.0f}"
        cells = " | ".join(_with_interval(values[column]) for column in columns)
        lines.append(f"| {name} | {cells} | {ratio} | {epochs} |")
    return "\n".join(lines)


def _differences(found: dict[str, dict[str, list[float]]]) -> str:
    """Differences on the same splits, as served."""
    columns = [f"test_served {metric}" for metric in METRICS]
    lines = [f"| difference | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for first, second in PAIRS:
        cells = [
            _with_interval(list(np.subtract(found[first][column], found[second][column])))
            for column in columns
        ]
        lines.append(f"| {first} − {second} | {' | '.join(cells)} |")  # noqa: RUF001 (a minus sign)
    return "\n".join(lines)


def _with_interval(values: list[float], digits: int = 3) -> str:
    """Mean and half-width of Student's 95 % interval over the seeds."""
    if len(values) < 2:
        return f"{np.mean(values):.{digits}f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"


def _validated_popular(given: Prepared, settings: Settings) -> float:
    """The popular list's value of the validation metric, the test part unknown to it as well."""
    held = given.parts.validation
    if held is None:
        raise ValueError("the settings hold back no validation part")
    question = EvaluationTask.of(given.parts.train, held, given.seen, unknown=given.parts.test)
    measured, _ = measure_scorer(popular(given.parts.train), question, settings.evaluate)
    return float(measured["test_served"][settings.train.validate_on])


def main() -> None:
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["presets", "compare"])
    parser.add_argument("folders", nargs="+", type=Path, help="each with movies.csv, ratings.csv")
    parser.add_argument("--set", action="append", default=[], help="train.engine=recsys, say")
    parser.add_argument("--seeds", type=int, default=3, help="splits, seeded 1 to this")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    table = {"presets": presets, "compare": compare}[given.table]
    common = parse_assignments(given.set)
    print(table(given.folders, list(range(1, given.seeds + 1)), common))


if __name__ == "__main__":
    main()
