"""A model and its baselines on one held-back part: the numbers that the gate and the report read.

Views of the test part, always named: ``test_served``, what a consumer shows who leaves out
everything the user has rated; ``test``, training interactions left out, weaker positives among them
(lightfm's ``train_interactions``); ``test_unmasked``, nothing left out (the article's). ``train`` ranks
the training positives with nothing left out. Averages are over the users with a positive in the
view, trained or not.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Arrays, Csr, Interactions
from recsys_tasks.matrices.split import Split
from recsys_tasks.model import metrics
from recsys_tasks.model.baselines import popular, random_order
from recsys_tasks.model.fit import Model, Validate
from recsys_tasks.model.ranking import Parts, Ranking, Scorer, rank
from recsys_tasks.model.representations import Embeddings, fold
from recsys_tasks.settings import EvaluateSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    Args:
        metrics: the manifest's ``metrics``: a dict a view, and ``baselines``; JSON, no NaN.
        per_user: float32, one value a user of the test part, by ``<view>.<metric>`` for the model and
            ``<baseline>.<view>.<metric>`` for a baseline; ``users`` holds their rows, int32.
    """

    metrics: dict[str, Any]
    per_user: Arrays


def evaluate_all(
    embeddings: Embeddings,
    split: Split,
    seen: Csr,
    settings: EvaluateSettings,
) -> Evaluation:
    """Every metric in every view, for the model, the popular list and random order.

    Args:
        embeddings: the model, trained on train (and validation) of ``split``.
        split: its validation part, where there is one, counts as trained on: what is known of a
            user is left out of the user's list.
        seen: CSR ``(n_users, n_items)``, everything rated at any rating.
        settings: lengths of lists, block size, seed.

    Raises:
        TrainingRefused: the embeddings hold NaN or infinities.
    """
    if not (np.isfinite(embeddings.users).all() and np.isfinite(embeddings.items).all()):
        raise TrainingRefused("the embeddings hold NaN or infinite values: nothing can be ranked")
    train = split.train_and_validation()
    parts = Parts.of(train, split.test, seen)
    model, per_user = measure_scorer(embeddings, parts, train, settings)
    baselines = {}
    for name, scorer in _baselines(train, settings).items():
        baselines[name], of_baseline = measure_scorer(scorer, parts, train, settings)
        per_user |= {f"{name}.{key}": values for key, values in of_baseline.items()}
    users = np.flatnonzero(np.diff(parts.test.indptr)).astype(np.int32)
    return Evaluation({**model, "baselines": baselines}, {**per_user, "users": users})


def measure_scorer(
    scorer: Scorer, parts: Parts, train: Interactions, settings: EvaluateSettings
) -> tuple[dict[str, Any], Arrays]:
    """One scorer's views as the manifest holds them, and its values for each test user."""
    n_items = train.shape[1]
    block = block_rows(settings, n_items)
    ranking = rank(scorer, parts, max(settings.ks), block, settings.threads)
    per_user = {name: metrics.measure(view, settings.ks) for name, view in ranking.views.items()}
    summaries: dict[str, Any] = {name: _summary(values) for name, values in per_user.items()}
    summaries["test_served"] |= _of_lists(ranking, train, settings)
    return summaries, {
        f"{view}.{metric}": values.astype(np.float32)
        for view, by_metric in per_user.items()
        if view != "train"
        for metric, values in by_metric.items()
    }


def validator(
    split: Split,
    features: Csr,
    seen: Csr,
    settings: EvaluateSettings,
    metric: str = "ndcg_at_10",
) -> Validate:
    """Scores a model as served on the validation part; knows nothing of the test part.

    The test part's items stay in the lists as if the user had never met them.

    Args:
        split, features, seen, settings: as for ``evaluate_all``.
        metric: one of ``TrainSettings.validate_on``.

    Raises:
        ValueError: the split has no validation part.
    """
    if split.validation is None:
        raise ValueError("the split has no validation part")
    asked = _some_users(split.validation, settings.validation_users)
    nothing = split.train.take(np.arange(0))
    parts = Parts.of(nothing, asked, seen, unknown=split.test)
    block = block_rows(settings, split.train.shape[1])

    def validate(model: Model) -> float:
        served = rank(fold(model, features), parts, 0, block, settings.threads).views["test_served"]
        return float(metrics.measure(served, (5, 10))[metric].mean())

    return validate


def _some_users(interactions: Interactions, at_most: int) -> Interactions:
    """The interactions of evenly spaced users, where there are more than ``at_most`` users."""
    users = np.unique(interactions.row)
    step = max(1, -(-len(users) // at_most))
    return interactions.take(np.isin(interactions.row, users[::step]))


def block_rows(settings: EvaluateSettings, n_items: int) -> int:
    """Users whose scores fit into a block."""
    return max(1, settings.block_megabytes * 1_000_000 // (4 * max(n_items, 1)))


def embedding_facts(embeddings: Embeddings) -> dict[str, float]:
    """What the gate asks of the vectors themselves.

    Returns:
        ``finite`` (1 or 0); ``max_norm`` of any row; ``effective_rank``: exp of the entropy of the
        item vectors' normalised singular values after centring, 1 when all lie on a line, 0 when
        all are the same.

    Source:
        Roy and Vetterli, 2007, "The effective rank".
    """
    finite = bool(np.isfinite(embeddings.users).all() and np.isfinite(embeddings.items).all())
    if not finite:
        return {"finite": 0.0, "max_norm": 0.0, "effective_rank": 0.0}
    vectors = embeddings.items[:, :-2].astype(np.float64)
    norms = [np.linalg.norm(rows, axis=1).max() for rows in (embeddings.users, embeddings.items)]
    return {
        "finite": 1.0,
        "max_norm": float(max(norms)),
        "effective_rank": _effective_rank(vectors - vectors.mean(axis=0)),
    }


def _effective_rank(centred: NDArray[np.float64]) -> float:
    squares = np.linalg.eigvalsh(centred.T @ centred)
    singular = np.sqrt(np.maximum(squares, 0))
    total = singular.sum()
    if not total > 1e-9:
        return 0.0
    shares = singular[singular > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _baselines(train: Interactions, settings: EvaluateSettings) -> Mapping[str, Scorer]:
    return {"popular": popular(train), "random": random_order(train.shape, settings.seed)}


def _summary(per_user: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Mean and standard error of each metric; of no users: nothing but their number."""
    n_users = len(per_user["auc"])
    if not n_users:
        return {"users": 0}
    means = {name: float(values.mean()) for name, values in per_user.items()}
    errors = {name: float(np.std(values) / np.sqrt(n_users)) for name, values in per_user.items()}
    return {**means, "users": n_users, "standard_errors": errors}


def _of_lists(
    ranking: Ranking, train: Interactions, settings: EvaluateSettings
) -> dict[str, float]:
    """What the lists are like as a whole: coverage, concentration, novelty."""
    n_items = train.shape[1]
    if not len(ranking.lists):
        return {}
    positives = train.positives()
    counts = np.bincount(positives.col, minlength=n_items)
    n_users = max(len(np.unique(positives.row)), 1)
    found: dict[str, float] = {}
    for k in settings.ks:
        lists = ranking.lists[:, :k]
        found[f"coverage_at_{k}"] = metrics.coverage(lists, n_items)
        found[f"gini_at_{k}"] = metrics.exposure_gini(lists, n_items)
        found[f"novelty_at_{k}"] = float(metrics.novelty(lists, counts, n_users).mean())
    return found
