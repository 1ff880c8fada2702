"""Folds of a back-test in a folder: one file each, taken again while all that it follows from is the same."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.evaluation.backtest import Fold

log = logging.getLogger(__name__)


def _name(moment: datetime) -> str:
    return f"fold-{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}.npz"


def keep_fold(folder: Path | None, moment: datetime, print_of: str, fold: Fold) -> None:
    """Keeps a fold for a repeat, whole or not at all; without a folder, nowhere."""
    if folder is None:
        return
    path = folder / _name(moment)
    partial = path.with_name(f".{path.name}")
    said = canonical_json.to_bytes(fold.facts).decode()
    with partial.open("wb") as file:
        arrays = {"fingerprint": np.array(print_of), "facts": np.array(said), "users": fold.users}
        np.savez(file, allow_pickle=False, **arrays, **fold.values)
    partial.replace(path)


def kept_fold(folder: Path | None, moment: datetime, print_of: str) -> Fold | None:
    """The fold of an earlier call, if everything that it follows from is the same."""
    path = None if folder is None else folder / _name(moment)
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["fingerprint"]) != print_of:
                return None
            facts = canonical_json.from_bytes(str(arrays["facts"]).encode(), path.name)
            values = {name: arrays[name] for name in arrays.files if "." in name}
            return Fold(facts, arrays["users"], values)
    except (OSError, ValueError, KeyError) as error:
        log.warning("%s is damaged and is computed again: %s", path, error)
        return None
