"""The list of environment variables is what the code reads, no more and no less."""

import re
from pathlib import Path

from recsys_tasks.config.environment import VARIABLES

PROJECT = Path(__file__).parents[3]
READ = re.compile(r"""["'](RECSYS_[A-Z0-9_]+[A-Z0-9])["']""")
NOT_READ = {"RECSYS_EXECUTOR"}
"""Keys of the embedded stack's ``env.json``."""


def read_by_the_code() -> set[str]:
    files = [
        path
        for folder in ("recsys_tasks", "plugins", "dags")
        for path in (PROJECT / folder).rglob("*.py")
        if path.name != "environment.py"
    ]
    return {name for path in files for name in READ.findall(path.read_text(encoding="utf-8"))}


def test_every_variable_that_the_code_reads_is_listed() -> None:
    listed = {variable.name for variable in VARIABLES}
    assert read_by_the_code() - NOT_READ <= listed


def test_every_variable_that_is_listed_is_read() -> None:
    elsewhere = (PROJECT / "scripts" / "setup").read_text() + (PROJECT / "Makefile").read_text()
    plugins = "".join(p.read_text() for p in (PROJECT / "plugins").rglob("*.py"))
    for variable in VARIABLES:
        name = variable.name
        found = name in read_by_the_code() or name in elsewhere
        connection = name.startswith(("AWS_", "AIRFLOW_CONN_"))
        assert found or connection or name in plugins, name


def test_each_is_listed_once() -> None:
    names = [variable.name for variable in VARIABLES]
    assert len(names) == len(set(names))
