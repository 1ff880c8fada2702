"""``policy``: what must not be shown of a dataset: show it, check a file, put one in its place."""

import hashlib
import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, open_store
from recsys_tasks.errors import InputRejected, SettingsError
from recsys_tasks.printable import printable

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.artifacts.policy import Policy
    from recsys_tasks.artifacts.reader import Artifacts

SHOWN = 5
"""Ids that a line names."""


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    policy = add_command(
        commands,
        "policy",
        run_policy,
        "show, check or set what must not be shown of a dataset",
        "A policy is a JSON file: hidden_items, hidden_from_users, allowed_items, allowed_for_users,\n"
        "boosts. Consumers and batches keep to it from their next reload on, without a training.\n"
        "set checks the file before it takes the old one's place, and refuses one that would leave\n"
        'nothing to show. {"schema_version": 1} alone hides nothing.\n\n'
        "examples:\n  recsys policy show\n  recsys policy check policy.json\n"
        "  recsys policy set policy.json",
    )
    policy.add_argument("action", choices=("show", "check", "set"), help="what to do")
    policy.add_argument("file", nargs="?", type=Path, help="the policy, for check and set")
    policy.add_argument("--cache", type=Path, help="folder of downloads (default: ~/.cache/recsys)")


def run_policy(arguments: Namespace) -> Answer:
    """``recsys policy``."""
    if (arguments.action == "show") != (arguments.file is None):
        raise SettingsError("recsys policy show takes no file; check FILE and set FILE need one")
    store = open_store()
    return _show(store, arguments) if arguments.action == "show" else _take(store, arguments)


def _show(store: "ObjectStore", arguments: Namespace) -> Answer:
    from recsys_tasks.artifacts.policy import read_policy

    policy, sha256 = read_policy(store, arguments.dataset)
    said = policy.model_dump(mode="json", exclude_unset=True)
    document = {"dataset": arguments.dataset, "sha256": sha256, "policy": said if sha256 else None}
    text = json.dumps(said, ensure_ascii=False, indent=1)
    return Answer(document, printable(text, lines=True) if sha256 else "there is no policy")


def _take(store: "ObjectStore", arguments: Namespace) -> Answer:
    """Checks a file and, for ``set``, puts it in the old policy's place."""
    from recsys_tasks.artifacts import keys
    from recsys_tasks.artifacts.policy import Policy

    body = _bytes_of(arguments.file)
    policy = Policy.from_bytes(body, arguments.file.name)
    found = _against_champion(store, arguments, policy)
    if found and found["shown"] == 0:
        raise SettingsError(f"{arguments.file} would leave none of the champion's items to show")
    if arguments.action == "set":
        store.put(keys.policy(arguments.dataset), body)
    done = "is the policy now" if arguments.action == "set" else "is acceptable"
    sha256 = hashlib.sha256(body).hexdigest()
    document = {"dataset": arguments.dataset, "sha256": sha256, "set": arguments.action == "set"}
    lines = [f"{arguments.file} {done}, sha256 {sha256}", *_said(found)]
    return Answer(document | found, "\n".join(lines))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputRejected(path.name, f"cannot be read: {error.strerror}") from None


def _against_champion(
    store: "ObjectStore", arguments: Namespace, policy: "Policy"
) -> dict[str, Any]:
    """What the policy does to the champion: items shown to everybody, ids that it does not know."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.artifacts.reader import default_cache, fetch, open_version
    from recsys_tasks.artifacts.versions import read_manifest
    from recsys_tasks.recommend.rules import Rules

    pointer = read_pointer(store, arguments.dataset)
    if pointer is None:
        return {}
    manifest = read_manifest(store, arguments.dataset, pointer.version)
    artifacts = open_version(manifest, fetch(store, manifest, arguments.cache or default_cache()))
    mask = Rules(artifacts, policy).mask()
    items, users = _strangers(policy, artifacts)
    return {
        "version": pointer.version,
        "items": len(artifacts.item_ids),
        "shown": len(artifacts.item_ids) if mask is None else int(mask.sum()),
        "unknown_items": items,
        "unknown_users": users,
    }


def _strangers(policy: "Policy", artifacts: "Artifacts") -> tuple[list[str], list[str]]:
    """Ids that the policy names and the version does not know: items, users."""
    per_user = (policy.hidden_from_users, policy.allowed_for_users)
    named = [
        *policy.hidden_items,
        *(policy.allowed_items or ()),
        *policy.boosts,
        *(item for lists in per_user for items in lists.values() for item in items),
    ]
    items = dict.fromkeys(str(one) for one in named if artifacts.items_by_id.row(one) < 0)
    users = (user for lists in per_user for user in lists)
    return list(items), list(
        dict.fromkeys(user for user in users if artifacts.users_by_id.row(user) < 0)
    )


def _said(found: dict[str, Any]) -> list[str]:
    if not found:
        return ["there is no champion to hold it against"]
    lines = [f"{found['shown']} of {found['items']} items of {found['version']} are shown now"]
    for what in ("items", "users"):
        if strangers := found[f"unknown_{what}"]:
            some = printable(", ".join(strangers[:SHOWN]))
            lines.append(f"not known to it: {len(strangers)} {what}, such as {some}")
    return lines
