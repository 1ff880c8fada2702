"""What Spark needs is found missing before it starts, in one sentence."""

import socket
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_tasks.config.settings import Settings, SparkSettings
from recsys_tasks.errors import SettingsError, SparkUnavailable, TrainingRefused
from recsys_tasks.model.engines.spark import session

ALS = {"train.engine": "spark-als"}


def a_java(tmp_path, monkeypatch, version):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(session, "find_spec", lambda package: package)


@pytest.mark.parametrize(("version", "said"), [("11.0.2", "Java 11"), ("1.8.0_392", "Java 8")])
def test_another_java_is_named_beside_the_ones_that_would_do(tmp_path, monkeypatch, version, said):
    a_java(tmp_path, monkeypatch, version)
    with pytest.raises(TrainingRefused, match=f"needs Java 17 or 21 and found {said}"):
        session.check_ground(SparkSettings())


def test_a_missing_java_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "find_spec", lambda package: package)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(TrainingRefused, match=r"there is no .*bin/java: install it"):
        session.check_ground(SparkSettings())


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(session, "find_spec", lambda package: None)
    with pytest.raises(TrainingRefused, match=r"needs pyspark: install recsys-tasks\[spark\]"):
        session.check_ground(SparkSettings())


def test_a_master_that_is_away_is_said_to_be(tmp_path, monkeypatch):
    a_java(tmp_path, monkeypatch, "17.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SparkUnavailable, match=f"no Spark master listens at {master}"):
        session.check_ground(SparkSettings(master=master, wait_seconds=1))


@pytest.mark.parametrize("foreign", ["train.loss=bpr", "train.item_alpha=1e-6"])
def test_settings_without_meaning_for_als_are_refused(foreign):
    name, _, value = foreign.partition("=")
    with pytest.raises(SettingsError, match=r"^train\.engine spark-als has no"):
        Settings.load(overrides=ALS | {name: value})


def test_more_blocks_than_two_are_not_called_reproducible():
    with pytest.raises(SettingsError, match=r"partitions 3 cannot .* spark\.reproducible off"):
        Settings.load(overrides=ALS | {"spark.partitions": 3})
    settings = Settings.load(overrides={"spark.partitions": 16, "spark.reproducible": False})
    assert settings.spark.partitions == 16


def test_spark_is_imported_only_when_asked_for():
    code = "import recsys_tasks.pipeline.steps, sys; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_genre_is_the_mean_of_its_trained_items():
    from recsys_tasks.model.engines.spark import als

    items = np.array([[2, 0], [0, 0], [4, 2]], np.float32)
    features = sp.csr_matrix(
        (np.array([1, 0, 1, 0, 1, 0, 0], np.float32), [0, 3, 1, 3, 2, 3, 4], [0, 2, 4, 7]),
        shape=(3, 6),
    )
    assert als.genre_means(items, features).tolist() == [[3, 1], [4, 2], [0, 0]]
