"""What the doctor says of Spark: nothing unless it is the engine, then what a fit would stumble over."""

import json
import socket

import pytest

from recsys_tasks.cli.main import main
from recsys_tasks.config.settings import Settings
from recsys_tasks.devstack import doctor, doctor_spark
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.memory import estimate_memory


def findings_of(**spark):
    overrides = {"train.engine": "spark-als", **{f"spark.{name}": v for name, v in spark.items()}}
    return {one.name: one for one in doctor_spark.check_spark(Settings.load(overrides=overrides))}


@pytest.fixture(autouse=True)
def java_17(monkeypatch):
    monkeypatch.setattr(doctor_spark, "java_version", lambda: 17)
    monkeypatch.setattr(doctor_spark, "version", lambda package: "1.2.3")


def test_another_engine_needs_no_spark():
    assert list(doctor_spark.check_spark(Settings())) == []


def test_what_is_there_is_named_with_its_version():
    findings = findings_of()
    assert findings["Extra spark"].found == "pyspark 1.2.3, pyarrow 1.2.3"
    assert findings["Java"].found == "Java 17"
    assert {one.state for one in findings.values()} == {"ok"}
    assert "Spark exchange" not in findings


@pytest.mark.parametrize("found", [11, TrainingRefused("there is no java")])
def test_a_java_that_spark_does_not_run_on_is_as_good_as_none(monkeypatch, found):
    def version():
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(doctor_spark, "java_version", version)
    assert findings_of()["Java"].state == "missing"


def test_a_master_that_is_away_is_missing_and_ends_with_4(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "check_openmp", doctor.check_cpu)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{free.getsockname()[1]}"
    assert main(["doctor", "--json", "--preset", "spark", "--set", f"spark.master={master}"]) == 4
    said = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert said["Spark master"]["state"] == "missing"
    assert master in said["Spark master"]["found"]
    assert said["Spark exchange"]["state"] == "warning"


def test_a_master_that_listens_is_well_and_the_exchange_must_be_a_folder(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = f"spark://127.0.0.1:{server.getsockname()[1]}"
        findings = findings_of(master=master, exchange=str(tmp_path / "none"))
        assert findings["Spark master"].state == "ok"
        assert findings["Spark exchange"].state == "missing"
        assert findings_of(master=master, exchange=str(tmp_path))["Spark exchange"].state == "ok"


def test_memory_counts_the_jvm_where_there_is_one(monkeypatch):
    monkeypatch.setattr(doctor_spark, "available_memory", lambda: 4_000_000_000)
    assert findings_of(memory_megabytes=3600)["Spark memory"].state == "ok"
    assert findings_of(memory_megabytes=3700)["Spark memory"].state == "warning"
    als = Settings.load("spark", overrides={"spark.memory_megabytes": 10_000})
    without = als.train.model_copy(update={"engine": "recsys"})
    size = ((100, 100), 120, 1000, 2000)
    extra = (
        estimate_memory(*size, als.train, als.evaluate, als.spark).total
        - estimate_memory(*size, without, als.evaluate, als.spark).total
    )
    assert extra == 11_000_000_000
