"""An embedded stack that is up, with what its Airflow and its bucket are asked for in the tests."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import Connections
from recsys_tasks.pipeline.airflow_api import AirflowApi, TriggeredRun


@dataclass(frozen=True)
class Stack:
    """A stack that is up, as its caller reaches it."""

    home: Path
    env: dict[str, str]
    api: AirflowApi

    @classmethod
    def in_folder(cls, home: Path) -> "Stack":
        """The stack whose state folder this is."""
        env = json.loads((home / "env.json").read_text())
        login = (env["AIRFLOW_USER"], env["AIRFLOW_PASSWORD"])
        return cls(home, env, AirflowApi(env["AIRFLOW_API_URL"], *login))

    @property
    def store(self) -> ObjectStore:
        """Its bucket."""
        return ObjectStore(Connections(self.env).store())

    def start(
        self, dag: str, run_id: str, conf: Mapping[str, Any], moment: datetime | None = None
    ) -> TriggeredRun:
        """A run of a DAG, which is switched on."""
        self.api.wait_for_dag(dag)
        run = self.api.trigger(dag, run_id, conf, moment)
        self.api.set_paused(dag, False)
        return run

    def await_end(self, run: TriggeredRun) -> str:
        """The state in which a run ended; its DAG is paused then."""
        while (state := self.api.run_state(run)) not in ("success", "failed"):
            time.sleep(0.5)
        self.api.set_paused(run.dag_id, True)
        return state
