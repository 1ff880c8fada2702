"""Our numbers are LightFM's where it has them, and hold together where it has none."""

import json
import logging
import re

import numpy as np
import pytest
import scipy.sparse as sp
from lightfm import evaluation as reference

from recsys_tasks.config.metric_names import metric_names
from recsys_tasks.config.settings import EvaluateSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.baselines import popular, popular_order, random_order
from recsys_tasks.evaluation.evaluate import evaluate_all, validator
from recsys_tasks.evaluation.ranking import NOBODY, Parts, rank
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.matrices.split import Split
from recsys_tasks.model.representations import Embeddings, embedding_facts, with_biases

SETTINGS = EvaluateSettings(ks=(5, 10))


@pytest.fixture(scope="module")
def ranking(fitted):
    parts = Parts.of(fitted.split.train, fitted.split.test, fitted.seen)
    return rank(with_biases(fitted.model, fitted.features), parts, list_length=10, block=100)


@pytest.fixture(scope="module")
def evaluation(fitted):
    embeddings = with_biases(fitted.model, fitted.features)
    return evaluate_all(embeddings, fitted.split, fitted.seen, SETTINGS)


@pytest.mark.parametrize(
    ("view", "part", "left_out"),
    [("test", "test", "train"), ("test_unmasked", "test", None), ("train", "train", None)],
)
def test_every_metric_that_lightfm_has_equals_lightfms(fitted, ranking, view, part, left_out):
    given = {"item_features": fitted.features}
    if left_out:
        given["train_interactions"] = getattr(fitted.split, left_out).csr()
    asked, ranks = getattr(fitted.split, part).csr(), ranking.views[view]
    for ours, theirs in [
        (
            metrics.precision_at_k(ranks, 5),
            reference.precision_at_k(fitted.lightfm, asked, k=5, **given),
        ),
        (
            metrics.recall_at_k(ranks, 10),
            reference.recall_at_k(fitted.lightfm, asked, k=10, **given),
        ),
        (metrics.reciprocal_rank(ranks), reference.reciprocal_rank(fitted.lightfm, asked, **given)),
        (metrics.auc(ranks), reference.auc_score(fitted.lightfm, asked, **given)),
    ]:
        assert ours.shape == theirs.shape
        assert ours.mean() == pytest.approx(theirs.mean(), abs=1e-5)
        assert np.mean(np.abs(ours - theirs) > 1e-4) < 0.01  # a near tie rounds the other way


def test_as_served_equals_lightfm_told_to_leave_out_everything_rated(fitted, ranking):
    test = fitted.split.test.csr()
    seen_not_tested = fitted.seen.astype(np.float32) - test
    seen_not_tested.eliminate_zeros()
    theirs = reference.precision_at_k(
        fitted.lightfm, test, seen_not_tested, k=5, item_features=fitted.features
    )
    ours = metrics.precision_at_k(ranking.views["test_served"], 5)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=1e-5)


def test_blocks_do_not_change_a_rank(fitted, ranking):
    parts = Parts.of(fitted.split.train, fitted.split.test, fitted.seen)
    embeddings = with_biases(fitted.model, fitted.features)
    other = rank(embeddings, parts, list_length=10, block=7)
    for view, ranks in ranking.views.items():
        differ = np.mean(ranks.values != other.views[view].values)
        assert differ < 0.001  # BLAS may sum another block's shape in another order


def test_a_long_ranking_shows_its_progress_ten_times(fitted, caplog):
    parts = Parts.of(fitted.split.train, fitted.split.test, fitted.seen)
    with caplog.at_level(logging.INFO):
        rank(random_order(fitted.split.train.shape, 1), parts, block=2)
    assert len(caplog.messages) == 10
    assert caplog.messages[-1] == "ranked 322 of 322 blocks of 2 users"


def test_threads_do_not_change_a_rank(fitted):
    parts = Parts.of(fitted.split.train, fitted.split.test, fitted.seen)
    embeddings = with_biases(fitted.model, fitted.features)
    one, two = (rank(embeddings, parts, block=50, threads=n) for n in (1, 2))
    assert np.array_equal(one.lists, two.lists)
    assert all(np.array_equal(one.views[v].values, two.views[v].values) for v in one.views)


def test_lists_hold_only_what_a_consumer_may_show(fitted, ranking):
    rated_not_tested = fitted.seen.toarray() - fitted.split.test.csr().toarray()
    users = ranking.views["test_served"].users
    assert not rated_not_tested[users[:, None], ranking.lists].any()


def test_the_first_places_of_the_lists_are_the_hits_of_the_ranks(fitted, ranking):
    test = fitted.split.test.csr().toarray()
    users = ranking.views["test_served"].users
    hits = test[users[:, None], ranking.lists[:, :5]].sum(axis=1) / 5
    assert hits == pytest.approx(metrics.precision_at_k(ranking.views["test_served"], 5))


def test_the_popular_list_scores_as_its_order_does(fitted):
    train = fitted.split.train
    scores = popular(train).scores(np.array([0], dtype=np.int32))[0]
    assert np.array_equal(np.argsort(-scores), popular_order(train))
    counts = np.bincount(train.col, minlength=train.shape[1])
    assert (np.diff(counts[popular_order(train)]) <= 0).all()


