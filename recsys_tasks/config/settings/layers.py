"""Where settings come from: presets, a TOML file, assignments; later ones win over earlier ones."""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_tasks.config.renamed import warn_of_old_names, with_new_names
from recsys_tasks.config.settings.refusals import did_you_mean
from recsys_tasks.errors import SettingsError

PRESETS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("presets.toml").read_text(encoding="utf-8")
)
"""Named starting points: for each preset, the settings that differ from the defaults, by dotted name."""

DEPLOYERS = ("spark.master", "spark.options", "spark.exchange")
"""Settings that decide which code runs where: a run's conf may not give them, see ``settings_file``."""

TABLES = ("events.weights",)
"""Settings whose value is a table of names: given whole, not name by name."""


DAG_TABLE = "dag"
"""Table of a settings file that is for Airflow alone: it is no setting of a run."""


def settings_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """The TOML file that ``RECSYS_SETTINGS`` names: the deployer's settings of every run."""
    path = (os.environ if environ is None else environ).get("RECSYS_SETTINGS")
    return Path(path) if path else None


def merged(preset: str, file: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """One tree of a preset, a TOML file and dotted overrides.

    Raises:
        SettingsError: there is no such preset, the file cannot be read, a name goes through a value.
    """
    if preset not in PRESETS:
        raise SettingsError(
            f"there is no preset {preset!r}{did_you_mean(preset, PRESETS)}: choose from "
            f"{', '.join(PRESETS)}"
        )
    tree: dict[str, Any] = {}
    for layer in (PRESETS[preset], _settings_in(file), dict(overrides)):
        leaves = dict(flattened(layer))
        warn_of_old_names(leaves)
        for dotted, value in with_new_names(leaves).items():
            _put(tree, dotted, value)
    return tree


def _settings_in(file: Path | None) -> dict[str, Any]:
    tree = read_toml(file) if file else {}
    return {name: value for name, value in tree.items() if name != DAG_TABLE}


def names_in(file: Path | None, overrides: Mapping[str, Any]) -> frozenset[str]:
    """The dotted names, as of this release, that a TOML file and overrides give a value."""
    layers = (read_toml(file) if file else {}, overrides)
    return frozenset(name for layer in layers for name in with_new_names(dict(flattened(layer))))


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """``["train.epochs=3"]`` as ``{"train.epochs": 3}``; a value that is not JSON is a string.

    Raises:
        SettingsError: an assignment without ``=``.
    """
    overrides = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set takes section.field=value, not {assignment!r}")
        try:
            overrides[key.strip()] = json.loads(text)
        except json.JSONDecodeError:
            overrides[key.strip()] = text
    return overrides


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file's tree.

    Raises:
        SettingsError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def flattened(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """The leaves of a tree of sections, each with its dotted name."""
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        is_section = isinstance(value, Mapping) and f"{prefix}{key}" not in TABLES
        value = dict(value) if isinstance(value, Mapping) else value
        leaves += flattened(value, f"{prefix}{key}.") if is_section else [(f"{prefix}{key}", value)]
    return leaves


def _put(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, field = dotted.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{dotted}: {section} is not a section")
    tree[field] = value
