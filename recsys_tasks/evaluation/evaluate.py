"""Measures a model and its baselines on a held-out part: the numbers for the gate and the report.

Views of the test part, always named: ``test_served``, what a consumer shows who leaves out
everything the user has rated; ``test``, training interactions left out, weaker positives among them
(lightfm's ``train_interactions``); ``test_unmasked``, nothing left out (the article's). ``train`` ranks
the training positives with nothing left out. Averages are over the users with a positive in the
view, trained or not. In ``test_served`` each user is measured by the tier that serves them
(``evaluation.served``); in the other views every user is ranked by the vector that the model has of them.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.artifacts.history_map import HistoryMap, SumPart
from recsys_tasks.config.settings import EvaluateSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.beyond_accuracy import ListQuality
from recsys_tasks.evaluation.contenders import (
    Baselines,
    baselines_of,
    block_rows,
    some_users,
    validation_parts,
)
from recsys_tasks.evaluation.ranking import (
    WHOLE,
    Counts,
    Parts,
    Ranking,
    Scorer,
    Shard,
    count,
    rank,
)
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.evaluation.slices import slice_masks, slice_metrics
from recsys_tasks.evaluation.standing import NAMES, findings, standing
from recsys_tasks.matrices.interactions import Arrays, Csr, Interactions
from recsys_tasks.matrices.split import Split, redrawn
from recsys_tasks.model.engines.protocol import Draw, Scored
from recsys_tasks.model.intervals import paired
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import Embeddings, with_biases

log = logging.getLogger(__name__)

COMPARED = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc")
"""Metrics, as served, that get a paired interval against each baseline."""

MODEL = "model"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    Args:
        metrics: the manifest's ``metrics``: a dict a view, ``slices``, ``baselines`` with the same and
            their chosen ``settings``, ``baselines_left_out`` with the reasons; of the comparison with them
            ``intervals``, ``standing`` (one sentence) and ``findings``; JSON, no NaN.
        per_user: float32, one value a user of the test part, by ``<view>.<metric>`` for the model and
            ``<baseline>.<view>.<metric>`` for a baseline; int32: ``users`` holds their rows,
            ``training_positives`` how much of each user was trained on.
    """

    metrics: dict[str, Any]
    per_user: Arrays


def evaluate_all(
    embeddings: Embeddings,
    split: Split,
    seen: Csr,
    settings: EvaluateSettings,
    counted: Mapping[str, Counts] | None = None,
    refit: bool = True,
    categories: Csr | None = None,
    history_map: HistoryMap | None = None,
) -> Evaluation:
    """Every metric in every view, for the model and the baselines of ``contenders``.

    Args:
        embeddings: the model, trained on ``split.trained_on(refit)``.
        split: its validation part, where there is one, is left out of the lists like what was trained on.
        seen: CSR ``(n_users, n_items)``, everything rated at any rating.
        settings: lengths of lists, block size, seed.
        counted: what ``count_shard`` gave for the same arguments, of all shards, joined; None:
            counted here.
        refit: whether the validation part was trained on.
        categories: CSR ``(n_items, n_categories)``, which items are of which; None: not known, and
            nothing that needs them is measured.
        history_map: the model's own; None: learnt here.

    Raises:
        TrainingRefused: the embeddings hold NaN or infinities.
    """
    question = EvaluationTask.of_test(split, seen, categories)
    found: dict[str, Any] = {}
    per_user: dict[str, Arrays] = {}
    baselines = baselines_of(split, seen, settings, refit)
    for name, make in _scorers(embeddings, split.trained_on(refit), baselines, history_map):
        counts = counted[name] if counted else question.count(make(), settings)
        found[name], per_user[name] = measure(counts.ranking(question.parts), question, settings)
        log.info("%s %s", NAMES[name], _in_a_line(found[name]["test_served"]))
    model, ours = found.pop(MODEL), per_user.pop(MODEL)
    for name, baseline in baselines.measured.items():
        found[name] |= {"settings": baseline.settings} if baseline.settings else {}
    intervals = {name: _compared(ours, theirs, settings) for name, theirs in per_user.items()}
    whole = {**model, "baselines": found, "intervals": intervals}
    whole |= {
        "baselines_left_out": baselines.left_out,
        "standing": standing(whole),
        "findings": findings(whole),
    }
    if whole["standing"]:
        log.info("%s", whole["standing"]["sentence"])
    users = np.flatnonzero(np.diff(question.parts.test.indptr)).astype(np.int32)
    of_baselines = {
        f"{name}.{key}": values
        for name, theirs in per_user.items()
        for key, values in theirs.items()
    }
    trained = np.diff(question.parts.train.indptr)[users].astype(np.int32)
    of_users = {"users": users, "training_positives": trained}
    return Evaluation(whole, {**ours, **of_baselines, **of_users})


