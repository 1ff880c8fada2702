"""What the doctor says of what it finds."""

import os
import subprocess
import sys

import pytest

from recsys_tasks.cli.main import EXTRAS
from recsys_tasks.config.connections import Connections
from recsys_tasks.devstack import doctor, doctor_airflow
from recsys_tasks.pipeline.cost_model import Size, predict


def test_too_little_memory_is_a_warning_with_both_numbers(monkeypatch):
    monkeypatch.setattr(doctor, "available_memory", lambda: 1_000_000_000)
    needed = max(cost.megabytes for cost in predict(Size.like_movielens(25_000_095))) / 1000
    finding = doctor.check_memory(25_000_095)
    assert (finding.state, finding.found) == (
        "warning",
        f"1.0 GB free; 25,000,095 ratings need about {needed:.1f} GB",
    )


def test_time_beyond_what_was_measured_is_called_extrapolated():
    assert "extrapolated" in doctor.check_time(10**9).found
    assert "extrapolated" not in doctor.check_time(10**6).found


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -O3")
    finding = doctor.check_compiler()
    assert (finding.state, finding.found) == ("missing", "no no-such-compiler")


def test_a_database_that_refuses_is_missing_and_one_not_set_is_a_warning():
    (refused,) = doctor.check_database(
        Connections({"RECSYS_DB_URL": "postgresql://a:b@127.0.0.1:1/c"})
    )
    (unset,) = doctor.check_database(Connections({}))
    assert (refused.state, unset.state) == ("missing", "warning")


@pytest.mark.parametrize(
    ("placement", "found"),
    [
        ('{"trian": {"queue": "train"}}', "trian (is train meant?)"),
        ('{"zzz": {}, "train": {}}', "zzz"),
        ("{", "it is not JSON"),
    ],
)
def test_a_placement_with_a_typo_is_a_warning_that_names_it(placement, found, monkeypatch):
    monkeypatch.setenv("RECSYS_PLACEMENT", placement)
    (finding,) = doctor_airflow.check_placement(doctor.project_folder() / "dags")
    assert finding.state == "warning"
    assert finding.found.endswith(found)


def test_a_placement_of_tasks_that_exist_is_well_and_none_is_not_spoken_of(monkeypatch):
    dags = doctor.project_folder() / "dags"
    monkeypatch.delenv("RECSYS_PLACEMENT", raising=False)
    assert list(doctor_airflow.check_placement(dags)) == []
    monkeypatch.setenv("RECSYS_PLACEMENT", '{"train": {"queue": "train"}, "attempt": {}}')
    assert [finding.state for finding in doctor_airflow.check_placement(dags)] == ["ok"]


@pytest.mark.services
def test_the_embedded_store_ignores_conditions_and_keeps_no_probe(bucket):
    from recsys_tasks.artifacts.object_store import ObjectStore

    connections = Connections(
        {
            "RECSYS_S3_ENDPOINT": bucket.endpoint,
            "RECSYS_S3_BUCKET": bucket.bucket,
            "AWS_ACCESS_KEY_ID": bucket.access_key,
            "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
        }
    )
    findings = {finding.name: finding for finding in doctor.check_store(connections)}
    assert {name: finding.state for name, finding in findings.items()} == {
        "S3 identity": "ok",
        "S3": "ok",
        "S3 If-None-Match": "warning",
        "S3 If-Match": "warning",
    }
    assert bucket.access_key[:4] in findings["S3 identity"].found
    assert bucket.access_key not in findings["S3 identity"].found
    assert "may list, read, write, delete" in findings["S3"].found
    assert ObjectStore(bucket).list("") == ()


def test_a_broken_settings_file_is_a_warning_beside_the_datasets_that_have_dags(
    tmp_path, monkeypatch
):
    assert list(doctor_airflow.check_settings_files()) == []
    (tmp_path / "shop.toml").write_text('dataset = "shop"')
    (tmp_path / "tea.toml").write_text('dataset = "tea"\n[train]\nepochs = 0\n')
    monkeypatch.setenv("RECSYS_SETTINGS_DIR", str(tmp_path))
    well, broken = doctor_airflow.check_settings_files()
    assert (well.state, well.found) == ("ok", "DAGs of shop")
    assert broken.state == "warning"
    assert broken.found.startswith("tea.toml: train.epochs: ")


def test_a_settings_folder_that_is_empty_or_not_there_is_said(tmp_path, monkeypatch):
    for folder, state in ((tmp_path, "warning"), (tmp_path / "nowhere", "missing")):
        monkeypatch.setenv("RECSYS_SETTINGS_DIR", str(folder))
        assert [finding.state for finding in doctor_airflow.check_settings_files()] == [state]


WITHOUT_EXTRAS = """
import sys

sys.modules.update(dict.fromkeys({lacking!r}.split()))  # as if they were not installed
from recsys_tasks.cli.main import main

sys.exit(main(["doctor", "--ratings", "1e6"]))
"""


def test_without_extras_it_looks_at_what_it_can_and_names_the_rest(tmp_path):
    program = WITHOUT_EXTRAS.format(lacking=" ".join(EXTRAS))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RECSYS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = {line[9:28].strip(): line[28:] for line in done.stdout.splitlines() if line[:8].strip()}
    for name in ("Memory", "Time of a run", "Postgres"):
        assert "is not installed" in lines[name]
    for name in ("Python", "C++ compiler", "CPU", "Disk", "S3"):
        assert "not examined" not in lines[name]
