"""No fault at any request, and no kill at any step, breaks the champion or leaves half a version.

The whole table, every fault at every request, is in docs/fault-injection.md and made by
tests/support/fault_drill.py. Here each request suffers every kind of fault once, is the last one
that gets through, and is the one at which the publisher dies.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fault_drill import Drill, drill
from fault_proxy import KINDS, Fault

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.devstack.s3 import make_bucket

pytestmark = [pytest.mark.services, pytest.mark.slow("kill drills")]


@pytest.fixture(scope="module")
def held(s3: StoreAccess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    access = replace(s3, bucket="fault-drill")
    make_bucket(access)
    with drill(access, tmp_path_factory.mktemp("version")) as held:
        yield held
        held.assert_history()


@pytest.mark.parametrize("kind", KINDS)
def test_a_passing_fault_at_every_request_is_mended_by_retries(held: Drill, kind: str) -> None:
    assert held.strike(Fault(kind, at=0, each_once=True)) == "completed"


def some_of(held: Drill) -> list[int]:
    """Every third request, so that writing and reading back take turns, and all that promote."""
    n = len(held.requests)
    return sorted({*range(0, n, 3), *range(n - 8, n)})


def test_a_store_that_goes_away_at_any_request_leaves_the_champion_and_a_rerun_finishes(
    held: Drill,
) -> None:
    for at in some_of(held):
        assert held.strike(Fault("reset after the work is done", at, lasting=True)) != "completed"


def test_kill_9_at_any_step_leaves_the_champion_and_a_rerun_finishes(held: Drill) -> None:
    for at in some_of(held):
        held.kill(at, answered=at % 2 == 0)
