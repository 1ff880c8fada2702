"""The baselines of a run, each with the settings that the validation part chose for it.

What a model is held against must be as good as it can be: EASE's penalty, iALS's loss and the window of
the recently popular list are each the best of a few by NDCG@10 as served on the validation part,
and are then fitted on what the model was trained on. Without a validation part each takes the first of its
few. What would take too much memory or time is left out, and the reason is told.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from recsys_tasks.config.settings import EvaluateSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.baselines import popular, random_order, recently_popular
from recsys_tasks.evaluation.ease import ease_bytes, fit_ease
from recsys_tasks.evaluation.ials import IalsSettings, fit_ials
from recsys_tasks.evaluation.ranking import Parts, Scorer, rank
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.matrices.split import Split

log = logging.getLogger(__name__)

T = TypeVar("T")

EASE_L2 = (200.0, 50.0, 100.0, 500.0, 1000.0)
"""Penalties of EASE that are tried."""

IALS = (IalsSettings(0.1, 0.01), IalsSettings(0.3, 0.003), IalsSettings(0.03, 0.02))
"""Losses of iALS that are tried."""

RECENT_DAYS = (365, 90, 30)
"""Windows of the recently popular list that are tried."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """One baseline, not yet fitted.

    Args:
        make: fits it on what the model was trained on.
        settings: what was chosen for it, as the manifest holds it.
    """

    make: Callable[[], Scorer]
    settings: dict[str, float]


@dataclass(frozen=True, eq=False)
class Baselines:
    """Those that are measured, by name and in order, and why each other one is not."""

    measured: dict[str, Baseline]
    left_out: dict[str, str]


def baselines_of(
    split: Split, seen: Csr, settings: EvaluateSettings, refit: bool = True
) -> Baselines:
    """The popular lists, random order, iALS and EASE, with the best of their settings.

    Args:
        split: its validation part chooses; its test part stays in the lists as if nobody had met it.
        seen: CSR ``(n_users, n_items)``, everything rated at any rating.
        settings: bounds, block size, seed.
        refit: whether the model was trained on the validation part too.
    """
    train = split.trained_on(refit)
    choose = _Choice.by(split, seen, settings)
    measured = {
        "popular": Baseline(partial(popular, train), {}),
        "random": Baseline(partial(random_order, train.shape, settings.seed), {}),
    }
    left_out = _reasons(train, settings)
    if "recent" not in left_out:
        days = choose("the recently popular list", RECENT_DAYS, recently_popular)
        measured["recent"] = Baseline(partial(recently_popular, train, days), {"days": days})
    if "ials" not in left_out:
        fit = partial(fit_ials, seed=settings.seed, threads=settings.threads)
        loss = choose("iALS", IALS, fit)
        measured["ials"] = Baseline(partial(fit, train, loss), asdict(loss))
    if "ease" not in left_out:
        asked = (settings.ease_l2,) if settings.ease_l2 else EASE_L2
        l2 = choose("EASE's l2", asked, fit_ease)
        measured["ease"] = Baseline(partial(fit_ease, train, l2), {"l2": l2})
    for name, reason in left_out.items():
        log.info("baseline %s is left out: %s", name, reason)
    return Baselines(measured, left_out)


def _reasons(train: Interactions, settings: EvaluateSettings) -> dict[str, str]:
    """Why a baseline is not measured, by its name."""
    found, needed = {}, ease_bytes(train) / 1e6
    if not len(train) or train.rated_at.min() == train.rated_at.max():
        found["recent"] = "all ratings have one time"
    if len(train) > settings.ials_interactions:
        found["ials"] = (
            f"{len(train):,} training interactions are more than "
            f"evaluate.ials_interactions, {settings.ials_interactions:,}"
        )
    if needed > settings.ease_megabytes:
        found["ease"] = (
            f"it takes {needed:,.0f} MB, more than evaluate.ease_megabytes, "
            f"{settings.ease_megabytes:,}"
        )
    return found


@dataclass(frozen=True, eq=False)
class _Choice:
    """Takes the best of a few settings by the validation part; the first where there is no such part."""

    train: Interactions
    parts: Parts | None
    block: int
    threads: int

    @classmethod
    def by(cls, split: Split, seen: Csr, settings: EvaluateSettings) -> "_Choice":
        parts, block = None, block_rows(settings, split.train.shape[1])
        if split.validation is not None:
            asked = some_users(split.validation, settings.validation_users)
            parts = validation_parts(split, asked, seen)
        return cls(split.train, parts, block, settings.threads)

    def __call__(self, what: str, few: Sequence[T], fit: Callable[[Interactions, T], Scorer]) -> T:
        if self.parts is None or len(few) == 1:
            return few[0]
        scores = [self._score(partial(fit, self.train, one)) for one in few]
        best = few[int(np.argmax(scores))]
        tried = ", ".join(f"{_shown(one)}: {s:.4f}" for one, s in zip(few, scores, strict=True))
        log.info("%s by NDCG@10 on validation: %s (%s)", what, _shown(best), tried)
        return best

    def _score(self, make: Callable[[], Scorer]) -> float:
        """NDCG@10 as served; below any where the fit is refused."""
        assert self.parts is not None
        try:
            ranks = rank(make(), self.parts, 0, self.block, self.threads).views["test_served"]
        except TrainingRefused as refused:
            log.info("%s", refused)
            return -1.0
        return float(np.nan_to_num(metrics.ndcg_at_k(ranks, 10).mean(), nan=-1.0))


def _shown(one: Any) -> str:
    return (
        f"{one:g}"
        if isinstance(one, int | float)
        else "/".join(map("{:g}".format, asdict(one).values()))
    )


def validation_parts(split: Split, asked: Interactions, seen: Csr) -> Parts:
    """What a ranking on the validation part is asked: nothing of it tells where a test item is.

    Args:
        split: with a validation part.
        asked: those of the validation part that are to be found.
        seen: CSR ``(n_users, n_items)``, everything rated at any rating.
    """
    nothing = split.train.take(np.arange(0))
    return Parts.of(nothing, asked, seen, unknown=split.test)


def some_users(interactions: Interactions, at_most: int) -> Interactions:
    """The interactions of evenly spaced users, where there are more than ``at_most`` users."""
    users = np.unique(interactions.row)
    step = max(1, -(-len(users) // at_most))
    return interactions.take(np.isin(interactions.row, users[::step]))


def block_rows(settings: EvaluateSettings, n_items: int) -> int:
    """Users whose scores fit into a block."""
    return max(1, settings.block_megabytes * 1_000_000 // (4 * max(n_items, 1)))
