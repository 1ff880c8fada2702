"""Search for settings: which trials are run, and their metric on the validation part.

Nothing here sees the test part but to keep its items in the lists, as if nobody had met them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from recsys_tasks.config.settings import Settings, TrainSettings
from recsys_tasks.errors import SettingsError
from recsys_tasks.evaluation.evaluate import validator
from recsys_tasks.matrices.interactions import Csr
from recsys_tasks.matrices.split import Split
from recsys_tasks.model.fit import fit

Overrides = dict[str, Any]
"""Settings that a trial changes, as ``{"train.components": 32}``."""


@dataclass(frozen=True)
class Trial:
    """One set of settings and what it was worth."""

    overrides: Overrides
    score: float
    """the best epoch's validation metric, ``train.validate_on`` as served"""
    epochs: int
    """the epoch it was reached in"""
    seconds: float
    """time of the fit and its validation"""


def trials(settings: Settings) -> tuple[Overrides, ...]:
    """The settings to try, in a stated order: those that the run's engine has.

    ``grid``: every combination. ``random``: ``tune.trials`` different ones, drawn with ``tune.seed``;
    all of them where there are no more than that.
    """
    space = settings.tune
    lists = space.lists(settings.train.engine)
    points = prod(map(len, lists.values()))
    places: Sequence[int] = range(points)
    if points > space.trials:  # a larger grid is refused with the settings
        drawn = np.random.default_rng(space.seed).choice(points, space.trials, replace=False)
        places = sorted(drawn.tolist())
    return tuple(_point(lists, place) for place in places)


def _point(lists: Mapping[str, Sequence[Any]], place: int) -> Overrides:
    """One combination by its number; the last list changes fastest."""
    chosen: Overrides = {}
    for name, values in reversed(list(lists.items())):
        place, own = divmod(place, len(values))
        chosen[name] = values[own]
    return dict(reversed(list(chosen.items())))


def check_search(settings: Settings) -> None:
    """Refuses a search of which a trial would fail, before any data is prepared.

    Raises:
        SettingsError: no validation part to choose by, or a trial whose settings contradict each other.
    """
    if not settings.split.validation_fraction > 0:
        raise SettingsError("a search needs split.validation_fraction above 0 to choose by")
    for overrides in trials(settings):
        try:
            Settings.load(overrides=settings.flat() | overrides)
        except SettingsError as error:
            tried = ", ".join(f"{name} {value}" for name, value in overrides.items())
            raise SettingsError(f"the search would try {tried}: {error}") from None


def try_out(
    settings: Settings,
    overrides: Overrides,
    split: Split,
    features: Callable[[TrainSettings], Csr],
    seen: Csr,
) -> Trial:
    """Fits with these settings and gives the best epoch's score on the validation part.

    Args:
        settings: of the run; the overrides win.
        overrides: a value for each searched field.
        split: with a validation part.
        features: makes the CSR ``(n_items, n_features)`` that a run with these settings trains on.
        seen: CSR ``(n_users, n_items)``, everything rated at any rating.

    Raises:
        SettingsError: the split has no validation part to choose by.
    """
    if split.validation is None:
        raise SettingsError("a search needs split.validation_fraction above 0 to choose by")
    tried = Settings.load(overrides=settings.flat() | overrides)
    wanted = tried.train
    made = features(wanted)
    validate = validator(split, made, seen, tried.evaluate, wanted.validate_on)
    began = time.perf_counter()
    fitted = fit(split.train, made, wanted, validate)
    return Trial(overrides, fitted.validation or 0.0, fitted.epochs, time.perf_counter() - began)


def winner(tried: list[Trial]) -> Trial:
    """The trial with the highest score, the earlier one among equals; NaN never wins.

    Raises:
        SettingsError: no trial has a score.
    """
    scored = [trial for trial in tried if trial.score == trial.score]
    if not scored:
        raise SettingsError("no trial of the search has a score")
    return max(scored, key=lambda trial: trial.score)
