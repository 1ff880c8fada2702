"""A canary for a share of the users, and a shadow: beside the champion, and without moving it."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.cli.main import main
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import GateRejected, NotFound, SettingsError
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.publisher import publish
from recsys_tasks.publish.side_channels import point
from recsys_tasks.recommend.recommender import Recommender
from recsys_tasks.recommend.share import is_in_share

pytestmark = pytest.mark.services

OLD, NEW, REJECTED = (f"2026112{day}T030000Z-0000000{day}" for day in (4, 5, 6))


@pytest.fixture
def store(bucket: StoreAccess, tmp_path: Path) -> ObjectStore:
    store = ObjectStore(bucket)
    for seed, version in enumerate((OLD, NEW, REJECTED)):
        manifest = make_version(tmp_path / version, version, seed, accepted=version != REJECTED)
        publish(store, DATASET, version, tmp_path / version, manifest)
    promote(store, nullcontext(), DATASET, OLD, "test", verify=unchecked)
    return store


def test_a_share_of_the_users_gets_the_canary_and_each_user_always_the_same(
    store: ObjectStore, tmp_path: Path
) -> None:
    point(store, nullcontext(), DATASET, "canary", NEW, "test", verify=unchecked)
    versions: list[dict[int, str]] = []
    for share in (0.3, 0.3, 0.6):
        found = Recommender.load(store, DATASET, "canary", cache=tmp_path / "c", share=share)
        users = found.artifacts.user_ids.tolist()
        versions.append({user: found.recommend(user).version for user in users})
    first, again, larger = ({user for user in each if each[user] == NEW} for each in versions)
    assert first == again
    assert 0 < len(first) < len(larger) < len(versions[0])
    assert first < larger
    assert found.similar(int(found.artifacts.item_ids[3])).version == OLD


def test_the_share_is_met_and_two_channels_take_different_users() -> None:
    canary = {user for user in range(20_000) if is_in_share("shop/canary", user, 0.05)}
    shadow = {user for user in range(20_000) if is_in_share("shop/shadow", user, 0.05)}
    assert 900 < len(canary) < 1100
    assert len(canary & shadow) < 100


def test_a_canary_moves_no_champion_and_a_rejected_version_needs_a_reason(
    store: ObjectStore,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in ({"RECSYS_DB_URL": database_url} | store.access.variables()).items():
        monkeypatch.setenv(name, value)
    champion = read_pointer(store, DATASET)
    command = ["promote", NEW, "--dataset", DATASET, "--channel", "canary"]
    assert main(command) == 0
    assert f"the canary of {DATASET} is {NEW}" in capsys.readouterr().out
    canary = read_pointer(store, DATASET, "canary")
    assert canary
    assert canary.version == NEW
    with pytest.raises(GateRejected):
        point(store, nullcontext(), DATASET, "canary", REJECTED, "test", verify=unchecked)
    with pytest.raises(SettingsError, match="reason"):
        point(store, nullcontext(), DATASET, "shadow", REJECTED, "test", force=True)
    assert read_pointer(store, DATASET, "canary") == canary
    assert read_pointer(store, DATASET) == champion


def test_what_is_no_share_or_no_channel_is_refused(store: ObjectStore) -> None:
    with pytest.raises(SettingsError, match="from 0 to 1"):
        Recommender.load(store, DATASET, share=float("nan"))
    with pytest.raises(NotFound, match="no canary"):
        Recommender.load(store, DATASET, "canary", share=0.5)
    with pytest.raises(SettingsError, match="no channel"):
        point(store, nullcontext(), DATASET, "champion", NEW, "test")