def count_shard(
    embeddings: Embeddings,
    split: Split,
    seen: Csr,
    settings: EvaluateSettings,
    shard: Shard,
    refit: bool = True,
    history_map: HistoryMap | None = None,
) -> dict[str, Counts]:
    """The costly part of ``evaluate_all`` for a shard of the users: counts by scorer.

    Baselines are chosen and fitted anew for each shard: they are allowed only where that takes seconds.

    Args:
        embeddings, split, seen, settings, refit, history_map: as for ``evaluate_all``.
        shard: which of the users.

    Raises:
        TrainingRefused: the embeddings hold NaN or infinities.
    """
    question = EvaluationTask.of_test(split, seen)
    baselines = baselines_of(split, seen, settings, refit)
    return {
        name: question.count(make(), settings, shard)
        for name, make in _scorers(embeddings, split.trained_on(refit), baselines, history_map)
    }


@dataclass(frozen=True, eq=False)
class EvaluationTask:
    """What is asked of every scorer alike."""

    parts: Parts
    masks: dict[str, NDArray[np.bool_]]
    train: Interactions
    lists: ListQuality

    @classmethod
    def of(
        cls,
        train: Interactions,
        test: Interactions,
        seen: Csr,
        unknown: Interactions | None = None,
        categories: Csr | None = None,
    ) -> "EvaluationTask":
        """The question whether what was trained on ``train`` finds ``test``; see ``Parts.of``."""
        parts = Parts.of(train, test, seen, unknown)
        lists = ListQuality.of(train, parts.test, categories)
        return cls(parts, slice_masks(parts, train, test), train, lists)

    @classmethod
    def of_test(cls, split: Split, seen: Csr, categories: Csr | None = None) -> "EvaluationTask":
        """The question of a run's evaluation: does what it trained on find the test part?"""
        return cls.of(split.train_and_validation(), split.test, seen, categories=categories)

    def count(self, scorer: Scorer, settings: EvaluateSettings, shard: Shard = WHOLE) -> Counts:
        """What a scorer's ranks are made of, for a shard of the users."""
        block = block_rows(settings, self.train.shape[1])
        length = max(lengths(settings))
        return count(scorer, self.parts, length, block, settings.threads, shard)


def measure_scorer(
    scorer: Scorer, question: EvaluationTask, settings: EvaluateSettings
) -> tuple[dict[str, Any], Arrays]:
    """``measure`` of what a scorer makes of the question."""
    ranking = question.count(scorer, settings).ranking(question.parts)
    return measure(ranking, question, settings)


def measure(
    ranking: Ranking, question: EvaluationTask, settings: EvaluateSettings
) -> tuple[dict[str, Any], Arrays]:
    """One scorer's views and slices as the manifest holds them, and its values for each test user."""
    per_user = {
        name: metrics.measure(view, lengths(settings)) for name, view in ranking.views.items()
    }
    summaries: dict[str, Any] = {name: _summary(values) for name, values in per_user.items()}
    summaries["test_served"] |= question.lists.measure(ranking.lists, lengths(settings))
    summaries["slices"] = slice_metrics(ranking, question.parts, question.masks)
    return summaries, {
        f"{view}.{metric}": values.astype(np.float32)
        for view, by_metric in per_user.items()
        if view != "train"
        for metric, values in by_metric.items()
    }


