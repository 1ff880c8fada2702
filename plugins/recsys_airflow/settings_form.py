"""Airflow's trigger form and a run's conf, both derived from the settings' model.

What a conf gives wins over the preset, also where it is the default. A key that is no setting is
refused, and so is what only the deployer may set. The values of the scope's TOML file become the form's
defaults; a DAG of one dataset has no field for it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Param

from recsys_airflow.form_words import BOUNDS, bounds_in_words, order_of, section_of, title_of
from recsys_airflow.scope import Scope, of_another, only_scope
from recsys_tasks.config.redaction import redacted
from recsys_tasks.config.renamed import with_new_names
from recsys_tasks.config.settings import DEPLOYERS, PRESETS, Settings, did_you_mean
from recsys_tasks.errors import SettingsError

EXAMPLES: dict[str, Any] = {
    "gate.rules": [
        {"name": "recall", "metric": "test_served.recall_at_10", "bound": 0.03},
    ],
    "events.weights": {"view": 0.1, "cart": 0.4, "buy": 1},
}
"""What stands in a field's help where its default teaches nothing."""


PRESETS_IN_WORDS = {
    "nightly": "the default",
    "article": "the settings of the article whose model this is",
    "quick": "a small model in a minute, to try things out",
    "spark": "Spark's ALS in place of WARP",
}


def settings_form(scope: Scope | None = None, with_tune: bool = False) -> dict[str, Param]:
    """One field for each setting that a run may choose, in the order and the sections of the form.

    The section ``Search`` is left out unless asked for: only the search reads it.

    Args:
        scope: whose defaults; None: those of ``RECSYS_SETTINGS``.
        with_tune: whether the DAG is the search.
    """
    scope, schema = scope or only_scope(), Settings.model_json_schema()
    by_preset = {preset: _defaults(scope, preset) for preset in PRESETS}
    fields = {
        name: _field(name, spec, schema, {each: by_preset[each][name] for each in PRESETS})
        for name, spec in _leaves(schema, schema)
        if _may_be_chosen(name, scope) and (with_tune or not name.startswith("tune."))
    }
    fields["preset"] = _preset(by_preset)
    return {name: fields[name] for name in sorted(fields, key=order_of)}


def _may_be_chosen(name: str, scope: Scope) -> bool:
    return name not in DEPLOYERS and not (name == "dataset" and scope.dataset)


def _preset(by_preset: Mapping[str, Mapping[str, Any]]) -> Param:
    """The field that names a preset, with what each of them sets."""
    return Param(
        "nightly",
        type="string",
        enum=list(PRESETS),
        title=title_of("preset"),
        description="Starting point: a field that is filled in wins over it. "
        + " ".join(_preset_in_words(preset, by_preset) for preset in PRESETS),
        values_display={
            preset: f"{preset}: {PRESETS_IN_WORDS.get(preset, preset)}" for preset in PRESETS
        },
    )


def _preset_in_words(preset: str, by_preset: Mapping[str, Mapping[str, Any]]) -> str:
    usual = by_preset["nightly"]
    differs = {name: value for name, value in by_preset[preset].items() if value != usual[name]}
    values = ", ".join(f"{name} {value}" for name, value in differs.items())
    return f"{preset}: {values}." if values else f"{preset}: every setting's own default."


def settings_of(conf: Mapping[str, Any] | None, scope: Scope | None = None) -> Settings:
    """The settings that a run's conf asks for; what it gives wins over the preset, and null is not given.

    Args:
        conf: the run's.
        scope: of the run's DAG; None: the one of ``RECSYS_SETTINGS``.

    Raises:
        SettingsError: an unknown key, a value out of bounds, another DAG's dataset, or a setting that
            only the deployer may give; names the field.
    """
    scope = scope or only_scope()
    given = {name: value for name, value in (conf or {}).items() if value is not None}
    preset = given.pop("preset", "nightly")
    known = (*_defaults(scope), "preset")
    unknown = [
        name + did_you_mean(name, known) for name in sorted(set(with_new_names(given)) - set(known))
    ]
    if unknown:
        raise SettingsError(f"no such setting in the run's conf: {', '.join(unknown)}")
    excluded = [name for name in DEPLOYERS if name in given]
    if excluded:
        raise SettingsError(
            f"{', '.join(excluded)}: not from a run's conf, for it decides which code runs where; set it "
            "in the settings file"
        )
    return _of_its_dataset(Settings.load(preset, scope.file, given), scope)


def _of_its_dataset(settings: Settings, scope: Scope) -> Settings:
    if scope.dataset not in (None, settings.dataset):
        raise of_another(str(scope.dataset), settings.dataset)
    return settings


def _defaults(scope: Scope, preset: str = "nightly") -> dict[str, Any]:
    return Settings.load(preset, scope.file).flat()


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
            differ begins empty: what stands in it was meant. So does a text that holds a secret, such as
            an address with a password: the run takes it from the deployer's file.
    """
    default, differs = by_preset["nightly"], len(set(map(str, by_preset.values()))) > 1
    kind = spec.get("type", "object")
    secret = isinstance(default, str) and redacted(default) != default
    empty = differs or secret or (kind == "string" and default == "")
    limits = _limits(spec)
    if differs and "enum" in limits:
        limits["enum"] = [None, *limits["enum"]]
    if kind == "array":
        limits["items"] = _resolved(spec["items"], schema)
    if section := section_of(name):
        limits["section"] = section
    return Param(
        None if empty else default,
        type=["null", kind] if empty else kind,
        title=title_of(name),
        description=" ".join(_help(name, spec, by_preset if differs else {}, default)),
        **limits,
    )


def _limits(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema allows. Numeric bounds stand where Airflow refuses what lies beyond them by
    name; where its form's own field sees them it moves the value to the bound and says nothing."""
    limits = {name: spec[name] for name in ("pattern", "enum") if name in spec}
    if bounds := {bound: spec[bound] for bound in BOUNDS if bound in spec}:
        limits["allOf"] = [bounds]
    return limits


def _help(
    name: str, spec: Mapping[str, Any], by_preset: Mapping[str, Any], default: Any
) -> Iterator[str]:
    """What stands under a field: meaning, bounds, what the presets make of it, and its name."""
    yield " ".join(spec.get("description", "").split())
    if bounds := bounds_in_words(spec):
        yield f"{bounds[0].upper()}{bounds[1:]}."
    if by_preset:
        yield "Empty: " + ", ".join(f"{preset} {by_preset[preset]}" for preset in PRESETS) + "."
    if spec.get("type") in ("array", "object"):
        yield f"JSON, such as {json.dumps(EXAMPLES.get(name, default))}."
    yield f"Setting {name}."


def _resolved(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without a reference at its top, which Airflow's form cannot follow."""
    found: Mapping[str, Any] = (
        schema["$defs"][spec["$ref"].rpartition("/")[2]] if "$ref" in spec else spec
    )
    return found
