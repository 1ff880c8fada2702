"""All users' lists, whole or in shards, hold what recommend() answers, and each user once."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.errors import SettingsError
from recsys_tasks.recommend import batch
from recsys_tasks.recommend.batch import shard_of, write_part
from recsys_tasks.recommend.recommender import Recommender

ALL = range(40)


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_shards_hold_every_user_once_and_in_order(n_users: int, shards: int) -> None:
    parts = [shard_of(n_users, shards, i) for i in range(shards)]
    assert [user for part in parts for user in part] == list(range(n_users))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("shards", "shard"), [(1, 1), (3, -1), (0, 0)])
def test_a_shard_that_is_not_there_is_refused(shards: int, shard: int) -> None:
    with pytest.raises(SettingsError, match=f"shard {shard} of {shards}"):
        shard_of(10, shards, shard)


def test_lines_are_the_answers_of_recommend(recommender: Recommender, tmp_path: Path) -> None:
    path = tmp_path / "top.jsonl"
    places = write_part(recommender, path, ALL, k=4)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    answers = [recommender.recommend(line["user_id"], 4) for line in lines]
    assert [line["user_id"] for line in lines] == recommender.artifacts.user_ids.tolist()
    assert {line["tier"] for line in lines} == {"model", "fold_in", "popular"}
    assert [line["movie_ids"] for line in lines] == [
        [item.movie_id for item in answer.items] for answer in answers
    ]
    assert places == sum(len(line["movie_ids"]) for line in lines)


@pytest.mark.parametrize("block", [7, 40, 1000])
def test_shards_and_blocks_leave_no_trace_in_the_lines(
    recommender: Recommender, tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BLOCK", block)
    write_part(recommender, tmp_path / "whole", ALL)
    for shard in range(3):
        write_part(recommender, tmp_path / f"{shard}", shard_of(40, 3, shard))
    joined = b"".join((tmp_path / f"{shard}").read_bytes() for shard in range(3))
    assert joined == (tmp_path / "whole").read_bytes()


def test_parquet_holds_the_same_rows_as_json_lines(
    recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    monkeypatch.setattr(batch, "BLOCK", 16)
    for name in ("a.parquet", "b.parquet"):
        write_part(recommender, tmp_path / name, ALL, k=4, format="parquet")
    write_part(recommender, tmp_path / "top.jsonl", ALL, k=4)
    lines = [json.loads(line) for line in (tmp_path / "top.jsonl").read_text().splitlines()]
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == lines
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_parquet_without_pyarrow_is_a_sentence(
    recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"recsys-tasks\[parquet\]"):
        write_part(recommender, tmp_path / "a.parquet", ALL, format="parquet")


def test_progress_ends_with_all_users_and_no_partial_file_is_left(
    recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BLOCK", 16)
    told: list[tuple[int, int]] = []
    write_part(recommender, tmp_path / "a", ALL, progress=lambda *done: told.append(done))
    assert told == [(16, 40), (32, 40), (40, 40)]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
