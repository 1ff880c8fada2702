"""iALS finds a stationary point of the loss that its docstring writes down."""

import numpy as np
from small_interactions import random_interactions

from recsys_tasks.evaluation.ials import IalsSettings, fit_ials


def loss_gradients(train, settings, users, items):
    """Gradients of the loss by every user and item vector, dense."""
    weights = train.weights().toarray().astype(np.float64)
    liked = (weights > 0).astype(np.float64)
    scores = users @ items.T
    inner = weights * (scores - liked) + settings.unobserved * scores
    of_users = liked.sum(axis=1) + settings.unobserved * len(items)
    of_items = liked.sum(axis=0) + settings.unobserved * len(users)
    return (
        inner @ items + settings.regularisation * of_users[:, None] * users,
        inner.T @ users + settings.regularisation * of_items[:, None] * items,
    )


def test_the_loss_cannot_be_made_smaller_by_any_vector():
    train, settings = random_interactions(40, 9), IalsSettings(0.1, 0.05)
    found = fit_ials(train, settings, seed=1, sweeps=300)
    users, items = found.users.astype(np.float64), found.items.astype(np.float64)
    for gradient in loss_gradients(train, settings, users, items):
        assert np.abs(gradient).max() < 1e-3
    assert np.abs(users @ items.T).max() > 0.1


def test_threads_do_not_change_a_byte():
    train = random_interactions(3000, 20)
    one, two = (fit_ials(train, IalsSettings(), seed=1, threads=n) for n in (1, 2))
    assert one.users.tobytes() == two.users.tobytes()
    assert one.items.tobytes() == two.items.tobytes()


def test_an_item_never_trained_on_has_no_vector():
    found = fit_ials(random_interactions(40, 9), IalsSettings(), seed=1)
    assert not found.items[-1].any()
    assert found.items[:-1].any(axis=1).all()
