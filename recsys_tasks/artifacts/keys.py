"""Where everything lies in the bucket; every key is made here and nowhere else.

<dataset>/runs/<version>/…            intermediate files of one run; expire
<dataset>/versions/<version>/…        immutable; exists only when manifest.json does
<dataset>/batch/<version>/…           all users' lists from a version; complete when manifest.json is there
<dataset>/policy.json                 what must not be shown, whatever the model says
<dataset>/channels/champion.json      the pointer that consumers follow
<dataset>/channels/history/<n>.json   each move of the pointer
<dataset>/channels/outbox/champion.json  how far the moves were told to the promotion webhook
<dataset>/channels/refused/<version>.json  why a version's verification failed, if it last did
"""

import re

from recsys_tasks.errors import SettingsError

DATASET = r"^[a-z][a-z0-9_]{0,62}$"
VERSION = r"^[0-9A-Za-z][0-9A-Za-z_-]{0,79}$"
CHANNEL = r"^[a-z][a-z0-9_]{0,30}$"

MANIFEST = "manifest.json"
"""The file that makes a version: it is written last, and without it there is no version."""


def is_dataset(name: str) -> bool:
    """Whether a dataset can have this name."""
    return re.fullmatch(DATASET, name) is not None


def runs(dataset: str, version: str) -> str:
    """Prefix of a run's intermediate files, with its slash."""
    return f"{_checked(DATASET, dataset, 'dataset')}/runs/{check_version(version)}/"


def all_runs(dataset: str) -> str:
    """Prefix of the files of all runs of a dataset, with its slash."""
    return f"{_checked(DATASET, dataset, 'dataset')}/runs/"


def versions(dataset: str) -> str:
    """Prefix of all versions of a dataset, with its slash."""
    return f"{_checked(DATASET, dataset, 'dataset')}/versions/"


def version(dataset: str, version: str) -> str:
    """Prefix of one version's files, with its slash."""
    return f"{versions(dataset)}{check_version(version)}/"


def batches(dataset: str) -> str:
    """Prefix of all batches of a dataset, with its slash."""
    return f"{_checked(DATASET, dataset, 'dataset')}/batch/"


def batch(dataset: str, version: str, k: int, format: str) -> str:
    """Prefix of the lists of length ``k`` that a version gives all users, with its slash."""
    return f"{batches(dataset)}{check_version(version)}/k{k}-{format}/"


def manifest(dataset: str, version_name: str) -> str:
    """Key of a version's manifest."""
    return version(dataset, version_name) + MANIFEST


def policy(dataset: str) -> str:
    """Key of a dataset's policy."""
    return f"{_checked(DATASET, dataset, 'dataset')}/policy.json"


def pointer(dataset: str, channel: str = "champion") -> str:
    """Key of a channel's pointer."""
    return f"{channels(dataset)}{_checked(CHANNEL, channel, 'channel')}.json"


def channels(dataset: str) -> str:
    """Prefix of all pointers of a dataset and their history, with its slash."""
    return f"{_checked(DATASET, dataset, 'dataset')}/channels/"


def history(dataset: str) -> str:
    """Prefix of the champion's moves, with its slash."""
    return f"{channels(dataset)}history/"


def outbox(dataset: str) -> str:
    """Key of what is known of the delivery of the champion's moves."""
    return f"{channels(dataset)}outbox/champion.json"


def refusals(dataset: str) -> str:
    """Prefix of what verification found against versions, with its slash."""
    return f"{channels(dataset)}refused/"


def check_version(version: str) -> str:
    """The version's name itself.

    Raises:
        SettingsError: it is not a name that a version can have (letters, digits, ``-`` and ``_``).
    """
    return _checked(VERSION, version, "version")


def _checked(pattern: str, name: str, what: str) -> str:
    if not re.fullmatch(pattern, name) or name.endswith("\n"):
        raise SettingsError(f"{name!r} is not the name of a {what}: expected {pattern}")
    return name
