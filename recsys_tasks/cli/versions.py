"""What is published: ``datasets``, ``versions``, ``show``, ``history``, ``promote``, ``deliver`` and their kin."""

import getpass
import json
import os
import re
from argparse import ArgumentTypeError, Namespace
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, open_store

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.artifacts.pointer import Pointer
    from recsys_tasks.data.db.postgres import Database


def add_commands(commands: Subcommands) -> None:
    """Adds the commands."""
    add_command(
        commands,
        "datasets",
        list_datasets,
        "list the datasets in the bucket, each with its champion and how good that is",
        needs_dataset=False,
    )
    add_command(commands, "versions", list_versions, "list what is published, newest first")
    show = add_command(
        commands,
        "show",
        show_version,
        "print a version's manifest",
        "examples:\n  recsys show champion\n  recsys show 20261124T030000Z-1a2b3c4d --json",
    )
    show.add_argument("version", help="a version, or champion")
    add_command(commands, "history", show_history, "list the moves of the champion's pointer")
    _add_promote(commands)
    _add_rollback(commands)
    add_command(
        commands,
        "deliver",
        deliver_moves,
        "tell the promotion webhook of the champion's moves that it has not taken yet",
        "The service is RECSYS_PROMOTION_WEBHOOK; RECSYS_PROMOTION_SECRET signs what it gets. Each run, and each\n"
        "promotion or rollback by hand, does the same. Exit code 4 when something still waits.\n\n"
        "example:\n  recsys deliver --dataset movielens",
    )
    _add_gc(commands)
    verify = add_command(
        commands,
        "verify",
        verify_version,
        "download a version as a consumer would, check every file, replay the golden queries",
        "Exits with 3 and names the file when one differs.\n\nexample:\n  recsys verify champion",
    )
    verify.add_argument("version", help="a version, or champion")


def _add_promote(commands: Subcommands) -> None:
    parser = add_command(
        commands,
        "promote",
        promote_version,
        "point the champion at a published version",
        "Every file of the version is checked first. A version that the gate rejected needs --force and\n"
        "a --reason, which the pointer keeps; one that is older than the champion needs --older.\n\n"
        "examples:\n  recsys promote 20261124T030000Z-1a2b3c4d\n"
        "  recsys promote 20261117T030000Z-5e6f7a8b --older\n"
        "  recsys promote 20261124T030000Z-1a2b3c4d --channel canary\n"
        '  recsys promote 20261124T030000Z-1a2b3c4d --force --reason "hotfix of the catalogue"',
    )
    parser.add_argument("version")
    parser.add_argument("--force", action="store_true", help="although the gate rejected it")
    parser.add_argument("--older", action="store_true", help="although the champion is newer")
    parser.add_argument(
        "--channel",
        choices=("champion", "canary", "shadow"),
        default="champion",
        help="which pointer moves; a canary or shadow wakes no DAG (default: champion)",
    )
    parser.add_argument("--reason", default="", help="why; kept in the pointer and in history")
    parser.add_argument("--by", default="", help="who promotes (default: the user's name)")


def _add_rollback(commands: Subcommands) -> None:
    parser = add_command(
        commands,
        "rollback",
        roll_back,
        "point the champion back at its predecessor",
        "A repeat changes nothing: what is rolled back is the version that --from names. Without it that is\n"
        "the champion, unless the champion itself came by a rollback.\n\n"
        'examples:\n  recsys rollback --reason "odd movies on page one"\n'
        "  recsys rollback --from 20261124T030000Z-1a2b3c4d",
    )
    parser.add_argument(
        "--from", dest="undo", metavar="VERSION", help="go back from this version, and no other"
    )
    parser.add_argument("--reason", default="", help="why; kept in the pointer and in history")
    parser.add_argument("--by", default="", help="who rolls back (default: the user's name)")


