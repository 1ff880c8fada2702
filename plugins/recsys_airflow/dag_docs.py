"""The page ``docs/dags.md``, made from what the DAGs say of themselves: ``make docs`` writes it.

``python -m recsys_airflow.dag_docs DAGS_FOLDER`` prints it. A test fails when the page is not what
the DAGs say.
"""

import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

from airflow.sdk import CronTriggerTimetable

HEADING = """# The DAGs

Made by `make docs` from the DAGs' own words; do not edit.
"""


def render(dags: Iterable[Any]) -> str:
    """The page of these DAGs, in the order of their names."""
    parts = [HEADING]
    for dag in sorted(dags, key=lambda dag: dag.dag_id):
        parts += [f"## {dag.dag_id}\n", f"{cleandoc(dag.doc_md)}\n", *_tasks(dag), *_form(dag)]
    return "\n".join(parts)


def _tasks(dag: Any) -> Iterator[str]:
    yield f"Schedule: {_schedule(dag)}. One run at a time. Its tasks, in order:\n"
    yield "| task | what it does | ends at the latest after | retries |\n|---|---|---|---|"
    for task in dag.topological_sort():
        limit = task.execution_timeout
        longest = "no limit" if limit is None else f"{limit.total_seconds() / 60:g} min"
        yield f"| `{task.task_id}` | {_line(task.doc_md)} | {longest} | {task.retries} |"
    yield ""


def _form(dag: Any) -> Iterator[str]:
    if not dag.params:
        return
    yield "Fields of its form:\n"
    yield "| field | default | choices | meaning |\n|---|---|---|---|"
    for name in dag.params:
        param = dag.params.get_param(name)
        default = "" if param.value is None else f"`{param.value}`"
        words = _line(param.description).removesuffix(f" Setting {name}.")
        yield f"| `{name}` | {default} | {_choices(param.schema)} | {words} |"
    yield ""


def _choices(schema: dict[str, Any]) -> str:
    return ", ".join(f"`{choice}`" for choice in schema.get("enum", ()) if choice is not None)


def _schedule(dag: Any) -> str:
    if isinstance(dag.timetable, CronTriggerTimetable):
        return f"`{dag.timetable.expression}`, {dag.timetable.timezone}"
    assets = [asset.name for asset in dag.schedule or ()]
    return f"whenever `{assets[0]}` is updated" if assets else "none, started by hand"


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main(folder: Path) -> None:
    """Prints the page of a folder of DAGs."""
    from airflow.dag_processing.dagbag import DagBag

    print(render(DagBag(folder).dags.values()), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
