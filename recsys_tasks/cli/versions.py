"""What is published: ``datasets``, ``versions``, ``show``, ``history`` and ``verify``."""

import json
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, open_store

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore


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
    verify = add_command(
        commands,
        "verify",
        verify_version,
        "download a version as a consumer would, check every file, replay the golden queries",
        "Exits with 3 and names the file when one differs.\n\nexample:\n  recsys verify champion",
    )
    verify.add_argument("version", help="a version, or champion")


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
