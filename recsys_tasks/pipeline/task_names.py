"""Names of the DAGs' tasks, read from files without importing them."""

import ast
import json
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

PLACEMENT = "RECSYS_PLACEMENT"


def task_names(dags: Path) -> set[str]:
    """Names of the functions under ``@step(...)`` in the project's own flows and in a DAGs folder."""
    return {
        node.name
        for folder in (*_flows(), dags)
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.FunctionDef) and any(map(_is_step, node.decorator_list))
    }


def misplaced(placement: str, dags: Path) -> str:
    """What is wrong with the names in a placement, as one sentence; empty when nothing is.

    Args:
        placement: the variable's value, a JSON object; other JSON is for others to refuse.
        dags: the DAGs folder.

    Raises:
        ValueError: it is not JSON.
    """
    known, placed = task_names(dags), json.loads(placement)
    unknown = sorted(set(placed) - known) if isinstance(placed, dict) else []
    if not unknown:
        return ""
    named = ", ".join(name + _meant(name, known) for name in unknown)
    return f"{PLACEMENT} names no task of the DAGs in {dags}: {named}"


def _flows() -> list[Path]:
    """Where the tasks of the project's DAGs are written; nothing where the package is not installed."""
    package = find_spec("recsys_airflow")
    places = package.submodule_search_locations if package else None
    return [Path(place) / "flows" for place in places or ()]


def _is_step(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else None
    return "step" in (getattr(called, "id", ""), getattr(called, "attr", ""))


def _meant(name: str, known: set[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f" (is {close[0]} meant?)" if close else ""
