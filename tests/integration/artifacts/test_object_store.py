"""The bucket in our words: bytes come back as they went, and what goes wrong says what to do."""

import logging
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fault_proxy import Fault, FaultProxy
from tiny_version import DATASET, make_version

from recsys_tasks.artifacts.object_store import ObjectStore, Patience, file_sha256
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import ArtifactRefused, NotFound, PermanentError, StoreUnavailable
from recsys_tasks.publish.publisher import publish, verify_in_fresh_process

pytestmark = pytest.mark.services

BRISK = Patience(tries=3, first_pause=0.01, longest_pause=0.02, deadline=5, read_timeout=2)


@pytest.fixture
def store(bucket: StoreAccess) -> ObjectStore:
    return ObjectStore(bucket, BRISK)


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 4096])
def test_bytes_come_back_as_they_went(store: ObjectStore, body: bytes) -> None:
    store.put("some/key", body)
    assert store.get("some/key") == body


def test_a_large_file_goes_in_parts_and_comes_back_whole(
    bucket: StoreAccess, tmp_path: Path
) -> None:
    store = ObjectStore(bucket, multipart_from=6 * 2**20)
    path = tmp_path / "large"
    path.write_bytes(np.random.default_rng(1).bytes(17 * 2**20))
    digest = store.upload_file(path, "large")
    assert store.download_file("large", tmp_path / "again", digest) == file_sha256(path)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.fixture
def in_parts(tmp_path: Path) -> Path:
    """A file that goes up in three parts where parts begin at 6 MB."""
    path = tmp_path / "large"
    path.write_bytes(np.random.default_rng(1).bytes(12 * 2**20))
    return path


@pytest.mark.parametrize("at", range(5), ids=["create", "part", "part", "part", "complete"])
@pytest.mark.parametrize("kind", ["503", "connection reset", "request cut short"])
def test_an_upload_in_parts_is_retried_whichever_request_fails(
    bucket: StoreAccess, in_parts: Path, kind: str, at: int
) -> None:
    with FaultProxy(bucket).running() as proxy:
        proxy.arm(Fault(kind, at))
        store = ObjectStore(proxy.access, BRISK, multipart_from=6 * 2**20)
        assert store.upload_file(in_parts, "large") == file_sha256(in_parts)


@pytest.mark.parametrize("kind", ["503", "connection reset"])
def test_an_upload_in_parts_that_keeps_failing_says_that_the_store_is_away(
    bucket: StoreAccess, in_parts: Path, kind: str
) -> None:
    with FaultProxy(bucket).running() as proxy:
        proxy.arm(Fault(kind, 1, lasting=True))
        store = ObjectStore(proxy.access, BRISK, multipart_from=6 * 2**20)
        with pytest.raises(StoreUnavailable, match="large"):
            store.upload_file(in_parts, "large")


def test_an_upload_in_parts_that_is_refused_is_permanent(
    bucket: StoreAccess, in_parts: Path
) -> None:
    wrong = replace(bucket, secret_key="planted-secret-0123456789")
    with pytest.raises(PermanentError, match="credentials"):
        ObjectStore(wrong, BRISK, multipart_from=6 * 2**20).upload_file(in_parts, "large")


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), TimeoutError("slow")])
def test_a_socket_that_breaks_under_a_download_says_that_the_store_is_away(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from botocore.response import StreamingBody

    store.put("key", b"x" * 100_000)

    def breaks(*_: object, **__: object) -> bytes:
        raise error

    monkeypatch.setattr(StreamingBody, "read", breaks)
    with pytest.raises(StoreUnavailable, match="key"):
        store.download_file("key", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_listing_names_keys_in_order_with_sizes(store: ObjectStore) -> None:
    for key in ("b/2", "a", "b/1"):
        store.put(key, key.encode())
    assert [(found.key, found.bytes) for found in store.list("b/")] == [("b/1", 3), ("b/2", 3)]
    store.delete("b/1")
    store.delete("b/1")
    assert not store.exists("b/1")
    assert store.exists("b/2")


def test_json_comes_back_and_ambiguous_json_is_refused(store: ObjectStore) -> None:
    store.put_json("value", {"b": [1, None], "a": "é"})
    assert store.get("value") == '{"a":"é","b":[1,null]}\n'.encode()
    assert store.get_json("value") == {"a": "é", "b": [1, None]}
    store.put("twice", b'{"a": 1, "a": 2}')
    with pytest.raises(ArtifactRefused, match="twice"):
        store.get_json("twice")


def test_what_is_not_there_is_not_found(store: ObjectStore, bucket: StoreAccess) -> None:
    with pytest.raises(NotFound, match=r"^nothing is not in the bucket"):
        store.get("nothing")
    with pytest.raises(NotFound):
        ObjectStore(replace(bucket, bucket="no-such-bucket"), BRISK).list("")


def test_ensure_bucket_makes_it_once(bucket: StoreAccess) -> None:
    store = ObjectStore(replace(bucket, bucket=f"{bucket.bucket}-new"), BRISK)
    store.ensure_bucket()
    store.put("key", b"x")
    store.ensure_bucket()
    assert store.get("key") == b"x"


def test_wrong_credentials_are_permanent_and_not_told(bucket: StoreAccess) -> None:
    wrong = replace(bucket, secret_key="planted-secret-0123456789")
    with pytest.raises(PermanentError, match="credentials") as error:
        ObjectStore(wrong, BRISK).get("key")
    assert "planted-secret" not in f"{error.value!r} {error.value.__cause__!r}"


def test_other_bytes_than_promised_leave_no_file(store: ObjectStore, tmp_path: Path) -> None:
    store.put("key", b"bytes")
    for problem in ({"sha256": "0" * 64}, {"max_bytes": 4}):
        with pytest.raises(ArtifactRefused, match="expected"):
            store.download_file("key", tmp_path / "file", **problem)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_leaves_no_file(bucket: StoreAccess, tmp_path: Path) -> None:
    ObjectStore(bucket).put("key", b"x" * 100_000)
    with FaultProxy(bucket).running() as proxy:
        proxy.arm(Fault("answer cut short", 0, lasting=True))
        with pytest.raises(StoreUnavailable):
            ObjectStore(proxy.access, BRISK).download_file("key", tmp_path / "file")
        assert len(proxy.seen) == BRISK.tries
    assert list(tmp_path.iterdir()) == []


def test_its_errors_survive_pickling(store: ObjectStore) -> None:
    with pytest.raises(NotFound) as error:
        store.get("nothing")
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value)


def test_no_secret_is_written_or_logged_by_a_publish(
    bucket: StoreAccess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ObjectStore(bucket, BRISK)
    manifest = make_version(tmp_path)
    with caplog.at_level(logging.DEBUG, logger="recsys_tasks"):
        publish(store, DATASET, manifest.version, tmp_path, manifest)
        verify_in_fresh_process(bucket, DATASET, manifest.version)
    assert len(caplog.records) > 10
    assert bucket.secret_key not in caplog.text
    for found in store.list(""):
        assert bucket.secret_key.encode() not in store.get(found.key)
