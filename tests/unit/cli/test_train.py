"""What ``recsys train`` answers where a run ends without a champion."""

from datetime import UTC, datetime
from typing import Any

import pytest

from recsys_tasks.cli.train import _run
from recsys_tasks.errors import GateRejected, PublishConflict, RecsysError
from recsys_tasks.pipeline.run import Run

RUN = Run("tiny", "train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))


class Left:
    """Files of a run that came to its evaluation."""

    def has(self, name: str) -> bool:
        return name == "metrics.json"

    def get_json(self, name: str) -> Any:
        return {"test_served": {"precision_at_5": 0.1739}, "baselines": {}}


class EndingIn:
    """Steps that do nothing, one of which fails."""

    run = RUN
    files = Left()

    def __init__(self, step: str, error: RecsysError) -> None:
        self.step, self.error = step, error
        self.reported = False

    def __getattr__(self, name: str) -> Any:
        def step() -> None:
            if name == self.step:
                raise self.error

        return step

    def report(self) -> None:
        self.reported = True


@pytest.mark.parametrize(
    ("step", "error", "accepted"),
    [
        ("gate", GateRejected(("too low",)), False),
        ("promote", PublishConflict("compared with another champion"), True),
    ],
)
def test_a_run_that_does_not_become_champion_says_so_and_why(
    step: str, error: RecsysError, accepted: bool
) -> None:
    steps = EndingIn(step, error)
    answer = _run(steps)  # type: ignore[arg-type]
    assert answer.document == {
        "dataset": RUN.dataset,
        "version": RUN.version,
        "accepted": accepted,
        "promoted": False,
    }
    assert "0.1739" in answer.text
    assert (answer.exit_code, str(error) in answer.text, steps.reported) == (3, True, True)
