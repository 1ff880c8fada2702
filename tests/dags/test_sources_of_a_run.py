"""Who may trigger a run reads no file and asks no host that the deployer has not opened."""

import re

import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.errors import InputRejected

pytestmark = [pytest.mark.airflow]


class Run:
    """As much of Airflow's context as the settings and names of a run are read from."""

    dag_id, run_id, run_type, data_interval_end = "recsys_train", "manual__1", "manual", None

    def __init__(self, conf):
        from datetime import UTC, datetime

        self.conf, self.run_after = conf, datetime(2026, 11, 24, tzinfo=UTC)


def steps_of(conf, monkeypatch):
    from recsys_airflow import run_context

    monkeypatch.setattr(run_context, "get_current_context", lambda: {"dag_run": Run(conf)})
    monkeypatch.setattr(run_context, "bucket", lambda: None)
    monkeypatch.setattr(run_context, "database", lambda: None)
    return run_context.steps()


def test_a_tasks_steps_carry_the_deployers_word(monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_SOURCE_FOLDERS", str(tmp_path))
    monkeypatch.setenv("RECSYS_SOURCE_HOSTS", "files.example.org")
    steps = steps_of({"source.movies": "/proc/self/environ"}, monkeypatch)
    assert steps.sources == SourcePolicy((tmp_path,), frozenset({"files.example.org"}))


@pytest.mark.parametrize("address", ["/proc/self/environ", "/etc/passwd", "http://127.0.0.1:1/x"])
@pytest.mark.parametrize("role", ["movies", "ratings", "archive"])
def test_a_run_is_refused_without_a_word_of_what_it_asked_for(address, role, monkeypatch):
    conf = {
        f"source.{role}": address,
        "source.separator": ":",
        "source.movie_columns.movie": "root",
    }
    steps = steps_of(conf, monkeypatch)
    monkeypatch.setenv("PLANTED", "planted-secret")
    with pytest.raises(InputRejected, match=r"may not read this file|private network") as refused:
        ingest(None, steps.settings.source, "mls", "run", policy=steps.sources)
    assert not re.search("planted-secret|root:|/bin/", str(refused.value))


@pytest.mark.parametrize("separator", [":", "=", "|", ","])
def test_a_file_that_is_no_csv_of_ours_is_never_quoted(separator, tmp_path):
    from recsys_tasks.data.csv.blocks import read_blocks
    from recsys_tasks.data.csv.header import read_header

    file = tmp_path / "env"
    file.write_text(
        "AIRFLOW_CONN=postgresql://recsys:planted-secret@host/db|x,y\nA=planted-secret\n"
    )
    source = SourceSettings(separator=separator)
    with file.open("rb") as stream, pytest.raises(InputRejected) as refused:
        read_header(next(iter(read_blocks(stream, "env", source.quote))), "env", "movies", source)
    assert "planted" not in str(refused.value)
    assert "no column movieId" in str(refused.value)
