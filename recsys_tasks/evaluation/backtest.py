"""What a back-test found: a fold for each moment, and the model against its baselines over all folds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Arrays
from recsys_tasks.model.intervals import Interval, paired

SCORERS = ("model", "popular", "recent", "ease")
"""What a back-test compares, in the order of its table."""

METRICS = ("ndcg_at_10", "precision_at_5", "recall_at_10")
"""Measured of each, as served; the first one is drawn."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One moment: what was known then, and how the lists made from it met the window after it.

    Args:
        facts: JSON: ``as_of`` and ``until`` (ISO 8601), ``ratings``, ``users`` and ``items`` known at
            ``as_of``, ``positives`` asked, ``unknown`` ones of users or items met later, ``measured``
            users, ``metrics`` by scorer, ``intervals`` of the model over each baseline, ``chosen``
            settings of the baselines, ``left_out`` ones with the reason, ``engine``, ``seconds``.
        users: shape ``(n,)``, external ids of the measured users.
        values: float32 ``(n,)`` by ``<scorer>.<metric>``.
    """

    facts: dict[str, Any]
    users: NDArray[Any]
    values: Arrays


@dataclass(frozen=True)
class OverFolds:
    """The model less one baseline in one metric, over all folds in which both were measured."""

    baseline: str
    metric: str
    interval: Interval
    """of the users' means over their folds, users drawn: a user of many folds counts once"""
    folds: int
    ahead: int
    """folds whose own interval lies above 0"""
    behind: int
    """folds whose own interval lies below 0"""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        names = {"baseline": self.baseline, "metric": self.metric, "folds": self.folds}
        return names | {"ahead": self.ahead, "behind": self.behind} | self.interval.document()


def over_folds(folds: Sequence[Fold], seed: int) -> tuple[OverFolds, ...]:
    """The model against each baseline, over all folds.

    Args:
        folds: in any order.
        seed: of the bootstrap.
    """
    return tuple(_over_folds(folds, seed))


def _over_folds(folds: Sequence[Fold], seed: int) -> Iterator[OverFolds]:
    for baseline in SCORERS[1:]:
        for metric in METRICS:
            both = [fold for fold in folds if f"{baseline}.{metric}" in fold.values]
            if not both:
                continue
            ours, theirs = (_by_user(both, f"{name}.{metric}") for name in ("model", baseline))
            gaps = [fold.facts["intervals"][baseline][metric] for fold in both]
            yield OverFolds(
                baseline,
                metric,
                paired(ours, theirs, seed),
                len(both),
                sum(gap["low"] > 0 for gap in gaps),
                sum(gap["high"] < 0 for gap in gaps),
            )


def _by_user(folds: Sequence[Fold], name: str) -> NDArray[np.float32]:
    """Each user's mean over the folds that measured them, shape ``(users of all folds,)``."""
    users = np.concatenate([fold.users for fold in folds])
    values = np.concatenate([fold.values[name] for fold in folds])
    _, places = np.unique(users, return_inverse=True)
    return (np.bincount(places, values) / np.bincount(places)).astype(np.float32)


def found_of(
    metrics: Mapping[str, Any], per_user: Mapping[str, Any]
) -> tuple[dict[str, Any], Arrays]:
    """What a fold keeps of an evaluation.

    Args:
        metrics: ``Evaluation.metrics``.
        per_user: ``Evaluation.per_user``.

    Returns:
        ``metrics`` by scorer, ``intervals``, ``chosen`` and ``left_out``; and the users' values.
    """
    baselines = {
        name: metrics["baselines"][name] for name in SCORERS if name in metrics["baselines"]
    }
    served = {"model": metrics, **baselines}
    means = {
        name: {metric: of["test_served"][metric] for metric in METRICS}
        for name, of in served.items()
    }
    gaps = {
        name: {metric: metrics["intervals"][name][metric] for metric in METRICS}
        for name in baselines
    }
    chosen = {name: of["settings"] for name, of in baselines.items() if "settings" in of}
    left_out = {name: why for name, why in metrics["baselines_left_out"].items() if name in SCORERS}
    values = {
        f"{name}.{metric}": per_user[_place(name, metric)] for name in served for metric in METRICS
    }
    return {"metrics": means, "intervals": gaps, "chosen": chosen, "left_out": left_out}, values


def _place(scorer: str, metric: str) -> str:
    return f"test_served.{metric}" if scorer == "model" else f"{scorer}.test_served.{metric}"
