"""The guard between the judged and the finalised model: what is compared, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_tasks.config.settings import GateSettings
from recsys_tasks.evaluation.finalised import NOBODY, FinalisedFound, compare_finalised, top_lists
from recsys_tasks.evaluation.gate import Verdict, with_finalised
from recsys_tasks.model.representations import Embeddings

USERS, ITEMS = 30, 40
EVERYONE = np.arange(USERS)


def embeddings(seed, components=6):
    rng = np.random.default_rng(seed)
    users = rng.standard_normal((USERS, components + 2)).astype(np.float32)
    items = rng.standard_normal((ITEMS, components + 2)).astype(np.float32)
    return Embeddings(users, items)


def seen(share, seed=1):
    return sp.random(USERS, ITEMS, share, "csr", rng=np.random.default_rng(seed), dtype=np.float32)


def names_of_failed(found, **bounds):
    verdict = with_finalised(Verdict(True, ()), found, GateSettings(**bounds))
    return {rule.name for rule in verdict.rules if not rule.passed}


def test_a_model_beside_itself_keeps_every_list_and_its_rank():
    found = compare_finalised(embeddings(1), embeddings(1), EVERYONE, seen(0.2))
    assert (found.finite, found.overlap, found.users) == (1.0, 1.0, USERS)
    assert found.rank_ratio == pytest.approx(1)
    assert not names_of_failed(found)


def test_another_model_keeps_as_much_as_chance_gives_and_is_refused():
    found = compare_finalised(embeddings(1), embeddings(2), EVERYONE, seen(0.0))
    assert found.overlap == pytest.approx(10 / ITEMS, abs=0.1)
    assert names_of_failed(found) == {"min_finalised_overlap"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_fail_every_rule(value):
    broken = embeddings(1)
    broken.items[3, 2] = value
    found = compare_finalised(embeddings(1), broken, EVERYONE, seen(0.2))
    expected = {"finite_finalised", "min_finalised_rank", "min_finalised_overlap"}
    assert names_of_failed(found) == expected


def test_a_collapsed_model_is_refused():
    flat = embeddings(1)
    flat.items[:, 1:-2] = 0
    found = compare_finalised(embeddings(1), flat, EVERYONE, seen(0.2))
    assert "min_finalised_rank" in names_of_failed(found)


def test_lists_hold_the_best_unseen_items_and_nothing_where_none_is_left():
    known = np.zeros((USERS, ITEMS), np.float32)
    known[0, :35] = 1
    lists = top_lists(embeddings(1), np.arange(2, dtype=np.int32), sp.csr_matrix(known), block=1)
    assert sorted(lists[0]) == [*[NOBODY] * 5, *range(35, 40)]
    scores = embeddings(1).scores(np.array([1], np.int32))[0]
    assert set(lists[1]) == set(np.argsort(-scores)[:10])


def test_rules_of_an_earlier_try_are_replaced():
    bad, good = FinalisedFound(1.0, 1.0, 0.0, 5), FinalisedFound(1.0, 1.0, 1.0, 5)
    once = with_finalised(Verdict(True, ()), bad, GateSettings())
    again = with_finalised(once, good, GateSettings())
    assert (once.accepted, again.accepted, len(again.rules)) == (False, True, 3)
