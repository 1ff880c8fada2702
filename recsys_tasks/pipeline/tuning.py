"""A search over the run's files, and its winner as a settings file that other runs can take."""

import json
import logging
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.settings import Settings
from recsys_tasks.errors import NotFound, SettingsError
from recsys_tasks.evaluation.search import Trial, check_search, trials, try_out, winner
from recsys_tasks.pipeline.run import Run, RunFiles
from recsys_tasks.pipeline.run_files import TRIALS, TUNED
from recsys_tasks.pipeline.steps import Steps
from recsys_tasks.report.blocks import flat

log = logging.getLogger(__name__)


def propose(steps: Steps) -> list[dict[str, Any]]:
    """The settings to try, each as a small mapping that a mapped task can take."""
    check_search(steps.settings)
    proposed = list(trials(steps.settings))
    log.info("%d trials, %s search", len(proposed), steps.settings.tune.method)
    return proposed


def attempt(steps: Steps, overrides: dict[str, Any]) -> dict[str, Any]:
    """Fits and scores one set of settings on the validation part of the run's split."""
    log.info("trying %s", _in_words(overrides))
    with steps.log_group("epochs"):
        data = steps.data
        trial = try_out(steps.settings, overrides, data.split(), data.features_for, data.seen())
    log.info("%s %.4f after %d epochs", steps.settings.train.validate_on, trial.score, trial.epochs)
    return asdict(trial)


def choose(steps: Steps, tried: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes the winner where the dataset's runs look for it, and all trials beside the run."""
    ranked = sorted((Trial(**trial) for trial in tried), key=lambda trial: -trial.score)
    best = winner(ranked)
    TRIALS.write(steps.files, [asdict(trial) for trial in ranked])
    for trial in ranked:
        log.info("%.4f  %3d epochs  %s", trial.score, trial.epochs, _in_words(trial.overrides))
    document = as_toml(best, steps.run, steps.settings.train.validate_on)
    key = _key(steps.run.dataset)
    steps.store.put(key, document.encode())
    log.info("wrote %s; runs with train.tuned take it", key)
    return {"settings": key, "score": best.score, "document": document}


def with_tuned(
    settings: Settings, store: ObjectStore, run: Run, given: Collection[str] = ()
) -> Settings:
    """The run's settings with the last search's winner in them, where ``train.tuned`` asks for it.

    What was given wins: a field that has another value than its default, or is named in ``given``.

    What the first step finds is kept with the run, so that a search which ends in between changes
    nothing for the steps after it.

    Args:
        settings: of the run.
        store: the bucket.
        run: its names.
        given: dotted names of settings that were given on purpose, as far as that is known.

    Raises:
        SettingsError: no search has chosen settings for this dataset yet.
    """
    if not settings.train.tuned:
        return settings
    files = RunFiles(store, run)
    if not TUNED.is_there(files):
        try:
            TUNED.write(files, store.get(_key(run.dataset)))
        except NotFound:
            raise SettingsError(
                f"train.tuned: no search has chosen settings for {run.dataset} yet; run recsys_tune"
            ) from None
    chosen = dict(flat(tomllib.loads(TUNED.read(files).decode())))
    now, default = settings.flat(), Settings().flat()
    own = {  # a form sends the defaults, too
        name for name in chosen if name in given or (name in now and now[name] != default[name])
    }
    if own:
        names = (name.removeprefix("train.") for name in sorted(own))
        log.info("train.tuned: this run gives its own %s", ", ".join(names))
    taken = {name: value for name, value in chosen.items() if name not in own}
    return Settings.load(overrides=now | taken)


def as_toml(trial: Trial, run: Run, metric: str) -> str:
    """The winner as a settings file, with where it comes from in its first lines."""
    fields = [
        f"{name.removeprefix('train.')} = {json.dumps(value)}"
        for name, value in trial.overrides.items()
    ]
    heading = (
        f"# Chosen by {run.dag_id}, run {run.run_id}, dataset {run.dataset}:",
        f"# {metric} {trial.score:.4f} as served on the validation part, in epoch {trial.epochs}.",
    )
    return "\n".join((*heading, "[train]", *fields)) + "\n"


def _key(dataset: str) -> str:
    return f"{dataset}/settings/tuned.toml"


def _in_words(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.removeprefix('train.')} {value}" for name, value in overrides.items())
