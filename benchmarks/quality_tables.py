"""What ``quality`` measures: every engine as nightly would fit it, every baseline, seed by seed."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.prepared import Prepared, Tables, prepare, read, seeded
from recsys_tasks.config.settings import Settings
from recsys_tasks.errors import SettingsError
from recsys_tasks.evaluation.contenders import baselines_of
from recsys_tasks.evaluation.evaluate import EvaluationTask, measure_scorer, validator
from recsys_tasks.evaluation.ranking import Scorer
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.evaluation.standing import NAMES
from recsys_tasks.model.engines.choice import engine_of
from recsys_tasks.model.representations import with_biases

ENGINES: dict[str, dict[str, Any]] = {
    "nightly WARP": {"train.engine": "recsys"},
    **{
        f"ridge-svd {width}": {
            "train.engine": "ridge-svd",
            "train.ridge_svd.components": width,
        }
        for width in (64, 128, 192, 256)
    },
    "blend": {"train.engine": "blend"},
    "auto": {"train.engine": "auto"},
}
"""What each engine changes in the preset nightly."""

METRICS = {"ndcg_at_10": "NDCG@10", "precision_at_5": "precision@5"}
AGAINST = NAMES["ease"]

Measured = dict[str, list[dict[str, float]]]
"""By scorer, a seed after the other: the metrics as served."""

Say = Callable[[str], None]


def measured(folder: Path, seeds: Iterable[int], say: Say) -> Measured:
    """Every scorer on every seed's split of a folder's ratings."""
    tables, found = read(folder), Measured()
    engines = dict(_known_engines(say))
    for seed in seeds:
        for name, scorer, given, settings in _scorers(tables, engines, seed, say):
            question = EvaluationTask.of_test(given.parts, given.seen)
            served = measure_scorer(scorer, question, settings.evaluate)[0]["test_served"]
            found.setdefault(name, []).append({metric: served[metric] for metric in METRICS})
            say(f"{folder.name}, seed {seed}: {name}: NDCG@10 {served['ndcg_at_10']:.4f}")
    return found


def _known_engines(say: Say) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that this version of the project has; a line for each that it lacks."""
    for name, overrides in ENGINES.items():
        try:
            used = Settings.load("nightly", overrides=overrides).train.engine_used
        except SettingsError as unknown:
            say(f"{name} is left out: {unknown}")
            continue
        if used == overrides["train.engine"]:
            yield name, overrides
        else:
            say(f"{name} is left out: here it is another name of {used}")


def _scorers(
    tables: Tables, engines: dict[str, dict[str, Any]], seed: int, say: Say
) -> Iterator[tuple[str, Scorer, Prepared, Settings]]:
    """The baselines, then the engines, one in memory at a time."""
    settings = seeded("nightly", {}, seed)
    given = prepare(tables, settings)
    baselines = baselines_of(given.parts, given.seen, settings.evaluate)
    for name, reason in baselines.left_out.items():
        say(f"{NAMES[name]} is left out: {reason}")
    for name, baseline in baselines.measured.items():
        yield NAMES[name], baseline.make(), given, settings
    for name, overrides in engines.items():
        settings = seeded("nightly", overrides, seed)
        given = prepare(tables, settings)
        yield name, trained(given, settings), given, settings


def trained(given: Prepared, settings: Settings) -> Scorer:
    """The model as a run would serve it: chosen on validation, then fitted on that part too."""
    parts, features = given.parts, given.features
    train, engine = parts.train_and_validation(), engine_of(settings)
    if engine.chooses and parts.validation is not None:
        metric = settings.train.validate_on
        validate = validator(parts, features, given.seen, settings.evaluate, metric)
        chosen = engine.fit(parts.train, features, validate).chosen
        engine = engine_of(settings.model_copy(update={"train": chosen}))
    fitted = engine.fit(train, features)
    return Audience.of(train).served(with_biases(fitted.model, features), fitted.sums)


def document(found: Measured) -> dict[str, Any]:
    """Every seed's numbers, with mean, half of the 95 % interval, and the same of the difference to EASE."""
    return {
        name: {
            metric: {
                "seeds": _values(found, name, metric),
                **_interval(_values(found, name, metric)),
                **({"minus_ease": gap} if (gap := _gap(found, name, metric)) else {}),
            }
            for metric in METRICS
        }
        for name in found
    }


def table(found: Measured) -> list[str]:
    """Markdown: a row for each scorer; mean ± half of Student's 95 % interval over the seeds."""
    heads = [head for metric in METRICS.values() for head in (metric, f"{metric} less {AGAINST}'s")]
    lines = [f"| scorer | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in found:
        cells = [
            cell
            for metric in METRICS
            for cell in (
                _shown(_interval(_values(found, name, metric))),
                _shown(_gap(found, name, metric), "+"),
            )
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _values(found: Measured, name: str, metric: str) -> list[float]:
    return [seed[metric] for seed in found[name]]


def _gap(found: Measured, name: str, metric: str) -> dict[str, float] | None:
    """The paired difference to EASE; None of itself and where it was not fitted."""
    if name == AGAINST or AGAINST not in found:
        return None
    return _interval(np.subtract(_values(found, name, metric), _values(found, AGAINST, metric)))


def _interval(values: Any) -> dict[str, float]:
    """Mean and half-width of Student's 95 % interval; of one seed no width."""
    mean = {"mean": float(np.mean(values))}
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return mean | {"half_width": float(half)}


def _shown(of: dict[str, float] | None, sign: str = "") -> str:
    if of is None:
        return ""
    half = f" ± {of['half_width']:.3f}" if "half_width" in of else ""
    return f"{of['mean']:{sign}.3f}{half}"
