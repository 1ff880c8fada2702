"""Every move of the champion reaches the service, by whomever it was moved, however long the service is away."""

import json
import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from cloud import serving
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.cli.main import main
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.devstack import doctor
from recsys_tasks.publish import channels, outbox, pointer_move
from recsys_tasks.publish.publisher import publish

pytestmark = pytest.mark.services

FIRST, SECOND = "20261124T030000Z-00000001", "20261125T030000Z-00000002"
SECRET = secrets.token_hex(16)


class Receiver:
    """A service that checks signatures, and answers 503 while it is down."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.is_down = False
        self.answer = "503 Service Unavailable"

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        signed = environ["HTTP_X_RECSYS_SIGNATURE"] == outbox.signature(SECRET, body)
        if self.is_down or not signed:
            start(self.answer, [])
            return [b""]
        assert environ["CONTENT_TYPE"] == "application/cloudevents+json"
        self.got.append(json.loads(body))
        start("204 No Content", [])
        return [b""]

    @property
    def versions(self) -> list[str]:
        return [event["data"]["version"] for event in self.got]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    with serving(made) as url:
        monkeypatch.setenv(outbox.WEBHOOK, f"{url}/hook?token=hidden")
        monkeypatch.setenv(outbox.SECRET, SECRET)
        yield made


@pytest.fixture
def store(bucket: StoreAccess, tmp_path: Path) -> ObjectStore:
    store = ObjectStore(bucket)
    for version in (FIRST, SECOND):
        folder = tmp_path / version
        folder.mkdir()
        publish(store, DATASET, version, folder, make_version(folder, version=version))
    return store


def promote(store: ObjectStore, version: str, **more: Any) -> None:
    channels.promote(store, nullcontext(), DATASET, version, "anna", verify=unchecked, **more)


def roll_back(store: ObjectStore) -> None:
    channels.rollback(store, nullcontext(), DATASET, SECOND, "ben", "odd", verify=unchecked)


def test_a_receiver_that_was_down_gets_every_move_in_order_once_it_is_back(
    store: ObjectStore, receiver: Receiver
) -> None:
    receiver.is_down = True
    promote(store, FIRST, reason="go")
    assert outbox.deliver(store, DATASET).waiting == 1
    promote(store, SECOND)
    roll_back(store)
    assert "3 promotions not delivered" in outbox.deliver(store, DATASET).sentence()
    assert receiver.got == []
    receiver.is_down = False
    assert outbox.deliver(store, DATASET).sentence() == ""
    assert receiver.versions == [FIRST, SECOND, FIRST]
    assert [event["data"]["previous"] for event in receiver.got] == [None, FIRST, SECOND]
    assert [event["data"]["by"] for event in receiver.got] == ["anna", "anna", "ben"]
    assert len({event["id"] for event in receiver.got}) == 3
    outbox.deliver(store, DATASET)
    assert len(receiver.got) == 3


def test_an_event_says_what_a_consumer_needs_to_check_the_version(
    store: ObjectStore, receiver: Receiver
) -> None:
    promote(store, FIRST, reason="go")
    outbox.deliver(store, DATASET)
    [event] = receiver.got
    pointer = read_pointer(store, DATASET)
    assert pointer
    assert {name: event[name] for name in ("specversion", "type", "subject", "time")} == {
        "specversion": "1.0",
        "type": outbox.TYPE,
        "subject": DATASET,
        "time": pointer.moved_at,
    }
    data = event["data"]
    assert data["manifest_sha256"] == pointer.manifest_sha256
    assert (data["reason"], data["dataset"]) == ("go", DATASET)
    assert set(data["metrics"]) == {"precision_at_5", "ndcg_at_10"}


def test_a_crash_after_the_pointer_moved_loses_no_event(
    store: ObjectStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pointer_move, "record", crash)
        with pytest.raises(KeyboardInterrupt):
            promote(store, FIRST)
    outbox.deliver(store, DATASET)
    assert receiver.versions == [FIRST]


def test_nothing_is_sent_unsigned_and_no_address_is_shown(
    store: ObjectStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(outbox.SECRET)
    promote(store, FIRST)
    found = outbox.deliver(store, DATASET)
    assert "RECSYS_PROMOTION_SECRET is not set" in found.failure
    monkeypatch.setenv(outbox.SECRET, SECRET)
    monkeypatch.setenv(outbox.WEBHOOK, "http://127.0.0.1:1/hook?token=hidden")
    found = outbox.deliver(store, DATASET)
    assert "does not answer" in found.failure
    assert "hidden" not in found.sentence()
    assert receiver.got == []


def test_moves_from_before_the_webhook_was_set_are_not_told(
    store: ObjectStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.delenv(outbox.WEBHOOK)
        promote(store, FIRST)
        assert outbox.read_outbox(store, DATASET).sentence() == ""
    promote(store, SECOND)
    outbox.deliver(store, DATASET)
    assert receiver.versions == [SECOND]


def test_by_hand_the_command_delivers_and_doctor_tells_of_a_dead_receiver(
    store: ObjectStore,
    receiver: Receiver,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in ({"RECSYS_DB_URL": database_url} | store.access.variables()).items():
        monkeypatch.setenv(name, value)
    receiver.is_down = True
    assert main(["promote", FIRST, "--dataset", DATASET]) == 0
    assert "1 promotions not delivered" in capsys.readouterr().out
    [finding] = doctor.check_webhook(store, DATASET)
    assert (finding.state, "answered 503" in finding.found) == ("warning", True)
    receiver.is_down = False
    assert main(["deliver", "--dataset", DATASET]) == 0
    assert receiver.versions == [FIRST]
    [finding] = doctor.check_webhook(store, DATASET)
    assert finding.state == "ok"
