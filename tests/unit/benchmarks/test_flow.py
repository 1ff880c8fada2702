"""``python -m benchmarks flow`` measures every step of a run in a process of its own."""

import json

import pytest

from benchmarks.__main__ import main


def test_the_steps_are_told_with_their_seconds_and_peaks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["flow", "--scale", "0.0002", "--only", "ingest", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scale"] == 0.0002
    names = [step["name"] for step in found["steps"]]
    assert names == ["migrate", "ingest"]
    assert all(step["seconds"] > 0 and step["peak_mb"] > 50 for step in found["steps"])
    assert found["sizes"] == {}  # the data step has not run
