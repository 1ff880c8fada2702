"""Writes the two reference pages that come from the code: every setting, every command.

``python docs/reference.py`` writes ``configuration.md`` and ``cli.md`` beside this file; ``make docs`` runs it.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys_tasks.cli.main import parser
from recsys_tasks.config.dataset_files import DagSettings
from recsys_tasks.config.environment import VARIABLES
from recsys_tasks.config.settings import PRESETS, Settings

HERE = Path(__file__).parent
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

CONFIGURATION = """# Configuration

Made from the code by `make docs`; do not edit.

A run's settings come from a preset, then a TOML file (`RECSYS_SETTINGS`, or `--settings FILE` on the command
line), then single values (`--set section.field=value`, a field of the form, a key of the run's conf). What is
given later wins. An unknown key, a value out of bounds, or two settings that contradict each other are
refused before the first step works.
"""

CLI = """# Command line

Made from the code by `make docs`; do not edit.
"""


def configuration() -> str:
    """The page of every setting, a table for each section."""
    schema = Settings.model_json_schema()
    sections = [("run", {"dataset": schema["properties"]["dataset"]}, "")]
    for name, spec in schema["properties"].items():
        if "$ref" in spec:
            section = _definition(schema, spec)
            sections.append((name, section["properties"], section.get("description", "")))
    parts = [CONFIGURATION]
    for name, fields, description in sections:
        prefix = "" if name == "run" else f"{name}."
        parts += [f"## {name}\n", f"{_line(description)}\n" if description else "", HEAD]
        parts += [_row(*leaf) for leaf in _leaves(schema, fields, prefix)]
        parts.append("")
    return "\n".join([*parts, *_table_for_airflow(), *_variables()])


def _table_for_airflow() -> Iterator[str]:
    yield "## dag\n"
    yield "For Airflow alone, in a settings file; see [many datasets](datasets.md).\n"
    yield "| field | default | meaning |\n|---|---|---|"
    for name, field in DagSettings.model_fields.items():
        default = f"`{field.default}`" if field.default else ""
        yield f"| `{name}` | {default} | {_line(field.description)} |"
    yield ""


def _variables() -> Iterator[str]:
    yield "## Environment variables\n"
    yield "Compose has a few more, for passwords and ports: `.env.example` lists them.\n"
    yield "| variable | read by | default | meaning |\n|---|---|---|---|"
    for name, read_by, default, meaning in VARIABLES:
        shown = f"`{default}`" if default and " " not in default else default
        yield f"| `{name}` | {read_by} | {shown} | {_line(meaning)} |"
    yield ""


HEAD = "| setting | default | bounds | other presets | meaning |\n|---|---|---|---|---|"


def _leaves(
    schema: Mapping[str, Any], fields: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, spec in fields.items():
        if "$ref" in spec and "properties" in _definition(schema, spec):
            yield from _leaves(schema, _definition(schema, spec)["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", spec


def _definition(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema["$defs"][spec["$ref"].rpartition("/")[2]]
    return found


def _row(name: str, spec: Mapping[str, Any]) -> str:
    default = Settings().flat().get(name, "")
    presets = ", ".join(
        f"{preset} `{values[name]}`" for preset, values in PRESETS.items() if name in values
    )
    shown = "" if default in ("", None) else f"`{default}`"
    return (
        f"| `{name}` | {shown} | {_bounds(spec)} | {presets} | {_line(spec.get('description'))} |"
    )


def _bounds(spec: Mapping[str, Any]) -> str:
    if "enum" in spec:
        return ", ".join(f"`{choice}`" for choice in spec["enum"])
    return ", ".join(f"{sign} {spec[key]:g}" for key, sign in SIGNS.items() if key in spec)


def command_line() -> str:
    """The page of every command, as ``--help`` shows it."""
    os.environ["COLUMNS"] = "100"
    whole = parser()
    parts = [CLI, f"```\n{whole.format_help()}```\n"]
    for name, command in _commands(whole).items():
        parts.append(f"## {name}\n\n```\n{command.format_help()}```\n")
    return "\n".join(parts)


def _commands(whole: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [action] = [each for each in whole._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(action.choices)


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")
    (HERE / "cli.md").write_text(command_line(), encoding="utf-8")