def test_random_order_is_a_coin_for_auc_and_repeats_itself(fitted):
    parts = Parts.of(fitted.split.train, fitted.split.test, fitted.seen)
    once = rank(random_order(fitted.split.train.shape, 1), parts).views["test"]
    again = rank(random_order(fitted.split.train.shape, 1), parts).views["test"]
    assert np.array_equal(once.values, again.values)
    assert metrics.auc(once).mean() == pytest.approx(0.5, abs=0.03)


def test_the_document_has_the_manifests_keys_and_is_plain_json(evaluation):
    assert json.loads(json.dumps(evaluation.metrics, allow_nan=False)) == evaluation.metrics
    named = {"precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc", "users"}
    views = {"test_served", "test", "test_unmasked", "train"}
    beside = {"baselines", "baselines_left_out", "slices", "intervals", "standing", "findings"}
    assert views | beside == set(evaluation.metrics)
    for scorer in (evaluation.metrics, *evaluation.metrics["baselines"].values()):
        assert all(named <= set(scorer[view]) for view in views)


def test_per_user_values_average_to_the_documents(evaluation):
    for prefix, scorer in [("", evaluation.metrics)] + [
        (f"{name}.", found) for name, found in evaluation.metrics["baselines"].items()
    ]:
        values = evaluation.per_user[f"{prefix}test_served.ndcg_at_10"]
        assert len(values) == len(evaluation.per_user["users"])
        assert values.mean() == pytest.approx(scorer["test_served"]["ndcg_at_10"], rel=1e-5)


def test_validation_knows_nothing_of_the_test_part():
    """A test item stays in the list even if it is rated: leaving it out would tell where it is."""
    one = np.ones(1, dtype=np.int32)

    def alone(item):
        return Interactions(
            (1, 3),
            one * 0,
            one * item,
            one.astype(np.float32),
            one.astype(bool),
            one.astype(np.int64),
        )

    seen = sp.csr_matrix(np.array([[1, 1, 1]], dtype=np.int8))
    parts = Parts.of(alone(0), alone(1), seen, unknown=alone(2))
    scorer = Embeddings(
        np.ones((1, 1), dtype=np.float32), np.array([[3], [1], [2]], dtype=np.float32)
    )
    assert rank(scorer, parts).views["test_served"].values.tolist() == [1]


def test_a_validator_needs_a_validation_part(fitted):
    with pytest.raises(ValueError, match="no validation part"):
        validator(fitted.split, fitted.features, fitted.seen, SETTINGS)


def test_a_validator_also_scores_what_the_asked_users_were_trained_on(fitted):
    half = np.arange(len(fitted.split.test)) % 2 == 0
    parts = Split(fitted.split.train, fitted.split.test.take(half), fitted.split.test.take(~half))
    scored = validator(parts, fitted.features, fitted.seen, SETTINGS, "precision_at_5")(
        fitted.model
    )
    asked = np.isin(parts.train.row, parts.validation.row)
    theirs = reference.precision_at_k(
        fitted.lightfm, parts.train.take(asked).csr(), k=5, item_features=fitted.features
    )
    assert 0 < asked.sum() < len(parts.train)
    assert scored.train == pytest.approx(theirs.mean(), abs=1e-5)
    assert 0 < scored.validation < scored.train


def test_fewer_items_than_places_leave_places_empty(fitted):
    one = np.ones(1, dtype=np.int32)
    alone = Interactions(
        (1, 2), one * 0, one * 0, one.astype(np.float32), one.astype(bool), one.astype(np.int64)
    )
    parts = Parts.of(alone, alone.take(np.array([], dtype=np.intp)), sp.csr_matrix((1, 2)))
    assert rank(random_order((1, 2), 1), parts).lists.shape == (0, 10)
    parts = Parts.of(alone.take(np.array([], dtype=np.intp)), alone, sp.csr_matrix((1, 2)))
    lists = rank(random_order((1, 2), 1), parts).lists
    assert sorted(lists[0, :2].tolist()) == [0, 1]
    assert (lists[0, 2:] == NOBODY).all()


def test_embeddings_with_a_nan_are_refused(fitted):
    embeddings = with_biases(fitted.model, fitted.features)
    embeddings.items[3, 2] = np.nan
    with pytest.raises(TrainingRefused, match="NaN"):
        evaluate_all(embeddings, fitted.split, fitted.seen, SETTINGS)
    assert embedding_facts(embeddings)["finite"] == 0


def test_collapsed_vectors_have_no_effective_rank(fitted):
    healthy = with_biases(fitted.model, fitted.features)
    assert embedding_facts(healthy)["effective_rank"] > 4
    same = Embeddings(healthy.users, np.repeat(healthy.items[:1], 50, axis=0))
    assert embedding_facts(same)["effective_rank"] == 0


def numbers(tree, prefix=""):
    """The dotted path of every number."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}"


def test_every_number_has_a_name_that_a_rule_of_the_gate_may_use_and_no_other_name_is_known(
    evaluation,
):
    measured = {
        name
        for name in numbers(evaluation.metrics)
        if not re.match(r"baselines\.\w+\.(settings|slices)\.", name)
    }
    known = set(metric_names(SETTINGS.ks))
    assert measured <= known
    missing = {name for name in known - measured if not name.startswith(("champion.", "anchor."))}
    absent = {"baselines." + name for name in evaluation.metrics["baselines_left_out"]}
    assert {
        name
        for name in missing
        if not name.startswith(tuple(absent))
        and not name.startswith("slices.")  # of empty slices
        and "miscalibration" not in name  # without categories
        and "intra_list_similarity" not in name
        and not name.startswith(tuple(one.replace("baselines", "intervals") for one in absent))
    } == set()
