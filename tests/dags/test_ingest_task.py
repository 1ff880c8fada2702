"""The DAG's task ``ingest`` on every shared malformed file: refused for good, or its rows counted."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from airflow.sdk.exceptions import AirflowFailException

from recsys_tasks.connections import StoreAccess
from recsys_tasks.data.postgres import Database

pytestmark = [pytest.mark.airflow, pytest.mark.services]

INDEX = Path(__file__).parents[3] / "shared/bad/index.tsv"
KINDS = list(csv.DictReader(INDEX.open(), delimiter="\t")) if INDEX.is_file() else []


@pytest.fixture
def connections(
    database_url: str, bucket: StoreAccess, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """Airflow's two connections, as variables; the database behind the first."""
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
    monkeypatch.setenv("AIRFLOW_CONN_RECSYS_DB", json.dumps(database))
    monkeypatch.setenv("AIRFLOW_CONN_RECSYS_S3", json.dumps(store))
    return Database(database_url)


def conf(kind: dict[str, str], dataset: str) -> dict[str, object]:
    """What one enters in the form."""
    folder = INDEX.parent
    files = {name: str(folder / "good" / f"{name}.csv") for name in ("movies", "ratings")}
    if kind["role"] == "archive":
        files = {}
    files[kind["role"]] = str(folder / kind["file"])
    return {"dataset": dataset} | {f"source.{name}": value for name, value in files.items()}


def test_each_file_fails_the_task_for_good_or_loads_its_rows(
    connections: Database, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import recsys_train

    import recsys_airflow.current as current

    task = recsys_train.recsys_train().get_task("ingest")
    for number, kind in enumerate(KINDS):
        dataset = f"bad{number}"
        connections.migrate(dataset)
        run = SimpleNamespace(
            conf=conf(kind, dataset),
            dag_id="recsys_train",
            run_id=dataset,
            run_after=datetime(2026, 1, 1, tzinfo=UTC),
        )
        monkeypatch.setattr(current, "get_current_context", lambda run=run: {"dag_run": run})
        if kind["outcome"] == "REJECT":
            with pytest.raises(AirflowFailException, match=kind["file"]):
                task.python_callable()
            assert connections.fetch(f"SELECT FROM {dataset}.movies") == []
            continue
        task.python_callable()
        loaded, aside = connections.fetch(
            "SELECT sum(rows_loaded)::int, sum(rows_rejected)::int"
            f" FROM {dataset}.ingested_files WHERE role = %s OR %s = 'archive'",
            (kind["role"], kind["role"]),
        )[0]
        assert (loaded, aside) == (int(kind["rows_loaded"]), int(kind["rows_aside"])), kind["file"]
