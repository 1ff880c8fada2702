"""Settings by their names of today, whichever name they were given by."""

import logging
from collections.abc import Mapping
from typing import Any

from recsys_tasks.errors import SettingsError

log = logging.getLogger(__name__)

RENAMED = {
    "positives.liked_from": "positives.weak_threshold",
    "positives.liked_weight": "positives.weak_weight",
    "train.anchor_every": "train.full_retrain_every",
}
"""Names of the release before and what they are now. The next release refuses them."""


def with_new_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings, ``{"section.field": value}``, by their names of today.

    Raises:
        SettingsError: one setting is given by both of its names.
    """
    for old in sorted(RENAMED.keys() & given.keys()):
        if RENAMED[old] in given:
            raise SettingsError(f"{old} is the old name of {RENAMED[old]}: give only the new one")
    return {RENAMED.get(name, name): value for name, value in given.items()}


def warn_of_old_names(given: Mapping[str, Any]) -> None:
    """Logs each name that the next release will refuse, with the name to write in its place."""
    for old in sorted(RENAMED.keys() & given.keys()):
        log.warning("%s is now %s; the next release refuses the old name", old, RENAMED[old])
