"""ridge-svd is EASE where it must be, one decomposition holds every width, and bytes repeat."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import svds

from recsys_tasks.config.settings import RidgeSvdSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation.baselines import popular_order
from recsys_tasks.evaluation.ease import fit_ease
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.matrices.parts import InMemory
from recsys_tasks.model.engines.gram import Gram, Rows
from recsys_tasks.model.engines.ridge_svd import decompose, ridge_svd, scaled_gram

PLAIN = RidgeSvdSettings(
    ridge=3.0, dropout=0, user_scale=0, constant=0, category_weight=0, item_factor=1
)
"""No pseudo-data, no scales: what EASE regresses."""


def history_of(users=300, items=40, seed=0, density=0.12):
    """Weights of 0.5 and 1, some items liked by many, some by few."""
    random = np.random.default_rng(seed)
    liked = random.random((users, items)) < density * random.uniform(0.2, 2, items)
    weights = np.where(random.random((users, items)) < 0.5, 0.5, 1)
    return sp.csr_matrix((liked * weights).astype(np.float32))


def no_categories(items):
    return sp.csr_matrix((items, 0), dtype=np.float32)


def two_categories(items):
    member = (np.arange(items)[:, None] % 2) == np.arange(2)
    return sp.csr_matrix(member.astype(np.float32))


def model_of(history, wanted, components, categories=None, threads=1):
    categories = no_categories(history.shape[1]) if categories is None else categories
    gram = scaled_gram(InMemory([history]), categories, wanted, threads)
    found = decompose(gram, wanted, components, seed=1)
    return ridge_svd(found, gram, wanted.model_copy(update={"components": components}))


def scores_of(model, history):
    return model.users(history) @ model.items.T


def test_at_full_rank_and_without_pseudo_data_it_is_ease():
    history = history_of()
    coo = history.tocoo()
    weight = coo.data.astype(np.float32)
    train = Interactions(
        history.shape, coo.row, coo.col, weight, weight == 1, np.zeros(len(weight), np.int64)
    )
    ease = fit_ease(train, PLAIN.ridge).scores(np.arange(300, dtype=np.int32))

    ours = scores_of(model_of(history, PLAIN, 41), history)

    outside = history.toarray() == 0
    np.testing.assert_allclose(ours[outside], ease[outside], atol=2e-5)


def test_singular_values_and_vectors_are_those_of_scipy():
    history = history_of(items=90)
    wanted = PLAIN.model_copy(update={"dropout": 1.0, "iterations": 60})
    gram = scaled_gram(InMemory([history]), no_categories(90), wanted)
    found = decompose(gram, wanted, 12, seed=1)

    scaled = history.toarray().astype(np.float64) * gram.scale[:-1]
    _, values, right = svds(scaled, k=12)
    order = np.argsort(-values)

    np.testing.assert_allclose(np.sqrt(found.values), values[order], rtol=1e-5)
    cosines = np.abs((right[order].T * found.vectors[:-1]).sum(axis=0))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)


def test_equal_bytes_whatever_the_number_of_threads_and_of_blocks(monkeypatch):
    history, wanted = history_of(items=150), RidgeSvdSettings()
    one = model_of(history, wanted, 70, two_categories(150))
    monkeypatch.setattr("recsys_tasks.model.engines.gram.ROWS", 7)
    two = model_of(history, wanted, 70, two_categories(150), threads=2)

    for name, array in vars(one).items():
        assert array.tobytes() == getattr(two, name).tobytes(), name
    assert one.users(history).tobytes() == two.users(history, threads=2).tobytes()


def test_a_decomposition_holds_every_smaller_one():
    history, wanted = history_of(), RidgeSvdSettings()
    gram = scaled_gram(InMemory([history]), two_categories(40), wanted)
    found = decompose(gram, wanted, 20, seed=1)

    wide, narrow = (
        ridge_svd(found, gram, wanted.model_copy(update={"components": width})) for width in (20, 8)
    )

    assert (wide.items[:, :8] == narrow.items).all()
    assert (wide.base[:8] == narrow.base).all()
    assert (wide.users(history)[:, :8] == narrow.users(history)).all()


@settings(max_examples=20, deadline=None)
@given(first=st.sets(st.integers(0, 39)), second=st.sets(st.integers(0, 39)))
def test_a_users_vector_is_linear_in_the_history(first, second):
    model = LINEAR
    rows = np.zeros((3, 40), np.float32)
    rows[0, sorted(first)] = 1
    rows[1, sorted(second)] = 0.5
    rows[2] = rows[0] + rows[1]

    one, other, both = model.users(sp.csr_matrix(rows))

    np.testing.assert_allclose(both, one + other - model.base, atol=1e-4)


LINEAR = model_of(history_of(), RidgeSvdSettings(ridge=5), 20)


def test_without_history_the_most_popular_items_lead():
    random = np.random.default_rng(4)
    liked = random.random((2000, 30)) < np.linspace(0.02, 0.4, 30)
    history = sp.csr_matrix(liked.astype(np.float32))
    model = model_of(history, RidgeSvdSettings(), 20)

    found = np.argsort(-scores_of(model, sp.csr_matrix((1, 30), dtype=np.float32))[0])

    counts = Interactions(
        history.shape,
        *(part.astype(np.int32) for part in liked.nonzero()),
        *(np.ones(liked.sum(), kind) for kind in (np.float32, np.bool_, np.int64)),
    )
    assert set(found[:10]) == set(popular_order(counts)[:10])
    assert np.corrcoef(np.argsort(found), np.argsort(popular_order(counts)))[0, 1] > 0.97


def test_a_user_without_interactions_changes_nothing():
    history, wanted = history_of(), RidgeSvdSettings()
    more = sp.vstack([history, sp.csr_matrix((50, 40), dtype=np.float32)]).tocsr()

    assert (model_of(history, wanted, 10).items == model_of(more, wanted, 10).items).all()


def test_an_item_that_nobody_liked_is_placed_by_its_categories():
    random = np.random.default_rng(3)
    group = np.arange(400) % 2
    likes = random.random((400, 40)) < np.where(group[:, None] == np.arange(40) % 2, 0.4, 0.02)
    likes[:, 38:] = False
    history = sp.csr_matrix(likes.astype(np.float32))
    model = model_of(history, RidgeSvdSettings(), 20, two_categories(40))

    scores = scores_of(model, history)

    assert scores[group == 0, 38].mean() > scores[group == 1, 38].mean()
    assert scores[group == 1, 39].mean() > scores[group == 0, 39].mean()
    assert not model_of(history, RidgeSvdSettings(), 20).items[38:].any()


def test_more_components_than_the_data_have_are_zero():
    history = history_of(users=6, items=40)
    model = model_of(history, PLAIN, 30)

    assert np.isfinite(model.items).all()
    assert (
        np.abs(scores_of(model, history) - scores_of(model_of(history, PLAIN, 6), history)).max()
        < 1e-4
    )


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0, -1.0])
def test_weights_that_are_no_weights_are_refused(weight):
    history = history_of()
    history.data[3] = weight

    with pytest.raises(TrainingRefused, match="finite and above 0"):
        scaled_gram(InMemory([history]), no_categories(40), PLAIN)


def test_nothing_to_train_on_is_refused():
    with pytest.raises(TrainingRefused, match="no positive interactions"):
        scaled_gram(InMemory([sp.csr_matrix((5, 40), dtype=np.float32)]), no_categories(40), PLAIN)


def test_a_product_with_the_gram_matrix_is_what_numpy_makes_of_it():
    history = history_of(items=70)
    squares = np.random.default_rng(1).uniform(0, 2, 300).astype(np.float32)
    scale = np.random.default_rng(2).uniform(0, 2, 71).astype(np.float32)
    block = np.random.default_rng(3).standard_normal((71, 100), dtype=np.float32)
    rows = np.column_stack([history.toarray(), np.full(300, 0.3)]) * np.sqrt(squares)[:, None]
    a = rows * scale

    first, last = Rows(history[:120], 0.3, squares[:120]), Rows(history[120:], 0.3, squares[120:])
    found = Gram(InMemory([first]), last, scale, threads=2).times(block)

    np.testing.assert_allclose(found, a.T @ a @ block, rtol=1e-4, atol=1e-3)


def cut(history, ends):
    return InMemory(
        [history[a:b] for a, b in zip([0, *ends], [*ends, history.shape[0]], strict=True)]
    )


@given(st.lists(st.integers(0, 300), max_size=4))
@settings(max_examples=10, deadline=None)
def test_parts_change_the_model_by_rounding_alone_and_threads_by_nothing(ends):
    history, wanted, categories = history_of(), RidgeSvdSettings(), two_categories(40)
    parts = cut(history, sorted(ends))

    def model(parts, threads):
        gram = scaled_gram(parts, categories, wanted, threads)
        return ridge_svd(decompose(gram, wanted, 12, seed=1), gram, wanted)

    whole, alone, threaded = model(cut(history, []), 1), model(parts, 1), model(parts, 3)
    np.testing.assert_allclose(scores_of(alone, history), scores_of(whole, history), atol=1e-4)
    for name, array in vars(alone).items():
        assert array.tobytes() == vars(threaded)[name].tobytes()
