"""Names of versions as a person gives them: by name, or by what they are for consumers."""

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.config.settings import did_you_mean
from recsys_tasks.errors import NotFound, RecsysError
from recsys_tasks.publish.channels import is_older

CHAMPION, PREVIOUS, CANDIDATE = "champion", "previous", "candidate"
ROLES = (CHAMPION, PREVIOUS, CANDIDATE)
"""Names that follow the pointer: what consumers get, what they got before, the newest that is newer."""


def named_version(store: ObjectStore, dataset: str, name: str) -> str:
    """The version that a name stands for: ``ROLES``, or a version's own name, which must exist.

    Raises:
        NotFound: there is none; the message says what there is.
        SettingsError: the name is none that a version can have.
    """
    if name not in ROLES:
        return _existing(store, dataset, name)
    pointer = read_pointer(store, dataset)
    if name == CANDIDATE:
        return _candidate(store, dataset, pointer.version if pointer else None)
    if pointer is None:
        raise NotFound(
            unknown_dataset(store, dataset)
            or f"{dataset} has no champion yet: recsys promote VERSION makes one of a version"
        )
    if name == CHAMPION:
        return pointer.version
    if pointer.previous is None:
        raise NotFound(f"the champion of {dataset} has no predecessor")
    return pointer.previous


def version_names(store: ObjectStore, dataset: str) -> tuple[str, ...]:
    """Names of the published versions and of what broken publishers left, newest first."""
    return tuple(reversed(store.folders(keys.versions(dataset))))


def dataset_names(store: ObjectStore) -> tuple[str, ...]:
    """The datasets that have anything in the bucket, in order."""
    return tuple(name for name in store.folders("") if keys.is_dataset(name))


def unknown_dataset(store: ObjectStore, dataset: str) -> str:
    """A sentence for a dataset of which the bucket holds nothing: what there is. Empty: it holds some."""
    try:
        known = dataset_names(store)
    except RecsysError:  # these keys may read a dataset and not list the bucket
        return ""
    if dataset in known:
        return ""
    there = f"there are: {', '.join(known)}" if known else "there is none yet"
    return f"there is no dataset {dataset}{did_you_mean(dataset, known)}; {there}"


def _existing(store: ObjectStore, dataset: str, version: str) -> str:
    if store.exists(keys.manifest(dataset, version)):
        return version
    near = did_you_mean(version, (*ROLES, *version_names(store, dataset)))
    raise NotFound(
        unknown_dataset(store, dataset) or f"there is no version {version} of {dataset}{near}"
    )


def _candidate(store: ObjectStore, dataset: str, champion: str | None) -> str:
    for version in version_names(store, dataset):
        newer = champion is None or is_older(champion, version)
        if newer and store.exists(keys.manifest(dataset, version)):
            return version
    raise NotFound(
        unknown_dataset(store, dataset)
        or f"{dataset} has no candidate: no published version is newer than the champion"
    )
