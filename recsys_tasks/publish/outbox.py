"""Tells a service of every move of the champion's pointer, at least once, from an outbox in the bucket.

``RECSYS_PROMOTION_WEBHOOK`` names the service, ``RECSYS_PROMOTION_SECRET`` signs what it gets: a CloudEvent in
JSON with the header ``X-Recsys-Signature: sha256=<HMAC-SHA256 of the body, in hex>``. The history of the pointer
is what waits; ``<dataset>/channels/outbox/champion.json`` says how far it was delivered and what stands in the way.
A move never waits for the service: whoever runs next delivers, in the order of the moves.
"""

import hashlib
import hmac
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import ArtifactRefused, NotFound, RecsysError

log = logging.getLogger(__name__)

WEBHOOK, SECRET = "RECSYS_PROMOTION_WEBHOOK", "RECSYS_PROMOTION_SECRET"
TYPE = "recsys.champion.moved"
SIGNATURE = "X-Recsys-Signature"
TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Outbox:
    """How far the moves of one dataset were delivered.

    Args:
        delivered: the last move that the service took; None: nothing was ever to be told.
        tried_at: when it was last tried, UTC; empty: never.
        failure: what stood in the way then; empty: nothing.
        waiting: moves that the service has not taken.
    """

    delivered: int | None = None
    tried_at: str = ""
    failure: str = ""
    waiting: int = 0

    def sentence(self) -> str:
        """The state in words; empty where all was delivered."""
        if not self.waiting:
            return ""
        why = f"; last tried {self.tried_at}: {self.failure}" if self.failure else ""
        return f"{self.waiting} promotions not delivered{why}"


def read_outbox(store: ObjectStore, dataset: str) -> Outbox:
    """The state of a dataset's outbox."""
    found, now = _kept(store, dataset), read_pointer(store, dataset)
    last = now.move if now else 0
    return replace(found, waiting=0 if found.delivered is None else max(0, last - found.delivered))


def open_outbox(store: ObjectStore, dataset: str, now: Pointer | None) -> None:
    """Before the pointer moves: from this move on, what comes is to be told. A repeat changes nothing.

    Args:
        now: the pointer as it is; None: there is none yet.
    """
    if os.environ.get(WEBHOOK) and _kept(store, dataset).delivered is None:
        _keep(store, dataset, Outbox(delivered=now.move if now else 0))


def deliver(store: ObjectStore, dataset: str, environ: Mapping[str, str] | None = None) -> Outbox:
    """Sends what waits, oldest first, until the service does not take one.

    Never an error: what stands in the way is kept, logged and tried again by whoever comes next.
    Two at once may send the same move twice; its ``id`` is the same.

    Returns:
        the state afterwards.
    """
    environ = os.environ if environ is None else environ
    try:
        found = read_outbox(store, dataset)
        address = environ.get(WEBHOOK)
        if address and found.waiting:
            found = _send_all(store, dataset, found, address, environ.get(SECRET, ""))
        return found
    except RecsysError as error:
        log.warning("promotions of %s are not delivered: %s", dataset, error)
        return Outbox(failure=str(error))


def event_of(store: ObjectStore, dataset: str, move: int) -> dict[str, Any]:
    """The CloudEvent of one move, from the pointer's history.

    Raises:
        NotFound, ArtifactRefused: the history has no such move.
    """
    moved = _entry(store, dataset, move)
    try:
        before = _entry(store, dataset, move - 1).version if move > 1 else None
    except (NotFound, ArtifactRefused):
        before = moved.previous
    return {
        "specversion": "1.0",
        "type": TYPE,
        "source": f"/recsys/{store.bucket}/{dataset}",
        "id": f"{dataset}/champion/{move}",
        "subject": dataset,
        "time": moved.moved_at,
        "datacontenttype": "application/json",
        "data": {
            "dataset": dataset,
            "channel": "champion",
            "move": move,
            "version": moved.version,
            "manifest": keys.manifest(dataset, moved.version),
            "manifest_sha256": moved.manifest_sha256,
            "previous": before,
            "by": moved.promoted_by,
            "reason": moved.reason,
            "forced": moved.forced,
            "metrics": _metrics(store, dataset, moved),
        },
    }


def signature(secret: str, body: bytes) -> str:
    """The header's value for a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _send_all(store: ObjectStore, dataset: str, found: Outbox, address: str, secret: str) -> Outbox:
    first = (found.delivered or 0) + 1
    for move in range(first, first + found.waiting):
        failure = _send(store, dataset, move, address, secret)
        delivered, waiting = (
            (found.delivered, found.waiting) if failure else (move, found.waiting - 1)
        )
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = Outbox(delivered, now, failure, waiting)
        _keep(store, dataset, found)
        if failure:
            log.warning("%s: %s", dataset, found.sentence())
            break
        log.info("told the promotion webhook of move %d of %s", move, dataset)
    return found


def _send(store: ObjectStore, dataset: str, move: int, address: str, secret: str) -> str:
    """Sends one event; returns what stood in the way, empty if the service took it."""
    if not secret:
        return f"{SECRET} is not set, and nothing is sent unsigned"
    try:
        event = event_of(store, dataset, move)
    except (NotFound, ArtifactRefused):
        log.warning("move %d of %s left no history: nothing can be told of it", move, dataset)
        return ""
    body = json.dumps(event, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/cloudevents+json",
        SIGNATURE: signature(secret, body),
    }
    try:
        request = urllib.request.Request(address, data=body, headers=headers)
        _OPENER.open(request, timeout=TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"the service answered {error.code}"
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        return (
            f"the service does not answer ({type(error).__name__})"  # the address may hold a secret
        )
    return ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its body: it counts as not taken."""

    def redirect_request(self, *_: Any) -> None:
        """None of them is followed."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _metrics(store: ObjectStore, dataset: str, moved: Pointer) -> dict[str, Any]:
    """Two metrics as served; empty where the version was removed meanwhile."""
    try:
        manifest = read_manifest(store, dataset, moved.version, moved.manifest_sha256)
    except (NotFound, ArtifactRefused):
        return {}
    served: Any = manifest.metrics.get("test_served") or {}
    return {name: served.get(name) for name in ("precision_at_5", "ndcg_at_10")}


def _entry(store: ObjectStore, dataset: str, move: int) -> Pointer:
    key = f"{keys.history(dataset)}{move}.json"
    try:
        return Pointer.from_bytes(store.get(key), key)
    except NotFound:
        now = read_pointer(store, dataset)
        if now is None or now.move != move:
            raise
        return now  # a crash came between the pointer and its entry


def _kept(store: ObjectStore, dataset: str) -> Outbox:
    try:
        found = store.get_json(keys.outbox(dataset))
        return Outbox(int(found["delivered"]), str(found["tried_at"]), str(found["failure"]))
    except NotFound:
        return Outbox()
    except (ArtifactRefused, KeyError, TypeError, ValueError):
        log.warning("%s is damaged: every move is told again", keys.outbox(dataset))
        return Outbox(delivered=0)


def _keep(store: ObjectStore, dataset: str, outbox: Outbox) -> None:
    kept = {name: value for name, value in asdict(outbox).items() if name != "waiting"}
    store.put_json(keys.outbox(dataset), kept)
