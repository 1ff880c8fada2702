"""Airflow's trigger form and a run's conf, both derived from the settings' model.

What a conf gives wins over the preset, also where it is the default. A key that is no setting is
refused, and so is what only the deployer may set. ``RECSYS_SETTINGS`` may name a TOML file whose
values become the form's defaults.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Param

from recsys_tasks.artifacts import keys
from recsys_tasks.config.settings import DEPLOYERS, PRESETS, Settings, did_you_mean, settings_file
from recsys_tasks.errors import SettingsError

BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "enum")
EXAMPLES: dict[str, Any] = {
    "gate.rules": [
        {"name": "recall", "metric": "test_served.recall_at_10", "bound": 0.03},
    ]
}
"""What stands in a field's help where its default teaches nothing."""


def settings_form(with_tune: bool = False) -> dict[str, Param]:
    """One field for each setting that a run may choose, by section, with sentence, bounds and default.

    The section ``tune`` is left out unless asked for: only the search reads it.
    """
    schema = Settings.model_json_schema()
    by_preset = {preset: _defaults(preset) for preset in PRESETS}
    preset = Param(
        "nightly",
        type="string",
        enum=list(PRESETS),
        title="preset",
        section="run",
        description="Starting point. A field that is filled in wins over it; an empty one takes its value.",
    )
    fields = {
        name: _field(name, spec, schema, {each: by_preset[each][name] for each in PRESETS})
        for name, spec in _leaves(schema, schema)
        if name not in DEPLOYERS and (with_tune or not name.startswith("tune."))
    }
    return {"preset": preset, **fields}


def settings_of(conf: Mapping[str, Any] | None) -> Settings:
    """The settings that a run's conf asks for; what it gives wins over the preset, and null is not given.

    Raises:
        SettingsError: an unknown key, a value out of bounds, or a setting that only the deployer may
            give; names the field.
    """
    given = {name: value for name, value in (conf or {}).items() if value is not None}
    preset = given.pop("preset", "nightly")
    known = (*_defaults(), "preset")
    unknown = [name + did_you_mean(name, known) for name in sorted(set(given) - set(known))]
    if unknown:
        raise SettingsError(f"no such setting in the run's conf: {', '.join(unknown)}")
    excluded = [name for name in DEPLOYERS if name in given]
    if excluded:
        raise SettingsError(
            f"{', '.join(excluded)}: not from a run's conf, for it decides which code runs where; set it "
            "in the file that RECSYS_SETTINGS names"
        )
    return Settings.load(preset, settings_file(), given)


def dataset_of(conf: Mapping[str, Any] | None) -> str:
    """The dataset that a run's conf names, or the default one's: known also of a conf that is refused."""
    named = (conf or {}).get("dataset")
    fits = isinstance(named, str) and re.fullmatch(keys.DATASET, named)
    return named if named and fits else str(_defaults()["dataset"])


def _defaults(preset: str = "nightly") -> dict[str, Any]:
    return Settings.load(preset, settings_file()).flat()


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


def _field(
    name: str, spec: Mapping[str, Any], schema: Mapping[str, Any], by_preset: Mapping[str, Any]
) -> Param:
    """A form field. Airflow's form insists on a value unless the type may be null.

    Args:
        name: the setting's.
        spec: its JSON schema.
        schema: where references lead.
        by_preset: its default with each preset. Airflow submits every field, so one in which they
            differ begins empty: what stands in it was meant.
    """
    default, differs = by_preset["nightly"], len(set(map(str, by_preset.values()))) > 1
    kind, words = spec.get("type", "object"), spec.get("description", "")
    empty = differs or (kind == "string" and default == "")
    limits = {bound: spec[bound] for bound in BOUNDS if bound in spec}
    if differs:
        words += " Empty: " + ", ".join(f"{preset} {by_preset[preset]}" for preset in PRESETS) + "."
        if "enum" in limits:
            limits["enum"] = [None, *limits["enum"]]
    if kind == "array":
        limits["items"] = _resolved(spec["items"], schema)
        words += f" JSON, such as {json.dumps(EXAMPLES.get(name, default))}."
    return Param(
        None if empty else default,
        type=["null", kind] if empty else kind,
        title=name,
        description=words,
        section=name.rpartition(".")[0] or "run",
        **limits,
    )


def _resolved(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without a reference at its top, which Airflow's form cannot follow."""
    found: Mapping[str, Any] = (
        schema["$defs"][spec["$ref"].rpartition("/")[2]] if "$ref" in spec else spec
    )
    return found
