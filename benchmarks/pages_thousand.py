"""Times the page of a dataset with 1,000 versions and 1,000 runs.

    .venv/bin/python -m benchmarks.pages_thousand [--versions 1000]

A real S3 server on loopback holds the manifests of published versions, a quarter of them rejected runs;
Airflow's own application answers, asked in this process, so that CPU seconds are the page's, without
the S3 server's.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
HOME = tempfile.TemporaryDirectory(prefix="recsys-airflow-home-")
sys.path[:0] = [str(PROJECT / "plugins"), str(PROJECT / "tests" / "support")]
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "vera:viewer",
    "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
    "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
}

from tiny_version import (  # noqa: E402 - Airflow reads the environment above
    DATASET,
    make_version,
    unchecked,
)

from recsys_tasks.artifacts import keys  # noqa: E402
from recsys_tasks.artifacts.object_store import ObjectStore  # noqa: E402
from recsys_tasks.devstack.s3 import start_s3  # noqa: E402
from recsys_tasks.publish import channels, publisher  # noqa: E402

FIRST_NIGHT = datetime(2024, 1, 1, 3, tzinfo=UTC)


def fill(store: ObjectStore, folder: Path, versions: int) -> None:
    """One whole version, its manifest once a night, an outcome for each, the last one promoted."""
    version = f"{FIRST_NIGHT:%Y%m%dT%H%M%SZ}-00000000"
    publisher.publish(store, DATASET, version, folder, make_version(folder, version))
    manifest = store.get_json(keys.manifest(DATASET, version))
    for night in range(1, versions):
        moment = FIRST_NIGHT + timedelta(days=night)
        name = f"{moment:%Y%m%dT%H%M%SZ}-{night:08x}"
        run = {"dag_id": "recsys_train", "run_id": f"n{night}", "run_after": moment.isoformat()}
        manifest |= {"version": name, "run": run}
        store.put_json(keys.manifest(DATASET, name), manifest)
        red = night % 4 == 0
        outcome: dict[str, object] = {
            **run,
            "version": name,
            "verdict": "rejected" if red else "accepted",
        }
        outcome |= {"reason": "gate: too low" if red else "", "metrics": {}}
        store.put_json(keys.runs(DATASET, name) + "outcome.json", outcome)
    channels.promote(store, nullcontext(), DATASET, version, "the benchmark", verify=unchecked)


def client() -> Any:
    """Airflow's application, asked by a viewer."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.db import initdb
    from fastapi.testclient import TestClient

    initdb()
    found = TestClient(create_app(apps="core"))
    user = SimpleAuthManagerUser(username="vera", role="viewer")
    found.cookies["_token"] = get_auth_manager().generate_jwt(user)
    return found


def time_page(viewer: Any, what: str, path: str) -> None:
    """Prints how long a page took, how much CPU, and how large it is."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = viewer.get(path)
    seconds, busy = time.perf_counter() - wall, time.process_time() - cpu
    assert answer.status_code == 200, answer.text
    print(f"{what:24} {seconds:6.2f} s {busy:6.2f} CPU s {len(answer.content) / 1000:7.0f} kB")


def main() -> None:
    """Fills a bucket, asks, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=1000)
    versions = parser.parse_args().versions
    home = Path(HOME.name)
    server = start_s3(home, secrets.token_hex(8), secrets.token_hex(20), "recsys")
    try:
        fill(ObjectStore(server.access), home / "version", versions)
        extra = {"endpoint_url": server.access.endpoint, "bucket": server.access.bucket}
        login = {"login": server.access.access_key, "password": server.access.secret_key}
        os.environ["AIRFLOW_CONN_RECSYS_S3"] = json.dumps(
            {"conn_type": "generic", **login, "extra": extra}
        )
        viewer, page = client(), f"/recsys/datasets/{DATASET}"
        time_page(viewer, "first load", page)
        for _ in range(4):
            time_page(viewer, "later load", page)
        time_page(viewer, "every version", f"{page}?every=true")
        time_page(viewer, "list of datasets", "/recsys/")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
