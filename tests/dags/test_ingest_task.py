"""The DAG's task ``ingest`` on the malformed files of tests/data/bad, run by Airflow's own supervisor and runner.

One process runs it for all files, each try in a process of its own as on a worker; what is looked at
is the state in Airflow's database, the try's log file, and the tables.
"""

import csv
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.devstack.postgres import create_database, drop_database

pytestmark = [pytest.mark.airflow, pytest.mark.services]

BAD = Path(__file__).parents[1] / "data/bad"
KINDS = list(csv.DictReader((BAD / "index.tsv").open(), delimiter="\t"))
REFUSED = [kind for kind in KINDS if kind["outcome"] == "REJECT"]
TAKEN = list({kind["outcome"]: kind for kind in KINDS if kind not in REFUSED}.values())
"""One of each outcome; ``test_malformed_files`` has all of them, by the same function."""

RETRIES = 3
"""Of every task of the DAG, so that a file that is refused would have had more tries."""


def connections(database_url: str, bucket: StoreAccess) -> dict[str, str]:
    """Airflow's two connections, as variables."""
    url = urlsplit(database_url)
    database = {
        "conn_type": "postgres",
        "host": url.hostname,
        "port": url.port,
        "login": url.username,
        "password": url.password,
        "schema": url.path[1:],
    }
    store = {
        "conn_type": "aws",
        "login": bucket.access_key,
        "password": bucket.secret_key,
        "extra": {"endpoint_url": bucket.endpoint, "bucket": bucket.bucket},
    }
    return {
        "AIRFLOW_CONN_RECSYS_DB": json.dumps(database),
        "AIRFLOW_CONN_RECSYS_S3": json.dumps(store),
    }


def conf(kind: dict[str, str], dataset: str) -> dict[str, object]:
    """What one enters in the form."""
    files = {name: str(BAD / "good" / f"{name}.csv") for name in ("movies", "ratings")}
    if kind["role"] == "archive":
        files = {}
    files[kind["role"]] = str(BAD / kind["file"])
    return {"dataset": dataset} | {f"source.{name}": value for name, value in files.items()}


def runs(confs: list[dict[str, object]], variables: dict[str, str]) -> Any:
    """What became of the task ``ingest`` for each conf."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "support/task_runs.py"), "ingest"],
        input=json.dumps(confs),
        env=os.environ | variables | {"AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ran(
    postgres_url: str,
    s3: StoreAccess,
    project: Path,
    make_home: Callable[[], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Database, list[Any]]]:
    """The database, and what became of the task for each file refused, a rotten one, and each taken."""
    name = f"task_{secrets.token_hex(6)}"
    create_database(postgres_url, name)
    database = Database(postgres_url.rpartition("/")[0] + f"/{name}")
    for dataset in ("refused", *map(dataset_of, TAKEN)):
        database.migrate(dataset)
    confs = [conf(kind, "refused") for kind in REFUSED]
    confs += [rotten(tmp_path_factory.mktemp("rotten") / "rotten.csv")]
    confs += [conf(kind, dataset_of(kind)) for kind in TAKEN]
    variables = connections(database.url, s3) | {"PYTHONPATH": str(project / "plugins")}
    yield database, runs(confs, variables | make_home())
    drop_database(postgres_url, name)


def dataset_of(kind: dict[str, str]) -> str:
    return kind["file"].partition("_")[0]


def rotten(ratings: Path) -> dict[str, object]:
    """The form with ratings of which too many would be rejected."""
    good = (BAD / "good/ratings.csv").read_bytes()
    ratings.write_bytes(good + b"".join(b"%d,1,9.9,1200000000\r\n" % n for n in range(1, 41)))
    return conf({"role": "ratings", "file": str(ratings)}, "refused")


def test_a_refused_file_fails_the_task_at_once_with_the_reason_last_in_its_log(ran):
    database, found = ran
    names = [*(kind["file"] for kind in REFUSED), "rotten.csv"]
    for name, run in zip(names, found[: len(names)], strict=True):
        assert (run["state"], run["tries"], run["more_tries"]) == ("failed", 1, RETRIES), name
        assert name in run["failure"]
        assert run["failure"] in said_last(run["log"])
    assert "40 of 100 rows would be rejected" in said_last(found[len(REFUSED)]["log"])
    assert database.fetch("SELECT FROM refused.movies UNION ALL SELECT FROM refused.ratings") == []


def test_any_other_file_has_its_good_rows_loaded_and_the_others_counted(ran):
    database, found = ran
    for kind, run in zip(TAKEN, found[len(REFUSED) + 1 :], strict=True):
        assert (run["state"], run["tries"], run["failure"]) == ("success", 1, None), kind["file"]
        counts = database.fetch(
            "SELECT sum(rows_loaded)::int, sum(rows_rejected)::int"
            f" FROM {dataset_of(kind)}.ingested_files WHERE role = %s OR %s = 'archive'",
            (kind["role"], kind["role"]),
        )
        assert counts == [(int(kind["rows_loaded"]), int(kind["rows_aside"]))], kind["file"]


def said_last(log: list[str]) -> str:
    """The log's last line but Airflow's marks of groups."""
    return next(line for line in reversed(log) if not line.startswith("::"))
