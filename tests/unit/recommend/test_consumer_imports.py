"""A consumer's process loads what a version is and what asks it, and nothing that trains or publishes."""

import subprocess
import sys

ABSENT = (
    *(f"recsys_tasks.{name}" for name in ("data", "matrices", "model", "evaluation", "publish")),
    *("recsys_tasks.report", "recsys_tasks.pipeline", "recsys_tasks.devstack", "recsys_tasks.cli"),
    *("recsys_tasks.config.settings", "scipy", "lightfm", "psycopg2", "matplotlib", "sqlalchemy"),
    *("airflow", "numba", "requests", "jinja2", "alembic", "threadpoolctl", "pyarrow"),
)


def test_the_recommender_loads_nothing_that_trains_or_publishes() -> None:
    code = f"""
import sys
import recsys_tasks.recommend.recommender, recsys_tasks.recommend.batch_parts
print([name for name in {ABSENT!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
