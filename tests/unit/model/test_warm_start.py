"""Going on from an earlier model: each row is where its id is."""

import logging

import numpy as np
import pytest

from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.model.fit import fit
from recsys_tasks.model.warm_start import NamedModel, carry_over


@pytest.fixture
def previous(fitted):
    n_features = fitted.features.shape[1]
    names = tuple(f"f{n}" for n in range(n_features))
    return NamedModel(
        fitted.model, IdMap(np.arange(len(fitted.model.user_biases), dtype=np.int64) * 2), names
    )


def test_the_same_ids_carry_over_everything(fitted, previous):
    carried = carry_over(previous, previous.users, previous.features, fitted.settings)
    for name, array in fitted.model.to_arrays().items():
        assert np.array_equal(carried.to_arrays()[name], array)


def test_rows_follow_their_ids_strangers_are_fresh_and_the_gone_are_dropped(fitted, previous):
    users = IdMap(np.array([0, 3, 10], dtype=np.int64))
    features = ("f7", "genre:new", "f2")
    carried = carry_over(previous, users, features, fitted.settings)
    old = fitted.model
    assert np.array_equal(carried.user_embeddings[[0, 2]], old.user_embeddings[[0, 5]])
    assert np.array_equal(carried.feature_biases, [old.feature_biases[7], 0, old.feature_biases[2]])
    assert np.array_equal(
        carried.feature_embedding_gradients[[0, 2]], old.feature_embedding_gradients[[7, 2]]
    )
    assert (carried.user_embedding_gradients[1] == 1).all()
    assert 0 < np.abs(carried.user_embeddings[1]).max() <= 0.5 / 16


def test_the_same_seed_makes_the_same_strangers(fitted, previous):
    users = IdMap(np.array([1, 3], dtype=np.int64))
    once, again = (carry_over(previous, users, ("x",), fitted.settings) for _ in range(2))
    assert np.array_equal(once.user_embeddings, again.user_embeddings)


def test_another_width_starts_afresh_and_says_so(fitted, previous, caplog):
    wider = fitted.settings.model_copy(update={"components": 32})
    with caplog.at_level(logging.WARNING):
        assert carry_over(previous, previous.users, previous.features, wider) is None
    assert "16 components, not 32" in caplog.text


def test_a_fit_goes_on_from_what_was_carried_over(fitted, previous):
    """Lightfm's own second call does the same, its random stream apart."""
    start = carry_over(previous, previous.users, previous.features, fitted.settings)
    once = fitted.settings.model_copy(update={"epochs": 1})
    cold = fit(fitted.split.train, fitted.features, once).model
    warm = fit(fitted.split.train, fitted.features, once, start=start).model

    def moved(model):
        return np.abs(model.user_embeddings - fitted.model.user_embeddings).mean()

    assert moved(warm) < moved(cold) / 2
    assert (warm.user_embedding_gradients >= fitted.model.user_embedding_gradients).all()
