"""Airflow's trigger form and a run's conf, both derived from the settings' model.

A field left at the form's default takes the preset's value; a key that is no setting is refused.
``RECSYS_SETTINGS`` may name a TOML file whose values become the form's defaults.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import Param

from recsys_tasks.errors import SettingsError
from recsys_tasks.publish import keys
from recsys_tasks.settings import PRESETS, Settings

BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "enum")


def settings_form(with_tune: bool = False) -> dict[str, Param]:
    """One field for each setting, by section, with its sentence, bounds and default.

    The section ``tune`` is left out unless asked for: only the search reads it.
    """
    schema = Settings.model_json_schema()
    defaults = _defaults()
    preset = Param(
        "nightly",
        type="string",
        enum=list(PRESETS),
        title="preset",
        section="run",
        description="Starting point; fields left at their default take the preset's value.",
    )
    fields = {
        name: _field(name, spec, defaults[name])
        for name, spec in _leaves(schema, schema)
        if with_tune or not name.startswith("tune.")
    }
    return {"preset": preset, **fields}


def settings_of(conf: Mapping[str, Any] | None) -> Settings:
    """The settings that a run's conf asks for.

    Raises:
        SettingsError: an unknown key, or a value out of bounds; names the field.
    """
    given = dict(conf or {})
    preset = given.pop("preset", None) or "nightly"
    defaults = _defaults()
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise SettingsError(f"no such setting in the run's conf: {', '.join(unknown)}")
    changed = {
        name: value
        for name, value in given.items()
        if value is not None and value != defaults[name]
    }
    return Settings.load(preset, _settings_file(), changed)


def dataset_of(conf: Mapping[str, Any] | None) -> str:
    """The dataset that a run's conf names, or the default one's: known also of a conf that is refused."""
    named = (conf or {}).get("dataset")
    fits = isinstance(named, str) and re.fullmatch(keys.DATASET, named)
    return named if named and fits else str(_defaults()["dataset"])


def _defaults() -> dict[str, Any]:
    return Settings.load("nightly", _settings_file()).flat()


def _settings_file() -> Path | None:
    path = os.environ.get("RECSYS_SETTINGS")
    return Path(path) if path else None


def _leaves(
    node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each setting's dotted name and JSON schema, sections followed through their references."""
    for name, spec in node["properties"].items():
        section = schema["$defs"][spec["$ref"].rpartition("/")[2]] if "$ref" in spec else None
        if section and "properties" in section:
            yield from _leaves(section, schema, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", spec


def _field(name: str, spec: Mapping[str, Any], default: Any) -> Param:
    """A form field. A text that may stay empty is optional, or Airflow's form would insist on it."""
    kind = spec.get("type", "object")
    section = name.rpartition(".")[0] or "run"
    optional = kind == "string" and default == ""
    return Param(
        None if optional else default,
        type=["null", "string"] if optional else kind,
        title=name,
        description=spec.get("description", ""),
        section=section,
        **{bound: spec[bound] for bound in BOUNDS if bound in spec},
    )
