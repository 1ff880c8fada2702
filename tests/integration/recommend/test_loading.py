"""Loading from a bucket: a broken version is refused by name and the old one goes on serving."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from tiny_version import DATASET, load_and_ask, make_version, unchecked

from recsys_tasks.artifacts import keys, reader
from recsys_tasks.artifacts.manifest import REQUIRED, Manifest
from recsys_tasks.artifacts.object_store import ObjectStore, Patience
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused, NotFound, StoreUnavailable
from recsys_tasks.publish.channels import promote
from recsys_tasks.publish.publisher import publish
from recsys_tasks.publish.verify import verify
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.services

OLD, NEW = "20261123T030000Z-00000001", "20261124T030000Z-00000002"
USER = 35
BRISK = Patience(tries=2, first_pause=0.01, longest_pause=0.01, deadline=5, connect_timeout=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Manifest]]:
    made = {}
    for version, seed in ((OLD, 1), (NEW, 2)):
        folder = tmp_path_factory.mktemp(version)
        made[version] = (folder, make_version(folder, version, seed))
    return made


Put = Callable[[str], None]


@pytest.fixture
def store(bucket: StoreAccess) -> ObjectStore:
    return ObjectStore(bucket, BRISK)


@pytest.fixture
def become_champion(store: ObjectStore, folders: dict[str, tuple[Path, Manifest]]) -> Put:
    def put(version: str) -> None:
        publish(store, DATASET, version, *folders[version])
        promote(store, nullcontext(), DATASET, version, by="test", verify=unchecked)

    return put


def flip(store: ObjectStore, version: str, name: str) -> None:
    """Changes one byte of a published file, metadata and all, as a failing disk would."""
    key = keys.version(DATASET, version) + name
    body = bytearray(store.get(key))
    body[len(body) // 2] ^= 1
    store.put(key, bytes(body))


def test_reload_follows_the_pointer_and_says_whether_it_moved(
    store: ObjectStore, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    recommender = Recommender.load(store, DATASET, cache=tmp_path)
    assert recommender.reload() is False
    become_champion(NEW)
    assert recommender.reload() is True
    assert recommender.version == recommender.recommend(USER).version == NEW


def test_a_byte_flipped_in_any_file_is_refused_by_name_and_the_old_version_serves_on(
    store: ObjectStore, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    recommender = Recommender.load(store, DATASET, cache=tmp_path / "cache")
    answer = recommender.recommend(USER)
    become_champion(NEW)
    for name in REQUIRED:
        flip(store, NEW, name)
        with pytest.raises(ArtifactRefused, match="sha256") as refused:
            Recommender.load(store, DATASET, cache=tmp_path / name)
        assert refused.value.name == name
        flip(store, NEW, name)
    flip(store, NEW, "items.ann")
    with pytest.raises(ArtifactRefused, match=r"items\.ann"):
        recommender.reload()
    assert recommender.recommend(USER) == answer
    flip(store, NEW, "items.ann")
    flip(store, NEW, keys.MANIFEST)
    with pytest.raises(ArtifactRefused, match=r"manifest\.json"):
        recommender.reload()
    flip(store, NEW, keys.MANIFEST)
    assert recommender.reload() is True


@pytest.mark.parametrize("name", ["items.ann", "popular.json"])
def test_a_missing_file_is_refused_or_not_found_and_never_half_loaded(
    store: ObjectStore, become_champion: Put, tmp_path: Path, name: str
) -> None:
    become_champion(OLD)
    store.delete(keys.version(DATASET, OLD) + name)
    with pytest.raises(ArtifactRefused, match="missing") as refused:
        Recommender.load(store, DATASET, cache=tmp_path)
    assert refused.value.name == name


def test_a_spoilt_cache_is_fetched_again(
    store: ObjectStore, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    answer = Recommender.load(store, DATASET, cache=tmp_path).recommend(USER)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            spoilt = path.read_bytes()[:-1] + b"?"
            path.unlink()
            path.write_bytes(spoilt)
    assert Recommender.load(store, DATASET, cache=tmp_path).recommend(USER) == answer


def test_a_full_cache_serves_without_downloading_a_file_twice(
    bucket: StoreAccess, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    with FaultProxy(bucket).running() as proxy:
        for _ in range(2):
            proxy.arm(None)
            Recommender.load(ObjectStore(proxy.access), DATASET, cache=tmp_path)
        assert [line.rsplit("/", 1)[1].partition("?")[0] for line in proxy.seen] == [
            "champion.json",
            "policy.json",
            "manifest.json",
        ]


def test_processes_that_fill_one_cache_at_once_all_answer_alike(
    bucket: StoreAccess, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        answers = pool.starmap(load_and_ask, [(bucket, tmp_path, USER)] * 4)
    assert len({tuple(answer) for answer in answers}) == 1


def test_answers_go_on_while_another_thread_reloads(
    store: ObjectStore, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    become_champion(NEW)
    recommender = Recommender.load(store, DATASET, version=OLD, cache=tmp_path)
    following = Recommender.load(store, DATASET, cache=tmp_path)
    expected = {
        r.version: [i.movie_id for i in r.recommend(USER).items] for r in (recommender, following)
    }
    promote(store, nullcontext(), DATASET, OLD, "test", older=True, verify=unchecked)
    stop = threading.Event()
    wrong: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            answer = following.recommend(USER)
            if [item.movie_id for item in answer.items] != expected[answer.version]:
                wrong.append(answer)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    for version in (OLD, NEW, OLD):
        promote(store, nullcontext(), DATASET, version, "test", older=True, verify=unchecked)
        following.reload()
    stop.set()
    for thread in asking:
        thread.join()
    assert wrong == []
    assert following.version == OLD


def test_a_store_that_is_away_is_unavailable_and_the_secret_is_not_told(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    away = replace(bucket, endpoint="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable) as error:
        Recommender.load(ObjectStore(away, BRISK), DATASET, cache=tmp_path)
    told = f"{error.value!r} {error.value.__cause__!r} {away!r}"
    assert bucket.secret_key not in told


def test_without_a_champion_there_is_nothing_to_load(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no champion yet"):
        Recommender.load(store, DATASET, cache=tmp_path)


def test_verify_reads_reports_too(
    store: ObjectStore, folders: dict[str, tuple[Path, Manifest]], become_champion: Put
) -> None:
    become_champion(OLD)
    assert verify(store, DATASET, OLD).files == len(folders[OLD][1].files)


def test_what_nobody_asked_the_cache_for_in_a_fortnight_is_removed(
    store: ObjectStore, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    Recommender.load(store, DATASET, cache=tmp_path)
    first = {path for path in tmp_path.rglob("*") if path.is_file()}
    killed = next(iter(first)).with_name(f".{'0' * 64}.half")
    foreign = killed.with_name("notes.txt")
    for path in (killed, foreign):
        path.write_bytes(b"x")
    long_ago = time.time() - reader.UNUSED.total_seconds() - 60
    for path in (*first, killed, foreign):
        os.utime(path, (long_ago, long_ago))
    become_champion(NEW)
    recommender = Recommender.load(store, DATASET, cache=tmp_path)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    digests = {facts.sha256 for facts in read_manifest(store, DATASET, NEW).files.values()}
    assert {path.name for path in left} <= digests | {foreign.name}
    assert foreign in left
    assert recommender.recommend(USER).version == NEW


def test_a_version_in_use_stays_in_the_cache_however_old(
    store: ObjectStore, become_champion: Put, tmp_path: Path
) -> None:
    become_champion(OLD)
    Recommender.load(store, DATASET, cache=tmp_path)
    long_ago = time.time() - reader.UNUSED.total_seconds() - 60
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    for path in files:
        os.utime(path, (long_ago, long_ago))
    Recommender.load(store, DATASET, cache=tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == files