@dataclass(frozen=True, eq=False)
class Validator:
    """Scores a model as served on the validation part; knows nothing of the test part.

    The test part's items stay in the lists as if the user had never met them. From the same scores comes
    the metric on the training positives of the same users, with nothing left out, as in the view ``train``.

    Args:
        split, features, seen, settings: as for ``evaluate_all``.
        metric: one of ``TrainSettings.validate_on``.
        redraws: whether another validation part may be drawn: not where time decides what is held back.
    """

    split: Split
    features: Csr
    seen: Csr
    settings: EvaluateSettings
    metric: str = "ndcg_at_10"
    redraws: bool = True

    def __call__(self, model: Model, sums: SumPart | None = None) -> Scored:
        """The model's metric on the validation part and on what its users were trained on."""
        served = self._audience.served(with_biases(model, self.features), sums)
        block = block_rows(self.settings, self.split.train.shape[1])
        views = rank(served, self._parts, 0, block, self.settings.threads).views
        values = {
            name: metrics.measure(views[name], (5, 10))[self.metric]
            for name in ("test_served", "train")
            if len(views[name].users)
        }
        found, learnt = values["test_served"], values.get("train")
        train = None if learnt is None else float(learnt.mean())
        return Scored(float(found.mean()), train, found.astype(np.float32))

    def draw(self, number: int) -> Draw | None:
        """See ``Redraws``."""
        if not self.redraws:
            return None
        again = redrawn(self.split, number)
        return Draw(again.train, replace(self, split=again))

    @cached_property
    def _audience(self) -> Audience:
        return Audience.of(self.split.train)

    @cached_property
    def _parts(self) -> Parts:
        assert self.split.validation is not None
        asked = some_users(self.split.validation, self.settings.validation_users)
        train = self.split.train
        learnt = train.take(np.isin(train.row, asked.row)).positives()
        return replace(validation_parts(self.split, asked, self.seen), train=learnt.csr())


def validator(
    split: Split,
    features: Csr,
    seen: Csr,
    settings: EvaluateSettings,
    metric: str = "ndcg_at_10",
    redraws: bool = True,
) -> Validator:
    """What scores models on the validation part; the arguments are ``Validator``'s.

    Raises:
        ValueError: the split has no validation part.
    """
    if split.validation is None:
        raise ValueError("the split has no validation part")
    return Validator(split, features, seen, settings, metric, redraws)


def lengths(settings: EvaluateSettings) -> tuple[int, ...]:
    """Lengths of the list that are measured: those asked for, and 5 and 10."""
    return tuple(sorted({5, 10, *settings.ks}))


def _scorers(
    embeddings: Embeddings,
    train: Interactions,
    baselines: Baselines,
    history_map: HistoryMap | None,
) -> Iterator[tuple[str, Callable[[], Scorer]]]:
    """The model, then the baselines, each with what makes it, so that one is in memory at a time."""
    if not (np.isfinite(embeddings.users).all() and np.isfinite(embeddings.items).all()):
        raise TrainingRefused("the embeddings hold NaN or infinite values: nothing can be ranked")
    yield MODEL, lambda: Audience.of(train).served(embeddings, history_map)
    for name, baseline in baselines.measured.items():
        yield name, baseline.make


def _compared(ours: Arrays, theirs: Arrays, settings: EvaluateSettings) -> dict[str, Any]:
    """Paired intervals of the model over a baseline, as served."""
    if not len(ours["test_served.auc"]):
        return {}
    return {
        metric: paired(
            ours[f"test_served.{metric}"], theirs[f"test_served.{metric}"], settings.seed
        ).document()
        for metric in COMPARED
    }


def _summary(per_user: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Mean and standard error of each metric; of no users: nothing but their number."""
    n_users = len(per_user["auc"])
    if not n_users:
        return {"users": 0}
    means = {name: float(values.mean()) for name, values in per_user.items()}
    spare = min(1, n_users - 1)
    errors = {
        name: float(values.std(ddof=spare) / np.sqrt(n_users)) for name, values in per_user.items()
    }
    return {**means, "users": n_users, "standard_errors": errors}


def _in_a_line(served: Mapping[str, Any]) -> str:
    named = [f"{name} {served[name]:.4f}" for name in COMPARED if name in served]
    return f"as served over {served['users']} users: {', '.join(named)}"
