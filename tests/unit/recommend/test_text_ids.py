"""A version with text ids answers as the one with numbers whose rows are the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_version import make_version

from recsys_tasks.artifacts.ids import id_at, id_list
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.reader import Artifacts, open_version
from recsys_tasks.errors import ArtifactRefused, NotFound, SettingsError
from recsys_tasks.publish.golden import replay
from recsys_tasks.recommend.batch import write_part
from recsys_tasks.recommend.recommender import Recommendations, Recommender
from recsys_tasks.recommend.share import is_in_share

Opened = tuple[Manifest, dict[str, Path], Recommender]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("text")
    manifest = make_version(folder, noun="item")
    paths = {name: folder / name for name in manifest.files}
    return manifest, paths, Recommender(open_version(manifest, paths))


def rows(answer: Recommendations, artifacts: Artifacts) -> list[int]:
    return [artifacts.items_by_id.row(item.item_id) for item in answer.items]


def test_every_question_gets_the_same_rows(text: Opened, recommender: Recommender) -> None:
    ours, theirs = text[2].artifacts, recommender.artifacts
    sku = [id_at(ours.item_ids, row) for row in (3, 50, 299)]
    number = [id_at(theirs.item_ids, row) for row in (3, 50, 299)]
    for user in range(len(ours.user_ids)):
        asked = id_at(ours.user_ids, user), id_at(theirs.user_ids, user)
        for since in (False, True):
            answers = (
                text[2].recommend(asked[0], since=sku if since else ()),
                recommender.recommend(asked[1], since=number if since else ()),
            )
            assert answers[0].tier == answers[1].tier
            assert rows(answers[0], ours) == rows(answers[1], theirs)
            assert answers[0].user_id == asked[0]
    for mine, its in zip(sku, number, strict=True):
        assert rows(text[2].similar(mine), ours) == rows(recommender.similar(its), theirs)
    liked = text[2].recommend_for([*sku, "nobody knows this"])
    assert rows(liked, ours) == rows(recommender.recommend_for(number), theirs)


def test_the_manifest_says_schema_2_and_a_version_of_movies_1(
    text: Opened, manifest: Manifest
) -> None:
    assert (text[0].schema_version, manifest.schema_version) == (2, 1)
    assert json.loads(text[0].to_bytes())["schema_version"] == 2
    assert text[0].files["item_ids.npy"].dtype is not None
    assert text[0].files["item_ids.npy"].dtype.startswith("|S")


def test_the_golden_queries_of_text_ids_are_found_again(text: Opened) -> None:
    _, paths, asked = text
    assert replay(asked, paths["golden.json"]) == 14


def test_a_strange_user_gets_the_popular_list_and_a_strange_item_is_named(text: Opened) -> None:
    for strange in ("nobody", "", "é" * 200, "user é-5.5 ", "USER É-5.5", 5):
        answer = text[2].recommend(strange)
        assert answer.tier == "popular"
        assert answer.user_id == str(strange)
    with pytest.raises(NotFound, match="there is no item nothing like it"):
        text[2].similar("nothing like it")
    for wrong in (None, 4.2, True, [42]):
        with pytest.raises(SettingsError, match="an id is"):
            text[2].recommend(wrong)  # type: ignore[arg-type]


def test_a_reader_of_text_refuses_what_is_no_id(text: Opened, tmp_path: Path) -> None:
    manifest, paths, _ = text
    ids = np.load(paths["user_ids.npy"])
    bent = {
        "not a list of unique ids": np.where(np.arange(len(ids)) == 3, ids[0], ids),
        "not UTF-8": np.where(np.arange(len(ids)) == 3, b"\xff", ids),
        "empty": np.where(np.arange(len(ids)) == 3, b"", ids),
    }
    for reason, array in bent.items():
        np.save(tmp_path / "user_ids.npy", array.astype(ids.dtype))
        with pytest.raises(ArtifactRefused, match=reason):
            open_version(manifest, {**paths, "user_ids.npy": tmp_path / "user_ids.npy"})
    with pytest.raises(ArtifactRefused, match="lists items, not as schema 1 says"):
        open_version(manifest.model_copy(update={"schema_version": 1}), paths)


def test_a_batch_carries_the_ids_as_text(text: Opened, tmp_path: Path) -> None:
    artifacts = text[2].artifacts
    write_part(text[2], tmp_path / "top.jsonl", range(len(artifacts.user_ids)), 3)
    lines = [json.loads(line) for line in (tmp_path / "top.jsonl").read_text().splitlines()]
    assert [line["user_id"] for line in lines] == id_list(artifacts.user_ids)
    known = set(id_list(artifacts.item_ids))
    assert all(set(line["item_ids"]) < known for line in lines)
    write_part(text[2], tmp_path / "top.parquet", range(5), 3, format="parquet")
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "top.parquet")
    assert parquet.to_pylist() == lines[:5]


def test_numbers_in_any_order_are_ids_of_items_too(text: Opened) -> None:
    artifacts = text[2].artifacts
    numbers = np.arange(len(artifacts.user_ids))[::-1] * 3
    asked = Recommender(replace(artifacts, user_ids=numbers))
    for given in (9, "9", np.int64(9)):
        answer = asked.recommend(given)
        assert answer.user_id == 9
        assert rows(answer, artifacts) == rows(
            text[2].recommend(id_at(artifacts.user_ids, len(numbers) - 4)), artifacts
        )
    assert asked.recommend("09").tier == "popular"


def test_a_number_and_its_digits_are_in_the_same_share() -> None:
    assert [is_in_share("s", str(one), 0.3) for one in range(50)] == [
        is_in_share("s", one, 0.3) for one in range(50)
    ]
