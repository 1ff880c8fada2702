"""The engine blend: ridge-SVD's vectors and WARP's side by side, in one dot product.

The two err differently, and the sum of their scores ranks better than either. Scores are brought to
one scale first: the mean over trained users of the standard deviation of a user's scores. WARP's
half stays as it was fitted, so that strengths keep their meaning and a later fit can go on from it;
ridge-SVD's user vectors carry the ratio.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys_tasks.artifacts.history_map import SumPart
from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.engines.epochs import EpochEngine
from recsys_tasks.model.engines.protocol import Checkpoints, Fitted, Validate
from recsys_tasks.model.engines.ridge import (
    RidgeSvdEngine,
    history_of,
    item_features,
    singular_facts,
)
from recsys_tasks.model.engines.ridge_svd import RidgeSvd
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import with_biases

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

ROWS = 8192
"""Users whose scores' spread is worked out at a time."""


@dataclass(frozen=True)
class BlendEngine:
    """Both engines after one another, and their vectors joined.

    Args:
        settings: of WARP, and the sections ``ridge_svd`` and ``blend``.
    """

    settings: TrainSettings

    @property
    def chooses(self) -> bool:
        """WARP's number of epochs."""
        return True

    def fit(
        self,
        train: Interactions,
        features: Csr,
        validate: Validate | None = None,
        checkpoints: Checkpoints | None = None,
        start: Model | None = None,
    ) -> Fitted:
        """See ``Engine``; WARP's epochs are chosen by WARP's own validation."""
        halves = [checkpoints and checkpoints.part(name) for name in ("warp", "ridge")]
        warp = EpochEngine(self.settings).fit(train, features, validate, halves[0], start)
        decomposed = RidgeSvdEngine(self.settings).decomposed(train, features, halves[1])
        ridge = decomposed.cut(self.settings.ridge_svd.components)
        fitted = blend(ridge, warp, history_of(train), features, self.settings)
        if validate is None:
            return fitted
        return replace(fitted, validation=validate(fitted.model, fitted.sums).validation)


def blend(
    ridge: RidgeSvd, warp: Fitted, history: Csr, features: Csr, settings: TrainSettings
) -> Fitted:
    """One model whose scores are WARP's plus ridge-SVD's, these brought to WARP's spread first.

    Args:
        ridge, warp: both halves, fitted on ``history``.
        history: CSR float32 ``(n_users, n_items)``, weights.
        features: CSR ``(n_items, n_features)``.
        settings: the sections ``ridge_svd`` and ``blend``; those of the result, with WARP's epochs.

    Raises:
        TrainingRefused: the scores of a half are not finite.
    """
    threads = settings.ridge_svd.threads
    users = ridge.users(history, threads)
    trained = np.flatnonzero(np.diff(history.indptr))
    of_warp = with_biases(warp.model, features)
    spreads = (
        mean_spread(of_warp.users[trained], of_warp.items),
        mean_spread(users[trained], ridge.items),
    )
    if not np.isfinite(spreads).all():
        raise TrainingRefused(f"blend: the spreads of both halves' scores are {spreads}")
    level = spreads[0] / spreads[1] if min(spreads) > 0 else 1.0  # of one item no score spreads
    ratio = level / settings.blend.warp_weight
    log.info("blend: spread of scores %.3f by WARP, %.3f by ridge-SVD", *spreads)
    users *= np.float32(ratio)
    theirs, factor = warp.model, np.float32(ratio)
    model = replace(
        theirs,
        user_embeddings=np.hstack((users, theirs.user_embeddings)),
        feature_embeddings=np.hstack((item_features(ridge, features), theirs.feature_embeddings)),
    )
    return replace(
        warp,
        model=model,
        chosen=settings.model_copy(update={"epochs": warp.epochs, "patience": 0}),
        validation=None,
        sums=SumPart(ridge.item_scale * factor, ridge.base * factor),
        facts=singular_facts(ridge) | {"ridge_scale": ratio},
    )


def mean_spread(users: Floats, items: Floats) -> float:
    """Mean over users of the standard deviation of their scores over all items.

    Args:
        users: float32 ``(n, c)``.
        items: float32 ``(n_items, c)``.
    """
    with threadpool_limits(1, user_api="blas"):
        centred = items - items.mean(axis=0, dtype=np.float64)
        covariance = centred.T @ centred / max(len(items), 1)
        total = 0.0
        for start in range(0, len(users), ROWS):
            rows = users[start : start + ROWS].astype(np.float64)
            squares = np.einsum("ij,ij->i", rows @ covariance, rows)
            total += float(np.sqrt(np.maximum(squares, 0)).sum())
    return total / max(len(users), 1)
