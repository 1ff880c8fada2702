"""Golden queries agree with the version they were made for, and with no other."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_version import make_version

from recsys_tasks.artifacts.reader import Artifacts, open_version
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.publish.golden import replay
from recsys_tasks.recommend.recommender import Recommender


def test_they_ask_only_what_the_files_decide(paths: dict[str, Path]) -> None:
    queries = json.loads(paths["golden.json"].read_text())
    assert {query["tier"] for query in queries} == {"model", "popular"}
    assert {query["ask"]["about"] for query in queries} == {"user", "movie"}
    assert {query["ask"]["exact"] for query in queries} == {True, False}


def test_their_own_version_answers_alike(recommender: Recommender, paths: dict[str, Path]) -> None:
    assert replay(recommender, paths["golden.json"]) >= 10


def test_another_version_does_not(tmp_path: Path, paths: dict[str, Path]) -> None:
    other = make_version(tmp_path, seed=8)
    opened = open_version(other, {name: tmp_path / name for name in other.files})
    with pytest.raises(ArtifactRefused, match="answered otherwise"):
        replay(Recommender(opened), paths["golden.json"])


def test_an_index_that_is_searched_harder_still_agrees(
    artifacts: Artifacts, paths: dict[str, Path]
) -> None:
    facts = artifacts.index_facts.model_copy(update={"search_k": 100_000})
    replay(Recommender(replace(artifacts, index_facts=facts)), paths["golden.json"])


def test_exact_answers_may_not_be_seven_of_ten(
    artifacts: Artifacts, paths: dict[str, Path], tmp_path: Path
) -> None:
    queries = json.loads(paths["golden.json"].read_text())
    as_served = next(query for query in queries if not query["ask"]["exact"])
    facts = artifacts.index_facts.model_copy(update={"search": "exact"})
    served_exactly = Recommender(replace(artifacts, index_facts=facts))
    user = as_served["ask"]["id"]
    others = [item.movie_id for item in served_exactly.recommend(user, 13).items][-3:]
    as_served["movie_ids"][-3:] = others
    (path := tmp_path / "golden.json").write_text(json.dumps([as_served]))
    assert replay(Recommender(artifacts), path) == 1
    with pytest.raises(ArtifactRefused, match="answered otherwise"):
        replay(served_exactly, path)


def score_moved(queries: Any) -> Any:
    queries[0]["scores"][0] += 0.01
    return queries


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        (score_moved, "answered otherwise"),
        (lambda queries: [{**queries[0], "tier": "popular"}], "answered otherwise"),
        (lambda queries: [{**queries[0], "movie_ids": queries[1]["movie_ids"][:9]}], "otherwise"),
        (lambda queries: [{**queries[5], "movie_ids": [*range(10)]}], "otherwise"),
        (lambda queries: [], "no queries"),
        (lambda queries: {}, "no queries"),
        (lambda queries: [{"ask": {"about": "everything", "id": 1, "exact": True}}], "not a query"),
        (lambda queries: ["?"], "not a query"),
    ],
)
def test_bent_queries_are_refused(
    recommender: Recommender,
    paths: dict[str, Path],
    tmp_path: Path,
    bend: Callable[[Any], Any],
    reason: str,
) -> None:
    path = Path(shutil.copy(paths["golden.json"], tmp_path))
    path.write_text(json.dumps(bend(json.loads(path.read_text()))))
    with pytest.raises(ArtifactRefused, match=reason):
        replay(recommender, path)
