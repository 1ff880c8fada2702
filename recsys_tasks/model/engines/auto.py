"""The engine auto: a blend whose width and weight of WARP are chosen on the validation part.

What the settings say is the starting point; where few users validate, ridge-svd alone, and the validation part
is drawn several times, so that all draws choose together. Another width, then another weight, takes its place only where the paired 95 % interval of its metric over the same
users lies above zero: a difference that chance may have made changes nothing. Every candidate is told, in
the log and in the manifest.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.engines.blend import BlendEngine, blend
from recsys_tasks.model.engines.epochs import EpochEngine
from recsys_tasks.model.engines.protocol import Checkpoints, Fitted, Redraws, Scored, Validate
from recsys_tasks.model.engines.ridge import Decomposed, RidgeSvdEngine, alone, history_of
from recsys_tasks.model.intervals import Interval, paired
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.widths import widths_tried

log = logging.getLogger(__name__)

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.5)
"""Weights of WARP that are tried beside the settings'; 0 is ridge-svd alone."""

FEW_USERS = 200
"""Validated users below which WARP has little to learn from, and a choice little to go by."""

CAUTIOUS = 0.0
"""Weight of WARP that the choice then begins with: ridge-svd alone."""

REDRAWS = 4
"""Draws of the validation part beside the first, by which the choice is then made together."""


class Candidate(NamedTuple):
    """One width of ridge-svd and one weight of WARP, with the model that they make."""

    components: int
    warp_weight: float
    fitted: Fitted
    scored: Scored

    @property
    def n_users(self) -> int:
        """Users who validated it."""
        return 0 if self.scored.per_user is None else len(self.scored.per_user)


@dataclass(frozen=True)
class AutoEngine:
    """A blend, or ridge-svd alone, whichever the validation part speaks for.

    Args:
        settings: the starting point.
    """

    settings: TrainSettings

    @property
    def chooses(self) -> bool:
        """WARP's epochs, ridge-svd's width and WARP's weight."""
        return True

    def fit(
        self,
        train: Interactions,
        features: Csr,
        validate: Validate | None = None,
        checkpoints: Checkpoints | None = None,
        start: Model | None = None,
    ) -> Fitted:
        """See ``Engine``; without ``validate`` the starting point is what is fitted."""
        if validate is None:
            as_it_is = self.settings.model_copy(update={"engine": "blend"})
            return BlendEngine(as_it_is).fit(train, features, None, checkpoints, start)
        kept = [checkpoints and checkpoints.part(name) for name in ("warp", "ridge")]
        warp = EpochEngine(self.settings).fit(train, features, validate, kept[0], start)
        own, *wider = widths_tried(self.settings, *train.shape)
        wanted = _with(warp.chosen, max(own, *wider, 0), 1.0)
        widest = RidgeSvdEngine(wanted).decomposed(train, features, kept[1])
        draws = [_Halves(warp, widest, history_of(train), features, validate)]
        given = self.settings.blend.warp_weight
        first = draws[0].candidate(own, given)
        if first.n_users < FEW_USERS:
            draws += [] if start else _drawn_anew(validate, wanted, features)
            first = _pooled(draws, own, CAUTIOUS)
        search = _Search(first, self.settings)
        search.consider(_pooled(draws, width, first.warp_weight) for width in wider)
        chosen_width, others = search.best.components, {*WEIGHTS, given} - {first.warp_weight}
        search.consider(_pooled(draws, chosen_width, weight) for weight in sorted(others))
        found = search.best.fitted
        told = {"candidates": search.told, "validations": len(draws)}
        return replace(
            found, epochs=warp.epochs, history=warp.history, facts={**found.facts, **told}
        )


class _Halves(NamedTuple):
    """Both engines' fits on one training part, and what scores a blend of them."""

    warp: Fitted
    widest: Decomposed
    history: Csr
    features: Csr
    validate: Validate

    def candidate(self, components: int, weight: float) -> Candidate:
        """The model of this width and weight, scored."""
        chosen, ridge = _with(self.warp.chosen, components, weight), self.widest.cut(components)
        fitted = (
            blend(ridge, self.warp, self.history, self.features, chosen)
            if weight
            else alone(ridge, self.history, self.features, chosen)
        )
        return Candidate(components, weight, fitted, self.validate(fitted.model, fitted.sums))


def _drawn_anew(validate: Validate, wanted: TrainSettings, features: Csr) -> list[_Halves]:
    """Both halves on other draws of the validation part, for as many epochs as the first chose."""
    draws = []
    for number in range(1, REDRAWS + 1):
        again = validate.draw(number) if isinstance(validate, Redraws) else None
        if again is None:
            break
        log.info("few users validate: draw %d of %d more", number, REDRAWS)
        warp = EpochEngine(wanted).fit(again.train, features)
        widest = RidgeSvdEngine(wanted).decomposed(again.train, features)
        draws.append(_Halves(warp, widest, history_of(again.train), features, again.validate))
    return draws


def _pooled(draws: list[_Halves], components: int, weight: float) -> Candidate:
    """The first draw's model, scored by the users of all draws together."""
    first, *others = [halves.candidate(components, weight) for halves in draws]
    if not others:
        return first
    values = [one.scored.per_user for one in (first, *others) if one.scored.per_user is not None]
    every = np.concatenate(values)
    return first._replace(scored=Scored(float(every.mean()), first.scored.train, every))


class _Search:
    """The best candidate so far, and what is told of all."""

    def __init__(self, first: Candidate, settings: TrainSettings) -> None:
        self.best, self.settings = first, settings
        self.told: list[dict[str, float]] = []
        self._tell(first, None)

    def consider(self, candidates: Iterable[Candidate]) -> None:
        """Takes the best of those that beat the one that was best before them all, beyond chance."""
        present = self.best
        for candidate in candidates:
            gap = self._gap(candidate, present)
            self._tell(candidate, gap)
            if gap.low > 0 and not candidate.scored.mean <= self.best.scored.mean:
                self.best = candidate

    def _gap(self, candidate: Candidate, present: Candidate) -> Interval:
        theirs, ours = candidate.scored.per_user, present.scored.per_user
        if theirs is None or ours is None:
            raise TrainingRefused("the validation gave no values by user to compare candidates by")
        return paired(theirs, ours, self.settings.seed)

    def _tell(self, candidate: Candidate, gap: Interval | None) -> None:
        facts = {
            "components": candidate.components,
            "warp_weight": candidate.warp_weight,
            "validation": candidate.scored.mean,
        }
        interval = {} if gap is None else {"low": gap.low, "high": gap.high}
        self.told.append(facts | interval)
        log.info(
            "ridge-svd %d, WARP's weight %g: %s %.4f%s",
            candidate.components,
            candidate.warp_weight,
            self.settings.validate_on,
            candidate.scored.mean,
            "" if gap is None else f" ({gap.difference:+.4f}, {gap.low:+.4f} to {gap.high:+.4f})",
        )


def _with(settings: TrainSettings, components: int, weight: float) -> TrainSettings:
    """The settings of a candidate: those of ``ridge-svd`` without WARP, else of ``blend``."""
    ridge = settings.ridge_svd.model_copy(update={"components": components})
    if not weight:
        return settings.model_copy(update={"engine": "ridge-svd", "ridge_svd": ridge})
    joined = settings.blend.model_copy(update={"warp_weight": weight})
    changes = {"engine": "blend", "ridge_svd": ridge, "blend": joined}
    return settings.model_copy(update=changes)
