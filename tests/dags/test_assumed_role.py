"""The whole nightly DAG on a cloud that enforces its policies, by an assumed role, without a static key anywhere."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cloud import REGION, enforced, running_cloud
from small_source import write_source

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import Pointer, read_pointer
from recsys_tasks.config.connections import StoreAccess

pytestmark = [pytest.mark.airflow, pytest.mark.services, pytest.mark.slow("assumed role")]

BUCKET = "team-recommender"
RUN = """
import json, sys
from recsys_airflow.factory import make_dags

dag = make_dags("train")["recsys_train"]
dag.deadline = []  # Airflow's way to run a DAG in one process writes none to its database
run = dag.test(run_conf=json.loads(sys.argv[1]))
print(json.dumps({one.task_id: one.state for one in run.get_task_instances()}))
"""
CONF = {
    "dataset": "team",
    "preset": "quick",
    "train.engine": "recsys",
    "train.components": 4,
    "train.epochs": 3,
    "index.trees": 3,
    "gate.min_popular_ratio": 0.01,
    "gate.min_effective_rank": 0,
    "gate.min_index_recall": 0,
}


@dataclass(frozen=True)
class Outcome:
    """What a run of the DAG came to."""

    states: dict[str, str]
    pointer: Pointer | None
    environment: dict[str, str]
    said: str
    keys_used: set[str]


@pytest.fixture(scope="module")
def outcome(
    postgres_url: str,
    make_home: Callable[[], dict[str, str]],
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    """A run on a machine whose role may only assume the one that the connection names."""
    with running_cloud() as cloud:
        cloud.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        conf = CONF | upload(cloud, tmp_path_factory.mktemp("source"))
        writer, machine = cloud.make_role("publisher", BUCKET), cloud.make_machine("worker")
        cloud.used.clear()
        with cloud.container_role(machine) as variables, enforced():
            environment = (
                environ(postgres_url, cloud.url, writer, project) | variables | make_home()
            )
            done = subprocess.run(
                [sys.executable, "-c", RUN, json.dumps(conf)],
                env=environment,
                cwd=project,
                capture_output=True,
                text=True,
            )
        assert done.returncode == 0, done.stderr[-3000:]
        used = set(cloud.used)
        states = json.loads(done.stdout.splitlines()[-1])
        root = StoreAccess(cloud.url, BUCKET, "root", "root", region=REGION)
        pointer = read_pointer(ObjectStore(root), "team")
    return Outcome(states, pointer, environment, done.stdout + done.stderr, used)


def upload(cloud, folder: Path) -> dict[str, str]:
    """The two files in the bucket; settings that name them."""
    for name, path in write_source(folder).items():
        cloud.client("s3").upload_file(path, BUCKET, f"inbox/{name}.csv")
    return {name: f"s3://{BUCKET}/inbox/{name}.csv" for name in ("source.movies", "source.ratings")}


def environ(postgres_url: str, endpoint: str, role: str, project: Path) -> dict[str, str]:
    """Two connections, of which the bucket's has neither login nor password."""
    url = urlsplit(postgres_url)
    database = {
        "conn_type": "postgres",
        "host": url.hostname,
        "port": url.port,
        "login": url.username,
        "password": url.password,
        "schema": url.path[1:],
    }
    extra = {"endpoint_url": endpoint, "bucket": BUCKET, "role_arn": role, "region_name": REGION}
    return os.environ | {
        "AIRFLOW_CONN_RECSYS_DB": json.dumps(database),
        "AIRFLOW_CONN_RECSYS_S3": json.dumps({"conn_type": "aws", "extra": extra}),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "PYTHONPATH": str(project / "plugins"),
    }


def test_every_task_succeeds_and_the_champion_is_there(outcome: Outcome) -> None:
    assert set(outcome.states.values()) == {"success"}
    assert {"ingest", "publish", "verify", "promote", "report"} <= set(outcome.states)
    assert outcome.pointer is not None


def test_every_request_was_signed_with_temporary_keys(outcome: Outcome) -> None:
    assert outcome.keys_used
    assert {key[:4] for key in outcome.keys_used} == {"ASIA"}


def test_no_static_key_is_configured_and_no_key_is_printed(outcome: Outcome) -> None:
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(outcome.environment)
    assert not re.search(r"\b(AKIA|ASIA)[A-Z0-9]{12,}", outcome.said)
