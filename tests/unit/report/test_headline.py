"""One sentence for everyone: the reason first, then what to do next."""

import pytest

from recsys_tasks.report.headline import headline


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (
            {
                "verdict": "rejected",
                "reason": "gate: the gate rejected the candidate: precision@5 is 0.01",
            },
            "Rejected: precision@5 is 0.01. The champion stays.",
        ),
        (
            {"verdict": "failed", "reason": "ingest: r.csv, line 3: no stars. Delete it; gate: x"},
            "Failed: r.csv, line 3: no stars. Delete it. Correct the file",
        ),
        (
            {"verdict": "failed", "reason": "train: did not finish; see the log"},
            "Failed: did not finish. Read the task's log",
        ),
        (
            {
                "verdict": "accepted",
                "reason": "",
                "metrics": {"precision_at_5": 0.1739, "popular_precision_at_5": 0.0954},
            },
            "Accepted: precision@5 is 0.174, the popular list 0.0954.",
        ),
        ({"verdict": "accepted", "reason": "", "metrics": {}}, "Accepted."),
    ],
)
def test_the_reason_comes_first_and_then_the_next_step(outcome, said) -> None:
    assert headline(outcome).startswith(said)
