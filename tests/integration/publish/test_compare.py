"""Two published versions side by side, by hand: the same numbers for a person and for a program."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_version import DATASET, make_version, sections

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.user_metrics import METRICS, UserMetrics
from recsys_tasks.cli.main import main
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.pipeline.compare import compare_versions
from recsys_tasks.publish.publisher import publish, seal

pytestmark = pytest.mark.services

OLD, NEW = "20261121T030000Z-00000001", "20261122T030000Z-00000002"
HISTOGRAMS = {OLD: {"3": 50, "5": 50}, NEW: {"3": 25, "5": 75}}


def user_metrics(first: int, precision: float) -> UserMetrics:
    """Thirty users of the tiny version, from the ``first`` on, all with one value."""
    ids = (np.arange(first, first + 30) * 3 + 5).astype(np.int64)
    counts = np.arange(30).astype(np.int32)
    return UserMetrics(ids, counts, {name: np.full(30, precision, np.float32) for name in METRICS})


def put(store: ObjectStore, folder: Path, version: str, users: UserMetrics | None, **model) -> None:
    sealed = make_version(folder, version, seed=int(version[-1]))
    if users is not None:
        users.save(folder)
    tree = sections(version, sealed.index.model_dump(), True, 40, 300)
    tree["model"] |= model
    tree["data"] |= {"histogram": HISTOGRAMS[version], "ratings": 900 + len(model)}
    tree["metrics"]["slices"] = {"items.head": {"users": 9, "precision_at_5": 0.25}}
    publish(store, DATASET, version, folder, seal(folder, tree))


@pytest.fixture
def store(bucket: StoreAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Two versions, the newer 0.05 better for the twenty users whom both measured."""
    for name, value in bucket.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = ObjectStore(bucket)
    put(store, tmp_path / "old", OLD, user_metrics(0, 0.1))
    put(store, tmp_path / "new", NEW, user_metrics(10, 0.15), components=16)
    return store


def test_versions_are_paired_on_the_users_whom_both_measured(store, tmp_path):
    found = compare_versions(store, DATASET, OLD, NEW, tmp_path / "cache")
    gap = found.measured[0].interval
    assert (gap.users, round(gap.difference, 4)) == (20, 0.05)
    assert gap.low == pytest.approx(0.05)
    by_group = {one.group: one.interval for one in found.measured[len(METRICS) :]}
    assert by_group["users.5-19"].users == 15
    assert by_group["items.head"] is None
    assert found.unpaired == ""


def test_what_was_chosen_and_what_it_was_made_from_is_told_where_it_differs(store, tmp_path):
    found = compare_versions(store, DATASET, OLD, NEW, tmp_path / "cache")
    settings = {one.name: (one.before, one.now) for one in found.settings}
    assert settings.pop("train.components") == (8, 16)
    assert set(settings) <= {"index.search_k"}, "it is chosen anew for each index"
    assert [(one.name, one.before, one.now) for one in found.data] == [("ratings", 900, 901)]
    assert found.drift == pytest.approx(0.25)


def test_the_lists_are_those_that_consumers_get(store, tmp_path):
    from recsys_tasks.recommend.recommender import Recommender

    lists = compare_versions(store, DATASET, OLD, NEW, tmp_path / "cache").lists
    assert (lists.asked, len(lists.moved)) == (40, 20)
    user = lists.moved[0]
    for version, titles in ((OLD, user.before), (NEW, user.now)):
        answer = Recommender.load(store, DATASET, version=version, cache=tmp_path / "cache")
        assert titles == tuple(movie.title for movie in answer.recommend(user.user_id).items)
    assert user.kept == min(one.kept for one in lists.moved)


def test_text_and_html_and_json_say_the_same_numbers(store, tmp_path, capsys):
    assert main(["compare", OLD, NEW, "--dataset", DATASET]) == 0
    text = capsys.readouterr().out
    assert main(["compare", OLD, NEW, "--dataset", DATASET, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    html = compare_versions(store, DATASET, OLD, NEW, tmp_path / "cache").html()
    assert document["measured"][0]["interval"]["users"] == 20
    for said in ("+0.0500", "train.components", "900", "901", "25 %", document["summary"][:60]):
        assert said in " ".join(text.split()), said
        assert said in html, said


def test_versions_without_their_users_or_split_otherwise_are_compared_without_intervals(
    store, tmp_path
):
    bare = "20261120T030000Z-00000003"
    HISTOGRAMS[bare] = {"3": 1}
    put(store, tmp_path / "bare", bare, None)
    found = compare_versions(store, DATASET, bare, NEW, tmp_path / "cache")
    assert bare in found.unpaired
    assert {one.interval for one in found.measured} == {None}
    assert found.measured[0].before == 0.1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["compare"], 3, "has no champion yet"),
        (["compare", OLD, NEW[:-1] + "3"], 3, f"did you mean {NEW}"),
        (["compare", OLD, "candidat"], 3, "did you mean candidate"),
        (["compare", OLD, "../x"], 2, "not the name of a version"),
        (["compare", OLD, NEW, "--dataset", "tinny"], 3, f"did you mean {DATASET}"),
    ],
)
def test_an_unknown_version_is_answered_with_the_nearest(store, capsys, words, code, said):
    assert main(["compare", "--dataset", DATASET, *words[1:]]) == code
    assert said in capsys.readouterr().err
