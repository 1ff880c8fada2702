"""RECSYS_EVALUATION_SHARDS and RECSYS_TRIALS_AT_ONCE, and a batch in parts: work spread over workers."""

from types import SimpleNamespace

import pytest
from tiny_version import DATASET, make_version

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import open_version
from recsys_tasks.errors import SettingsError
from recsys_tasks.recommend.recommender import Recommender

pytestmark = pytest.mark.airflow


def test_with_several_shards_each_is_a_mapped_task_between_train_and_evaluate(monkeypatch):
    from recsys_airflow.factory import make_dags

    monkeypatch.setenv("RECSYS_EVALUATION_SHARDS", "4")
    ranking = make_dags("train")["recsys_train"].get_task("evaluate_users")
    assert ranking.is_mapped
    assert ranking.expand_input.value == {}
    assert ranking.op_kwargs_expand_input.value == {"number": [0, 1, 2, 3]}
    assert (ranking.upstream_task_ids, ranking.downstream_task_ids) == ({"train"}, {"evaluate"})


def test_a_search_runs_as_many_trials_side_by_side_as_it_is_told(monkeypatch):
    from recsys_airflow.factory import make_dags

    monkeypatch.setenv("RECSYS_TRIALS_AT_ONCE", "3")
    assert make_dags("tune")["recsys_tune"].get_task("attempt").max_active_tis_per_dag == 3


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1001", "٤"])
def test_a_number_of_tasks_that_is_none_is_refused_in_words(monkeypatch, value):
    from recsys_airflow.parallelism import evaluation_shards

    monkeypatch.setenv("RECSYS_EVALUATION_SHARDS", value)
    with pytest.raises(SettingsError, match=r"RECSYS_EVALUATION_SHARDS is .* from 1 to 1000"):
        evaluation_shards()


def test_the_batch_dags_tasks_write_every_users_list_from_one_version(
    bucket, tmp_path, monkeypatch
):
    from recsys_airflow import run_context
    from recsys_airflow.factory import make_dags
    from recsys_airflow.flows import batch

    store, manifest = ObjectStore(bucket), make_version(tmp_path)
    recommender = Recommender(
        open_version(manifest, {name: tmp_path / name for name in manifest.files})
    )
    params = {"dataset": DATASET, "version": manifest.version}
    params |= {"k": 3, "format": "jsonl", "shards": 2}
    context = {"params": params, "dag_run": SimpleNamespace(dag_id="recsys_batch")}
    monkeypatch.setattr(batch, "bucket", lambda: store)
    for module in (batch, run_context):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    monkeypatch.setattr(Recommender, "load", lambda *_, **__: recommender)
    tasks = {task.task_id: task for task in make_dags("batch")["recsys_batch"].tasks}

    pinned = tasks["pin"].python_callable()
    write = tasks["write_part"].python_callable
    sealed = tasks["seal"].python_callable([write(one) for one in reversed(pinned)])
    assert sealed["users"] == len(recommender.artifacts.user_ids)
    assert [part["shard"] for part in store.get_json(sealed["manifest"])["parts"]] == [0, 1]
