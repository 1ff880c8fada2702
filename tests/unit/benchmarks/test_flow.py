"""``python -m benchmarks flow`` measures every step of a run in a process of its own."""

import json

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.generated_tables import GeneratedTables
from recsys_tasks.data.tables import RatingTable


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


def test_without_postgres_the_data_step_makes_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--scale", "0.001", "--parts", "--only", "split", "--set", "train.part_ratings=9000"]
    assert main(["flow", *few, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in found["steps"]] == ["fit_dataset", "split"]
    assert found["sizes"]["users"] == 163
    assert found["sizes"]["parts"] > 1


def test_the_generated_ratings_are_whole_users_in_order() -> None:
    blocks: list[RatingTable] = []
    GeneratedTables(0.0004, 7).stream_ratings(blocks.append)
    users, movies = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("user_id", "movie_id")
    )
    assert np.unique(users).tolist() == list(range(1, 66))
    assert ((np.diff(users) > 0) | (np.diff(movies) > 0)).all()
    assert (np.diff(users) >= 0).all()
