"""Example users and moved neighbours: what the report's lists are made of."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.evaluation.paired import ScoredVersion
from recsys_tasks.evaluation.served import BY_MODEL, Served
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.representations import Embeddings
from recsys_tasks.report import activity, examples
from recsys_tasks.report.activity import activity_facts
from recsys_tasks.report.examples import Titles, beside_champion, example_facts

N_USERS, N_ITEMS = 20, 40


def by_model(embeddings: Embeddings) -> Served:
    """A version that serves everyone by their own vector."""
    nobody = np.zeros((0, embeddings.items.shape[1]), dtype=np.float32)
    everyone = np.full(embeddings.n_users, BY_MODEL, dtype=np.int32)
    return Served(embeddings, everyone, nobody, np.zeros(embeddings.n_items, np.float32))


def version(seed: int, item_ids: Any = None, user_ids: Any = None) -> ScoredVersion:
    items = np.arange(N_ITEMS) * 3 if item_ids is None else item_ids
    users = np.arange(N_USERS) + 100 if user_ids is None else user_ids
    rng = np.random.default_rng(seed)
    return ScoredVersion(
        IdMap(users.astype(np.int64)),
        IdMap(items.astype(np.int64)),
        by_model(
            Embeddings(
                rng.normal(size=(len(users), 6)).astype(np.float32),
                rng.normal(size=(len(items), 6)).astype(np.float32),
            )
        ),
    )


def ratings(seed: int = 3) -> tuple[Interactions, Any]:
    """Liked pairs, and everything rated: the liked ones and as many others."""
    rated = sp.random(N_USERS, N_ITEMS, 0.4, "csr", rng=np.random.default_rng(seed))
    rows, cols = rated.nonzero()
    liked = np.arange(len(rows)) % 2 == 0
    n = int(liked.sum())
    return Interactions(
        shape=(N_USERS, N_ITEMS),
        row=rows[liked].astype(np.int32),
        col=cols[liked].astype(np.int32),
        weight=np.ones(n, np.float32),
        is_positive=np.arange(n) % 3 != 0,
        rated_at=np.arange(n, dtype=np.int64),
    ), rated


TITLES = Titles([f"Film {row}" for row in range(N_ITEMS)], [["Drama"]] * N_ITEMS)


def test_nobody_is_recommended_what_they_have_rated_now_or_by_the_champion() -> None:
    liked, seen = ratings()
    shown = example_facts(version(1), version(2), liked, seen, TITLES)["examples"]
    assert shown
    for user in shown:
        row = user["user_id"] - 100
        rated = {f"Film {item}" for item in seen[row].indices}
        for heading in ("recommended", "champion"):
            titles = [movie["title"] for movie in user[heading]]
            assert len(set(titles)) == len(titles) == examples.LISTED
            assert rated.isdisjoint(titles)


def test_a_list_is_the_best_by_score() -> None:
    liked, seen = ratings()
    candidate = version(1)
    user = example_facts(candidate, None, liked, seen, TITLES)["examples"][0]
    row = user["user_id"] - 100
    scores = candidate.embeddings.users[row] @ candidate.embeddings.items.T
    scores[seen[row].indices] = -np.inf
    expected = [f"Film {item}" for item in np.argsort(-scores)[: examples.LISTED]]
    assert [movie["title"] for movie in user["recommended"]] == expected
    assert "champion" not in user


def test_true_positives_come_before_weaker_ones_and_new_before_old() -> None:
    liked, seen = ratings()
    user = example_facts(version(1), None, liked, seen, TITLES)["examples"][-1]
    own = np.flatnonzero(liked.row == user["user_id"] - 100)
    key = {
        f"Film {liked.col[place]}": (not liked.is_positive[place], -liked.rated_at[place])
        for place in own
    }
    shown = [key[movie["title"]] for movie in user["liked"]]
    assert shown == sorted(key.values())[: examples.LIKED]


def test_a_champion_with_other_users_and_films_is_asked_for_what_it_knows() -> None:
    liked, seen = ratings()
    champion = version(2, item_ids=np.arange(30) * 6, user_ids=np.arange(3) + 500)
    facts = example_facts(version(1), champion, liked, seen, TITLES)
    assert all("champion" not in user for user in facts["examples"])
    assert all(
        int(name.removeprefix("Film ")) % 2 == 0
        for movie in facts["neighbours"]
        for name in (movie["title"], *movie["before"], *movie["now"])
    )


def test_neighbours_of_an_equal_champion_have_not_moved() -> None:
    liked, seen = ratings()
    assert example_facts(version(1), version(1), liked, seen, TITLES)["neighbours"] == []


def test_a_film_is_never_its_own_neighbour() -> None:
    liked, seen = ratings()
    moved = example_facts(version(1), version(2), liked, seen, TITLES)["neighbours"]
    assert moved
    assert all(movie["title"] not in movie["now"] + movie["before"] for movie in moved)


def test_of_nothing_liked_there_are_no_examples() -> None:
    liked, seen = ratings()
    nothing = liked.take(np.zeros(len(liked), dtype=bool))
    assert example_facts(version(1), None, nothing, seen, TITLES)["examples"] == []


def test_changes_are_those_of_facts_that_both_runs_have() -> None:
    manifest = {"version": "v1", "metrics": {}, "data": {"users": 3, "ratings": 10}}
    found = beside_champion(manifest, {"users": 4, "ratings": 10, "items": 2})
    assert found["changes"] == [
        {"name": "users", "before": 3, "now": 4},
        {"name": "ratings", "before": 10, "now": 10},
    ]


@given(ratings=hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_every_user_and_film_is_in_one_group_of_activity(ratings: Any) -> None:
    found = activity_facts(sp.csr_array(ratings.astype(np.float32)))
    assert sum(found["users"].values()) == ratings.shape[0]
    assert sum(found["items"].values()) == ratings.shape[1]
    assert found["items"].get("0", 0) == int((~ratings.any(axis=0)).sum())
    assert 0 <= found["top_tenth"] <= 1


def test_the_most_rated_tenth_holds_its_share_also_when_counted_in_blocks(monkeypatch: Any) -> None:
    ratings = np.zeros((12, 10), np.float32)
    ratings[:, 3] = 1
    ratings[:4, 5] = 1
    monkeypatch.setattr(activity, "BLOCK", 3)
    found = activity_facts(sp.csr_array(ratings))
    assert found["top_tenth"] == 12 / 16
    assert found["items"] == {"0": 8, "1-4": 1, "5-19": 1}
