"""Predicts time and memory of each step at a size, by straight lines fitted to measurements.

The lines' coefficients lie in ``cost_coefficients.json``, which ``benchmarks/cost_lines.py``
makes from docs/benchmarks/steps-*.json; docs/scale.md says what they were measured on and how well
they foretell a scale that they were not fitted to. Memory of training and evaluation comes from
``model.memory``, which also refuses a run that cannot fit.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from recsys_tasks.config.settings import Settings
from recsys_tasks.model.memory import estimate_memory

RATINGS_A_USER, MOVIES, LIKED_SHARE = 25_000_095 / 162_541, 62_423, 0.498
"""MovieLens 25M's: the shape that a number of ratings alone is taken to have."""

EPOCHS = 16
"""Epochs of a run, those of the final fit counted: early stopping and the fit after it."""

SECONDS_BY = {
    "ingest": "ratings",
    "fit_dataset": "ratings",
    "split": "interactions",
    "train": "epoch_interactions",
    "evaluate": "scores",
    "export_embeddings": "rows",
    "build_index": "rows",
    "publish": "ratings",
    "verify": "ratings",
}
"""What each step's time grows with; beside it there is a constant."""

MEGABYTES_BY = {
    "ingest": "ratings",
    "fit_dataset": "interactions",
    "split": "interactions",
    "export_embeddings": "rows",
    "build_index": "rows",
    "publish": "rows",
    "verify": "rows",
}
"""What each step's anonymous memory grows with; training and evaluation: see ``model.memory``."""


@dataclass(frozen=True)
class Size:
    """What costs are counted in. ``epochs``: those of the final fit counted, too."""

    ratings: int
    users: int
    items: int
    interactions: int
    epochs: int = EPOCHS

    @classmethod
    def like_movielens(cls, ratings: int) -> "Size":
        """So many ratings at MovieLens 25M's shape, with its whole catalogue."""
        users = max(1, round(ratings / RATINGS_A_USER))
        return cls(ratings, users, MOVIES, round(LIKED_SHARE * ratings))

    def driver(self, name: str) -> float:
        """The quantity that a line grows with."""
        return {
            "ratings": self.ratings,
            "interactions": self.interactions,
            "epoch_interactions": self.epochs * self.interactions,
            "scores": self.users * self.items,
            "rows": self.users + self.items,
        }[name]


@dataclass(frozen=True)
class StepCost:
    """One step at a size: seconds of wall time, and megabytes (10^6) at its peak."""

    name: str
    seconds: float
    megabytes: float


def predict(size: Size, settings: Settings | None = None) -> tuple[StepCost, ...]:
    """Each step that takes more than a moment, in the order of a run.

    For two threads on the machine that docs/scale.md names; the times are those of the default
    settings, WARP's in training.

    Args:
        size: what costs are counted in.
        settings: what training and evaluation take memory by; None: the default settings.
    """
    return tuple(_steps(size, settings))


def training_bytes(size: Size, settings: Settings | None = None) -> int:
    """Memory of training and evaluation, in bytes; errs upwards."""
    settings = settings or Settings()
    return estimate_memory(
        (size.users, size.items),
        size.items + 20,
        size.interactions,
        size.ratings,
        settings.train,
        settings.evaluate,
        settings.spark,
    ).total


def _steps(size: Size, settings: Settings | None) -> Iterator[StepCost]:
    seconds, megabytes = coefficients()["seconds"], coefficients()["megabytes"]
    for name, driver in SECONDS_BY.items():
        if name in MEGABYTES_BY:
            memory = _line(megabytes[name], size.driver(MEGABYTES_BY[name]))
        else:
            memory = training_bytes(size, settings) / 1e6
        yield StepCost(name, _line(seconds[name], size.driver(driver)), memory)


def _line(coefficients: list[float], driver: float) -> float:
    constant, slope = coefficients
    return constant + slope * driver


@cache
def coefficients() -> dict[str, dict[str, list[float]]]:
    """Constant and slope of each step's line: ``seconds`` and ``megabytes``, by the step's name."""
    text = (
        files("recsys_tasks.pipeline")
        .joinpath("cost_coefficients.json")
        .read_text(encoding="utf-8")
    )
    found: dict[str, dict[str, list[float]]] = json.loads(text)
    return found
