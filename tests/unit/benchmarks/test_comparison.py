"""`python -m benchmarks compare` runs every step both ways and finds equal what is claimed equal; no times here."""

from pathlib import Path

import pytest

from benchmarks.compare import table
from benchmarks.comparison import Bench, Step
from benchmarks.cost import Cost, cost_of
from benchmarks.generate import generate

NAMES = [
    "load_ratings",
    "read_pairs",
    "build_interactions",
    "item_features",
    "split",
    "warp_epoch",
    "ridge_svd_fit",
    "evaluate",
    "build_index",
    "query",
    "end_to_end",
]


@pytest.mark.services
@pytest.mark.slow("bench")
def test_every_step_runs_both_ways_and_what_is_claimed_equal_is(
    database_url: str, tmp_path: Path
) -> None:
    generate(0.001, 1, tmp_path)
    steps = list(Bench(database_url, tmp_path, trees=2).steps())
    assert [step.name for step in steps] == NAMES
    assert [step.name for step in steps if step.equal] == [*NAMES[:6], "evaluate"]
    assert all(step.article.seconds > 0 and step.ours.seconds > 0 for step in steps)


def test_a_step_that_differs_stands_out_in_the_table() -> None:
    step = Step("split", Cost(2.0, 10, 2.0), Cost(0.5, 10, 0.4), equal=False, notes=("a note",))
    assert step.document()["ratio"] == 4
    assert "NO" in table([step])
    assert table([step]).endswith("split: a note")


def test_the_cost_of_work_comes_with_its_result() -> None:
    result, cost = cost_of(lambda: bytes(50_000_000).count(0))
    assert result == 50_000_000
    assert cost.seconds > 0
    assert cost.peak_mb == 0 or cost.peak_mb > 50
