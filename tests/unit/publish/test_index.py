"""The index orders items as the scores do, repeats itself byte for byte, and knows its own recall."""

from pathlib import Path

import numpy as np
import pytest
from annoy import AnnoyIndex
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_tasks.artifacts.ann_index import (
    Metric,
    annoy_format,
    index_queries,
    index_query,
    index_rows,
)
from recsys_tasks.artifacts.manifest import SearchPoint
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.publish.index import TREES, _Attempt, build_index


def embeddings(seed: int, n_users: int, n_items: int, c: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors, biases = rng.normal(size=(n_users, c)), rng.normal(size=n_users)
    users = np.column_stack([vectors, biases, np.ones(n_users)]).astype(np.float32)
    lengths = rng.lognormal(size=(n_items, 1))
    rows = rng.normal(size=(n_items, c)) * lengths
    items = np.column_stack([rows, np.ones(n_items), rng.normal(size=n_items)]).astype(np.float32)
    return users, items


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 12))
@settings(max_examples=50)
def test_the_smallest_angle_is_the_largest_score(seed: int, n_items: int, c: int) -> None:
    users, items = embeddings(seed, 5, n_items, c)
    rows = index_rows(items, "angular").astype(np.float64)
    queries = index_queries(users, "angular").astype(np.float64)
    cosines = (queries @ rows.T) / np.linalg.norm(rows, axis=1)
    scores = users[:, [*range(c), -1]].astype(np.float64) @ items[:, [*range(c), -1]].T
    best = np.take_along_axis(scores, cosines.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert np.allclose(best, scores.max(axis=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("metric", ["angular", "dot"])
def test_a_query_for_one_user_is_a_row_of_the_queries_for_many(metric: Metric) -> None:
    users, _ = embeddings(3, 4, 1, 6)
    assert [index_query(user, metric) for user in users] == index_queries(users, metric).tolist()


def test_all_rows_of_an_angular_index_are_equally_long() -> None:
    _, items = embeddings(3, 1, 50, 6)
    lengths = np.linalg.norm(index_rows(items, "angular"), axis=1)
    assert np.allclose(lengths, lengths[0], rtol=1e-5)


@pytest.mark.parametrize("metric", ["angular", "dot"])
def test_the_same_seed_gives_the_same_bytes_and_facts(tmp_path: Path, metric: Metric) -> None:
    users, items = embeddings(5, 40, 500, 8)
    built = [
        build_index(tmp_path / name, items, users, metric=metric, trees=7, seed=11).facts
        for name in ("a.ann", "b.ann")
    ]
    assert built[0] == built[1]
    assert (tmp_path / "a.ann").read_bytes() == (tmp_path / "b.ann").read_bytes()


def test_search_k_is_the_least_measured_point_that_reaches_the_recall(tmp_path: Path) -> None:
    users, items = embeddings(5, 40, 2000, 8)
    facts = build_index(tmp_path / "a.ann", items, users, trees=10, min_recall=0.9).facts
    *before, chosen, twice, fourfold = facts.curve
    assert all(point.recall_at_10 < 0.9 for point in before)
    assert chosen.recall_at_10 == facts.recall_at_10 >= 0.9
    assert chosen.search_k == facts.search_k
    assert (twice.search_k, fourfold.search_k) == (2 * chosen.search_k, 4 * chosen.search_k)
    assert fourfold.recall_at_10 >= twice.recall_at_10 >= chosen.recall_at_10


def test_a_recall_out_of_reach_takes_the_best_point(tmp_path: Path) -> None:
    users, items = embeddings(5, 40, 2000, 8)
    facts = build_index(tmp_path / "a.ann", items, users, trees=1, search_k=50, min_recall=1).facts
    assert facts.search_k == 50
    assert facts.recall_at_10 < 1


@pytest.mark.parametrize("n_items", [1, 2, 7])
def test_a_catalogue_shorter_than_the_list_is_found_whole(tmp_path: Path, n_items: int) -> None:
    users, items = embeddings(5, 4, n_items, 8)
    assert build_index(tmp_path / "a.ann", items, users, trees=3).facts.recall_at_10 == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_never_reach_annoy(tmp_path: Path, value: float) -> None:
    users, items = embeddings(5, 4, 20, 8)
    items[3, 2] = value
    with pytest.raises(ArtifactRefused, match="NaN or infinity"):
        build_index(tmp_path / "a.ann", items, users)


def test_a_format_repeats_itself_and_differs_between_metrics_and_widths() -> None:
    formats = {annoy_format(m, w) for m in ("angular", "dot") for w in (10, 66) for _ in range(3)}
    assert len(formats) == 4


def test_trees_left_to_the_build_need_no_more_nodes_than_any_fewer(tmp_path: Path) -> None:
    users, items = embeddings(5, 60, 3000, 8)
    chosen = build_index(tmp_path / "a.ann", items, users, trees=0).facts
    fewer = [
        build_index(tmp_path / "b.ann", items, users, trees=trees).facts.search_k
        for trees in TREES
        if trees < chosen.trees
    ]
    assert chosen.trees in TREES
    assert all(chosen.search_k < search_k for search_k in fewer)
    again = build_index(tmp_path / "c.ann", items, users, trees=0).facts
    assert again == chosen
    assert (tmp_path / "c.ann").read_bytes() == (tmp_path / "a.ann").read_bytes()


def test_a_recall_in_reach_beats_any_out_of_reach_then_nodes_and_then_recall_decide() -> None:
    def cost(search_k: int, recall: float) -> tuple[bool, float]:
        point = SearchPoint(search_k=search_k, recall_at_10=recall)
        return _Attempt(10, None, [point], (0.1,), point, 0.98).cost

    assert cost(900, 0.98) < cost(1000, 1.0) < cost(100, 0.97) < cost(100, 0.96)


def test_an_index_is_timed_beside_exact_search(tmp_path: Path) -> None:
    users, items = embeddings(5, 3, 50, 8)
    assert build_index(tmp_path / "a.ann", items, users, trees=3).times_scan > 0


def heavy_tailed(n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Items of which a few are a hundred times as long as most, as ridge-svd gives them."""
    users, items = embeddings(5, 60, n_items, 32)
    lengths = np.random.default_rng(1).lognormal(sigma=2.0, size=(n_items, 1))
    items[:, :-2] *= lengths.astype(np.float32)
    return users, items


def test_exact_search_serves_where_annoy_finds_too_few(tmp_path: Path) -> None:
    users, items = heavy_tailed(4000)
    facts = build_index(tmp_path / "a.ann", items, users, trees=5, large=1000).facts
    assert facts.search == "exact"
    assert facts.exact is not None
    assert facts.recall_at_10 < 0.98 <= facts.exact.recall_at_10 == facts.served_recall == 1
    assert 0 < facts.exact.looked_at < 0.5
    assert max(point.search_k for point in facts.curve) <= 400
    assert (tmp_path / "a.ann").exists()


def test_annoy_serves_where_it_finds_enough_or_the_catalogue_is_small(tmp_path: Path) -> None:
    users, items = heavy_tailed(4000)
    small = build_index(tmp_path / "a.ann", items, users, trees=5).facts
    easy = build_index(tmp_path / "b.ann", items, users, trees=5, large=1000, min_recall=0.01).facts
    for facts in (small, easy):
        assert facts.search == "annoy"
        assert facts.served_recall == facts.recall_at_10


def test_equal_scores_count_as_found(tmp_path: Path) -> None:
    users, _ = embeddings(5, 20, 1, 4)
    items = np.ones((50, 6), np.float32)
    facts = build_index(tmp_path / "a.ann", items, users, trees=2).facts
    assert facts.exact is not None
    assert facts.exact.recall_at_10 == 1


def test_recall_is_of_what_is_served_so_seen_items_are_left_out(tmp_path: Path) -> None:
    users, items = embeddings(5, 40, 3000, 8)
    scores = np.delete(users, -2, axis=1) @ np.delete(items, -2, axis=1).T
    best_first = np.argsort(-scores, axis=1)
    fixed = {"trees": 10, "search_k": 30, "min_recall": 0.01}
    shallow = build_index(tmp_path / "a.ann", items, users, **fixed).facts
    seen = [row[:400] for row in best_first]
    deep = build_index(tmp_path / "b.ann", items, users, seen=seen, **fixed).facts
    index = AnnoyIndex(deep.width, "angular")
    index.load(str(tmp_path / "b.ann"))
    served = []
    for query, order, rated in zip(index_queries(users, "angular"), best_first, seen, strict=True):
        near = index.get_nns_by_vector(query, 415, 30 + 3 * 405)
        left = [row for row in near if row not in set(rated)][:15]
        served.append(len(set(sorted(left, key=list(order).index)[:10]) & set(order[400:410])))
    assert deep.recall_at_10 == pytest.approx(np.mean(served) / 10)
    assert deep.recall_at_10 != shallow.recall_at_10
    assert deep.exact is not None
    assert deep.exact.recall_at_10 == 1


def test_a_user_who_has_rated_everything_wants_nothing(tmp_path: Path) -> None:
    users, items = embeddings(5, 2, 30, 8)
    seen = [np.arange(30), np.arange(25)]
    facts = build_index(tmp_path / "a.ann", items, users, seen=seen, trees=3).facts
    assert facts.recall_at_10 == 1
    assert facts.exact is not None
    assert facts.exact.recall_at_10 == 1
