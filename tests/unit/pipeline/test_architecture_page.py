"""docs/architecture.md names every folder, every step and every file of a run, as the code declares them."""

import re
from pathlib import Path

from recsys_tasks.pipeline import run_files
from recsys_tasks.pipeline.run_files import RunFile
from recsys_tasks.pipeline.step_list import ORDER

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
ONE_RUN = PAGE.partition("## One run")[2].partition("## Retries")[0]
STEPS = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", ONE_RUN, flags=re.MULTILINE))
"""Of each step: what the page says it writes."""


def test_every_folder_of_the_core_has_a_row() -> None:
    folders = {path.parent.name for path in (PROJECT / "recsys_tasks").glob("*/__init__.py")}
    assert folders
    assert folders <= set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))


def test_the_steps_are_those_of_the_pipeline_in_order() -> None:
    rows = [name for name in STEPS if name in {*ORDER, "report"}]
    assert tuple(rows) == (*ORDER, "report")


def test_every_file_of_a_run_stands_in_the_row_of_its_step() -> None:
    files = [value for value in vars(run_files).values() if isinstance(value, RunFile)]
    assert files
    for file in files:
        if file.step in STEPS:
            assert f"`{file.name}`" in STEPS[file.step], file.name
