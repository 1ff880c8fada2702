"""annoy follows any number that it finds in a file, so files that would lead it astray are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_tasks.artifacts.ann_index import Metric
from recsys_tasks.artifacts.annoy_file import Layout, check_annoy_file
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.publish.index import build_index

N, C, TREES = 700, 6, 5


@pytest.fixture(scope="module", params=["angular", "dot"])
def metric(request: pytest.FixtureRequest) -> Metric:
    return request.param


@pytest.fixture(scope="module")
def index(metric: Metric, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    rng = np.random.default_rng(3)
    items = np.column_stack([rng.normal(size=(N, C)), np.ones(N), rng.normal(size=N)])
    users = np.column_stack([rng.normal(size=(9, C)), np.zeros(9), np.ones(9)])
    path = tmp_path_factory.mktemp(metric) / "items.ann"
    built = build_index(
        path, items.astype(np.float32), users.astype(np.float32), metric=metric, trees=TREES
    )
    return path, built.facts.width


def nodes_of(path: Path, metric: Metric, width: int) -> np.memmap:
    words = Layout.of(metric, width).words
    return np.memmap(path, "<i4", "r+").reshape(-1, words)


def test_what_annoy_wrote_passes(index: tuple[Path, int], metric: Metric) -> None:
    check_annoy_file(index[0], metric, index[1], N, TREES)


@pytest.mark.parametrize("n_items", [1, 2, 5, 9, 30])
def test_what_annoy_wrote_of_a_tiny_catalogue_passes(
    tmp_path: Path, metric: Metric, n_items: int
) -> None:
    rng = np.random.default_rng(n_items)
    items = rng.normal(size=(n_items, 5)).astype(np.float32)
    facts = build_index(tmp_path / "a", items, items, metric=metric, trees=4).facts
    check_annoy_file(tmp_path / "a", metric, facts.width, n_items, 4)


@pytest.mark.parametrize(
    ("cut", "n_items", "trees"),
    [
        (5, N, TREES),
        ("node", N, TREES + 1),
        (0, N - 1, TREES),
        (0, N + 1, TREES),
        (0, N, TREES + 2),
    ],
    ids=["part of a node cut", "node cut", "fewer items", "more items", "more trees"],
)
def test_another_size_or_count_is_refused(
    index: tuple[Path, int],
    metric: Metric,
    tmp_path: Path,
    cut: int | str,
    n_items: int,
    trees: int,
) -> None:
    content = index[0].read_bytes()
    cut = 4 * Layout.of(metric, index[1]).words if cut == "node" else cut
    (tmp_path / "a").write_bytes(content[: len(content) - int(cut)])
    with pytest.raises(ArtifactRefused, match=r"items\.ann"):
        check_annoy_file(tmp_path / "a", metric, index[1], n_items, trees)


@pytest.mark.parametrize("reference", [-1, 2**31 - 1, "itself", "its parent"])
def test_a_child_that_leads_outside_or_in_a_circle_is_refused(
    index: tuple[Path, int], metric: Metric, tmp_path: Path, reference: int | str
) -> None:
    path = Path(shutil.copy(index[0], tmp_path / "a"))
    nodes = nodes_of(path, metric, index[1])
    inner = int(np.flatnonzero(nodes[:, 0] > Layout.of(metric, index[1]).bucket)[0])
    nodes[inner, 1] = {"itself": inner, "its parent": inner + 1}.get(str(reference), reference)
    nodes.flush()
    with pytest.raises(ArtifactRefused, match="outside"):
        check_annoy_file(path, metric, index[1], N, TREES)


@pytest.mark.parametrize(("word", "value"), [(0, 0), (0, -3), (0, N + 1), (1, N), (1, -1)])
def test_a_bucket_of_no_items_or_of_items_that_are_not_is_refused(
    index: tuple[Path, int], metric: Metric, tmp_path: Path, word: int, value: int
) -> None:
    path = Path(shutil.copy(index[0], tmp_path / "a"))
    nodes = nodes_of(path, metric, index[1])
    counts, bucket = nodes[N:, 0], Layout.of(metric, index[1]).bucket
    nodes[N + int(np.flatnonzero(counts <= bucket)[0]), word] = value
    nodes.flush()
    with pytest.raises(ArtifactRefused):
        check_annoy_file(path, metric, index[1], N, TREES)


@given(st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_passes_can_be_searched(
    index: tuple[Path, int], metric: Metric, tmp_path: Path, data: st.DataObject
) -> None:
    """Bent at random where structure lies; a crash here would end the whole test run."""
    from annoy import AnnoyIndex

    path = tmp_path / "bent.ann"
    path.unlink(missing_ok=True)
    shutil.copy(index[0], path)
    nodes = nodes_of(path, metric, index[1])
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(nodes) - 1))
        nodes[row, data.draw(st.integers(0, 4))] = data.draw(st.integers(-2, len(nodes) + 1))
    nodes.flush()
    try:
        check_annoy_file(path, metric, index[1], N, TREES)
    except ArtifactRefused:
        return
    searched = AnnoyIndex(index[1], metric)
    searched.load(str(path))
    assert len(searched.get_nns_by_vector([1.0] * index[1], 10, 100_000)) <= N
