"""Which version consumers get: ``promote``, ``rollback`` and ``deliver``."""

import getpass
import os
from argparse import Namespace
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING

from recsys_tasks.cli import (
    Answer,
    Subcommands,
    add_command,
    open_database,
    open_store,
    pointer_lock,
)

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.artifacts.pointer import Pointer


def add_commands(commands: Subcommands) -> None:
    """Adds the commands."""
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


def promote_version(arguments: Namespace) -> Answer:
    """``recsys promote``."""
    from recsys_tasks.artifacts.pointer import read_pointer
    from recsys_tasks.publish.channels import promote
    from recsys_tasks.publish.postgres_export import tables_follow

    store, database, dataset = open_store(), open_database(), arguments.dataset
    if arguments.channel != "champion":
        return _point_channel(store, pointer_lock(database, dataset), arguments)
    before = read_pointer(store, dataset)
    pointer = promote(
        store,
        pointer_lock(database, dataset),
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

    store, database, dataset = open_store(), open_database(), arguments.dataset
    before = read_pointer(store, dataset)
    undo = arguments.undo or _champion_to_undo(store, dataset, before)
    pointer = rollback(
        store,
        pointer_lock(database, dataset),
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


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return f"uid {os.getuid()}"


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