def _add_gc(commands: Subcommands) -> None:
    parser = add_command(
        commands,
        "gc",
        collect,
        "remove old versions, what crashed publishers left, old runs' files and batches",
        "Never the champion, its predecessor, or what a pointer named within --older-than. What these keys\n"
        "may not remove is named at the end, with exit code 3; the rest is removed all the same.\n\n"
        "example:\n  recsys gc --keep 5 --older-than 30d --dry-run",
    )
    parser.add_argument("--keep", type=_count, required=True, help="newest versions that stay")
    parser.add_argument(
        "--older-than",
        type=_age,
        default=timedelta(days=14),
        metavar="AGE",
        help="remove nothing younger, such as 12h or 30d (default: 14d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def list_datasets(_: Namespace) -> Answer:
    """``recsys datasets``."""
    from recsys_tasks.publish.naming import dataset_names

    store = open_store()
    document = [_dataset(store, name) for name in dataset_names(store)]
    return Answer(document, _datasets_table(document))


def list_versions(arguments: Namespace) -> Answer:
    """``recsys versions``."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.artifacts.versions import list_manifests
    from recsys_tasks.publish.publisher import refusals

    store = open_store()
    _refuse_unknown(store, arguments.dataset)
    pointer = read_pointer(store, arguments.dataset)
    champion = pointer.version if pointer else None
    refused = refusals(store, arguments.dataset)
    document = [
        {
            "version": manifest.version,
            "champion": manifest.version == champion,
            "accepted": manifest.gate.accepted and manifest.version not in refused,
            "refused": refused.get(manifest.version),
            "metrics": manifest.metrics.get("test_served", {}),
        }
        for manifest in list_manifests(store, arguments.dataset)
    ]
    return Answer(document, _versions_table(document, arguments.dataset))


def show_version(arguments: Namespace) -> Answer:
    """``recsys show``."""
    from recsys_tasks.artifacts.versions import read_manifest

    store = open_store()
    version, sha256 = _resolve(store, arguments)
    manifest = read_manifest(store, arguments.dataset, version, sha256).model_dump(mode="json")
    return Answer(manifest, json.dumps(manifest, ensure_ascii=False, indent=2))


def show_history(arguments: Namespace) -> Answer:
    """``recsys history``."""
    from recsys_tasks.publish.history import history

    store = open_store()
    _refuse_unknown(store, arguments.dataset)
    moves = [move.model_dump(mode="json") for move in history(store, arguments.dataset)]
    lines = [
        f"{move['move']:>4}  {move['moved_at']}  {move['version']}  by {move['promoted_by']}"
        + ("  FORCED" if move["forced"] else "")
        + (f"  ({move['reason']})" if move["reason"] else "")
        for move in moves
    ]
    return Answer(moves, "\n".join(lines) or f"{arguments.dataset} never had a champion")


def promote_version(arguments: Namespace) -> Answer:
    """``recsys promote``."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.publish.channels import promote
    from recsys_tasks.publish.postgres_export import tables_follow

    store, database, dataset = open_store(), _database(), arguments.dataset
    if arguments.channel != "champion":
        return _point_channel(store, _lock(database, dataset), arguments)
    before = read_pointer(store, dataset)
    pointer = promote(
        store,
        _lock(database, dataset),
        dataset,
        arguments.version,
        by=arguments.by or _who(),
        reason=arguments.reason,
        force=arguments.force,
        older=arguments.older,
        follow=tables_follow(database, store),
    )
    again = f"recsys promote {arguments.version} --dataset {dataset}"
    return _moved(store, dataset, before, pointer, again)


def _point_channel(
    store: "ObjectStore", lock: AbstractContextManager[object], arguments: Namespace
) -> Answer:
    from recsys_tasks.publish.side_channels import point

    channel, by = arguments.channel, arguments.by or _who()
    wanted = (arguments.dataset, channel, arguments.version, by, arguments.reason)
    pointer = point(store, lock, *wanted, force=arguments.force)
    document = {"dataset": arguments.dataset, "channel": channel, **pointer.model_dump(mode="json")}
    return Answer(document, f"the {channel} of {arguments.dataset} is {pointer.version}")


def roll_back(arguments: Namespace) -> Answer:
    """``recsys rollback``."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.publish.channels import rollback
    from recsys_tasks.publish.postgres_export import tables_follow

    store, database, dataset = open_store(), _database(), arguments.dataset
    before = read_pointer(store, dataset)
    undo = arguments.undo or _champion_to_undo(store, dataset, before)
    pointer = rollback(
        store,
        _lock(database, dataset),
        dataset,
        undo,
        by=arguments.by or _who(),
        reason=arguments.reason,
        follow=tables_follow(database, store),
    )
    return _moved(
        store, dataset, before, pointer, f"recsys rollback --from {undo} --dataset {dataset}"
    )


def deliver_moves(arguments: Namespace) -> Answer:
    """``recsys deliver``."""
    from recsys_tasks.errors import SettingsError
    from recsys_tasks.publish.outbox import SECRET, WEBHOOK, deliver

    if not os.environ.get(WEBHOOK):
        raise SettingsError(f"{WEBHOOK} is not set: it names the service, and {SECRET} signs")
    found = deliver(open_store(), arguments.dataset)
    words = found.sentence() or found.failure or "every move is delivered"
    return Answer(asdict(found), words, 4 if found.waiting or found.failure else 0)


def collect(arguments: Namespace) -> Answer:
    """``recsys gc``."""
    from recsys_tasks.errors import PermanentError
    from recsys_tasks.publish.retention import gc

    done = gc(
        open_store(),
        _lock(_database(), arguments.dataset),
        arguments.dataset,
        arguments.keep,
        arguments.older_than,
        arguments.dry_run,
    )
    removed = [
        {"prefix": r.prefix, "kind": r.kind, "reason": r.reason, "bytes": r.bytes}
        for r in done.removed
    ]
    kept = [{"version": version, "reason": reason} for version, reason in done.kept]
    verb = "would remove" if done.dry_run else "removed"
    lines = [f"kept      {entry['version']}: {entry['reason']}" for entry in kept]
    lines += [f"{verb} {r['kind']} {r['prefix']}: {r['reason']}, {r['bytes']} B" for r in removed]
    refused = [{"prefix": r.prefix, "kind": r.kind, "reason": said} for r, said in done.refused]
    lines += [complaint] if (complaint := done.complaint()) else []
    document = {"dry_run": done.dry_run, "kept": kept, "removed": removed, "refused": refused}
    text = "\n".join(lines) or "there is nothing in the bucket"
    return Answer(document, text, PermanentError.exit_code if refused else 0)


def verify_version(arguments: Namespace) -> Answer:
    """``recsys verify``."""
    from recsys_tasks.publish.publisher import verdict_kept
    from recsys_tasks.publish.verify import verify

    store = open_store()
    version, sha256 = _resolve(store, arguments)
    with verdict_kept(store, arguments.dataset, version):
        done = verify(store, arguments.dataset, version, sha256)
    text = (
        f"{done.dataset} {done.version} is whole: {done.files} files, {done.bytes:,} bytes, "
        f"{done.queries} golden queries answered alike\nmanifest sha256 {done.manifest_sha256}"
    )
    return Answer(asdict(done), text)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return f"uid {os.getuid()}"


def _database() -> "Database":
    from recsys_tasks.config.connections import Connections
    from recsys_tasks.data.db.postgres import Database

    return Database(Connections.find().database_url())


def _lock(database: "Database", dataset: str) -> AbstractContextManager[object]:
    from recsys_tasks.publish.pointer_move import lock_name

    return database.advisory_lock(lock_name(dataset))


def _champion_to_undo(store: "ObjectStore", dataset: str, champion: "Pointer | None") -> str:
    """The champion, for a rollback that names no version; refused right after another rollback.

    Raises:
        NotFound: there is no champion.
        PublishConflict: the champion came by a rollback, of which this may be the repeat.
    """
    from recsys_tasks.errors import NotFound, PublishConflict
    from recsys_tasks.publish.history import gone_back_from

    if champion is None:
        raise NotFound(f"{dataset} has no champion yet")
    if left := gone_back_from(store, dataset, champion):
        raise PublishConflict(
            f"the champion of {dataset} went back from {left} to {champion.version} already, at "
            f"{champion.moved_at}; to go further back: recsys rollback --from {champion.version}"
        )
    return champion.version


def _resolve(store: "ObjectStore", arguments: Namespace) -> tuple[str, str | None]:
    """The version named, with the manifest's sha256 when a pointer gives one."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.publish.naming import named_version

    version = named_version(store, arguments.dataset, arguments.version)
    pointer = read_pointer(store, arguments.dataset) if arguments.version == "champion" else None
    return version, pointer.manifest_sha256 if pointer else None


def _refuse_unknown(store: "ObjectStore", dataset: str) -> None:
    """Refuses a dataset of which the bucket holds nothing, with the names that there are."""
    from recsys_tasks.errors import NotFound
    from recsys_tasks.publish.naming import unknown_dataset

    if said := unknown_dataset(store, dataset):
        raise NotFound(said)


def _dataset(store: "ObjectStore", dataset: str) -> dict[str, Any]:
    """What ``datasets`` says of one."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.artifacts.versions import read_manifest
    from recsys_tasks.publish.naming import version_names

    pointer = read_pointer(store, dataset)
    metrics: Any = read_manifest(store, dataset, pointer.version).metrics if pointer else {}
    popular = (metrics.get("baselines") or {}).get("popular") or {}
    return {
        "dataset": dataset,
        "versions": len(version_names(store, dataset)),
        "champion": pointer.version if pointer else None,
        "promoted_at": pointer.moved_at if pointer else None,
        "precision_at_5": (metrics.get("test_served") or {}).get("precision_at_5"),
        "popular_precision_at_5": (popular.get("test_served") or {}).get("precision_at_5"),
    }


def _datasets_table(document: list[dict[str, Any]]) -> str:
    if not document:
        return "the bucket holds no dataset yet: `recsys demo` makes one, or `recsys train`"
    head = f"{'dataset':<20} {'champion':<26} {'promoted':<21} {'versions':>8} {'precision@5':>12} {'popular list':>13}"
    lines = [
        f"{one['dataset']:<20} {one['champion'] or '-':<26} {one['promoted_at'] or '-':<21} "
        f"{one['versions']:>8} {_digits(one['precision_at_5']):>12} "
        f"{_digits(one['popular_precision_at_5']):>13}"
        for one in document
    ]
    return "\n".join(
        [head, *lines, "precision@5: share of the first five titles that the user liked"]
    )


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _moved(
    store: "ObjectStore", dataset: str, before: "Pointer | None", now: "Pointer", again: str
) -> Answer:
    """What became champion after what, and whether Airflow was told.

    Args:
        again: the command that tells Airflow where this one could not.
    """
    from recsys_tasks.artifacts.versions import read_manifest
    from recsys_tasks.errors import RecsysError
    from recsys_tasks.pipeline.champion_event import send_champion_event
    from recsys_tasks.publish.channels import announcement
    from recsys_tasks.publish.outbox import deliver

    lines = [f"the champion of {dataset} is {now.version}" + _circumstances(before, now)]
    exit_code = 0
    try:
        manifest = read_manifest(store, dataset, now.version, now.manifest_sha256)
        told, how = send_champion_event(announcement(manifest))
        lines.append(how)
    except RecsysError as error:
        told, exit_code = False, 4
        lines.append(f"the DAGs that wait for it were not told: {error}; to tell them: {again}")
    if late := deliver(store, dataset).sentence():
        lines.append(f"{late}; the next run tries again, or recsys deliver --dataset {dataset}")
    document = {"dataset": dataset, **now.model_dump(mode="json"), "airflow_told": told}
    return Answer(document, "\n".join(lines), exit_code)


def _circumstances(before: "Pointer | None", now: "Pointer") -> str:
    forced = ", against the gate's verdict" if now.forced else ""
    if before == now:
        return f"{forced}, as before"
    return f"{forced}, in place of {before.version}" if before else forced


def _versions_table(document: list[dict[str, Any]], dataset: str) -> str:
    if not document:
        return f"{dataset} has no version yet: `recsys train --dataset {dataset}` makes one"
    names = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc")
    lines = [f"  {'version':<26} {'gate':<9}" + "".join(f"{name:>15}" for name in names)]
    for entry in document:
        values = [entry["metrics"].get(name) for name in names]
        cells = "".join(f"{'-' if value is None else format(value, '.4f'):>15}" for value in values)
        gate = "accepted" if entry["accepted"] else "refused" if entry["refused"] else "rejected"
        lines.append(f"{'*' if entry['champion'] else ' '} {entry['version']:<26} {gate:<9}{cells}")
    lines += [f"refused: {e['version']}: {e['refused']}" for e in document if e["refused"]]
    return "\n".join([*lines, "* champion; metrics of the test part as served"])


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 upwards")
    return int(text)


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not an age such as 90m, 12h or 30d")
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})
