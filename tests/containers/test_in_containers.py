"""docker-compose.yaml, started: to a champion, upgraded, stopped in a training, down and up, on workers.

The tests are the life of one installation, in this order. The base images are stand-ins, made on the spot:
docs/docker.md says what is real in them.
"""

import re
import shutil
from pathlib import Path

import pytest
import requests
from compose_project import CLONE, DAG, OWNER, ComposeProject, add_to_env

from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.errors import PermanentError
from recsys_tasks.pipeline.airflow_api import TriggeredRun

pytestmark = [pytest.mark.containers, pytest.mark.slow("containers")]

LONG = {
    "train.epochs": 60,
    "train.components": 256,
    "train.patience": 0,
    "train.refit": False,
    "train.threads": 1,
    "gate.min_popular_ratio": 0.5,
}
"""A training long enough for a stop to find it at work, which fits too closely for the usual gate."""
KILLED = 137
"""Exit code of a container that did not end in the time it was given."""

PREVIOUS = Path(__file__).parents[1] / "data/compose/previous.yaml"
"""The compose file that an older installation has."""

VOLUMES = ["recsys_airflow-logs", "recsys_postgres-data", "recsys_store-data"]


def champion(installation: ComposeProject, dataset: str = "movielens") -> str:
    """Version that a consumer is pointed to, read with a consumer's keys."""
    pointer = read_pointer(installation.bucket("CONSUMER"), dataset)
    assert pointer is not None
    return pointer.version


def test_the_first_up_and_a_run_on_real_ratings_end_in_a_champion(
    installation: ComposeProject,
) -> None:
    """Started by the previous compose file, so that the next test has something to upgrade."""
    shutil.copy(PREVIOUS, installation.folder / "docker-compose.yaml")
    installation.up()
    assert installation.ended(installation.trigger("first")) == "success"
    assert champion(installation)


def test_an_upgrade_keeps_the_data_and_runs_on_to_the_next_champion_with_logs_in_the_bucket(
    installation: ComposeProject,
) -> None:
    before = champion(installation)
    untagged = installation.docker("images", "--quiet", "--filter", "dangling=true")
    shutil.copy(CLONE / "docker-compose.yaml", installation.folder)
    installation.up()
    assert champion(installation) == before
    run = installation.trigger("upgraded", **{"train.seed": 7, "gate.max_champion_loss": 1})
    assert installation.ended(run) == "success"
    assert champion(installation) > before
    assert {task.state for task in installation.api.tasks(run)} == {"success"}
    check_logs(installation, run)
    assert installation.docker("images", "--quiet", "--filter", "dangling=true") == untagged


def check_logs(installation: ComposeProject, run: TriggeredRun) -> None:
    """Each task's log lies in the bucket, is what the API gives, and warns of no file pattern."""
    for task in installation.api.tasks(run):
        place = f"airflow-logs/dag_id={DAG}/run_id={run.run_id}/task_id={task.name}/"
        bucket = installation.bucket("PUBLISHER")
        text = "".join(bucket.get(one.key).decode() for one in bucket.list(place))
        assert "::group::Post Execute" in text, f"{task.name}'s log is not whole"
        assert "GitWildMatchPattern" not in text
        assert installation.api.log_lines(run, task)


def test_nobody_sees_a_page_and_a_consumer_writes_nothing(installation: ComposeProject) -> None:
    for page in ("/recsys/", "/recsys/run", "/api/v2/dags"):
        assert requests.get(installation.url + page).status_code == 401
    with pytest.raises(PermanentError, match="403 AccessDenied"):
        installation.bucket("CONSUMER").put("movielens/channels/champion.json", b"{}")


def test_the_folder_of_the_data_stays_its_owners(
    installation: ComposeProject,
) -> None:
    assert (installation.folder / "data").stat().st_uid == OWNER


def test_a_training_that_is_stopped_keeps_its_epoch_and_is_finished_after_the_next_up(
    installation: ComposeProject,
) -> None:
    stop_and_go_on(installation, "stopped", "airflow-scheduler")


def stop_and_go_on(installation: ComposeProject, name: str, service: str, **files: str) -> None:
    """A run whose training is stopped with the service that does it, and that must succeed all the same."""
    run = installation.trigger(name, dataset=name, **LONG, **files)
    installation.wait_for_words(run, "train", "epoch 3 of")
    installation.compose("stop", service)
    assert installation.exit_code(service) != KILLED
    kept = re.findall(r"checkpoint after epoch (\d+):", installation.log(run, "train", 1))
    installation.up()
    assert installation.ended(run) == "success"
    assert f"resuming after epoch {kept[-1]} of" in installation.log(run, "train", 2)
    assert champion(installation, name)


def test_restart_and_down_and_up_keep_the_data_and_leave_no_volume_more(
    installation: ComposeProject,
) -> None:
    before = champion(installation)
    installation.compose("restart")
    installation.compose("down")
    assert installation.docker("volume", "ls", "--quiet") == VOLUMES
    assert installation.docker("ps", "--all", "--quiet") == []
    installation.up()
    assert champion(installation) == before


def test_with_the_workers_profile_in_env_a_stopped_training_is_finished_and_down_ends_all(
    installation: ComposeProject,
) -> None:
    placement = '{"train": {"queue": "train"}, "attempt": {"queue": "train"}}'
    lines = {"COMPOSE_PROFILES": "celery", "AIRFLOW_EXECUTOR": "CeleryExecutor"}
    add_to_env(installation.folder, **lines, RECSYS_PLACEMENT=f"'{placement}'")
    files = {}
    for name in ("movies", "ratings"):
        key = f"input/{name}.csv"
        installation.bucket("PUBLISHER").upload_file(installation.folder / f"data/{name}.csv", key)
        files[f"source.{name}"] = f"s3://recsys/{key}"
    installation.up()
    stop_and_go_on(installation, "workers", "airflow-train-worker", **files)
    installation.compose("down")
    assert installation.docker("ps", "--all", "--quiet") == []
    assert installation.docker("volume", "ls", "--quiet") == sorted([*VOLUMES, "recsys_redis-data"])
