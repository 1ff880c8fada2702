"""The steps of a run, as data: what the steps, their notes, the report and Airflow's tasks look up."""

from dataclasses import dataclass

from recsys_tasks.report import headline

APPROVAL = headline.APPROVAL
"""The task in which a person is asked before the pointer moves; only where Airflow is told to ask."""

SHARDS = "evaluate_users"
"""The task that ranks one shard of the users, where the evaluation is spread over several."""


@dataclass(frozen=True)
class StepSpec:
    """One step of a run.

    Args:
        name: of the step, of its method of ``Steps`` and of its task.
        before: tasks that belong to the step and end before its own, in order. What they fail of, the
            step fails of.
        makes: names of the report's facts that it makes.
        judges: whether it leaves what it made also when it then refuses it.
    """

    name: str
    before: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    judges: bool = False

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The step's tasks, in order."""
        return (*self.before, self.name)


STEPS = (
    StepSpec("migrate"),
    StepSpec("ingest"),
    StepSpec("fit_dataset", makes=("data", "checks"), judges=True),
    StepSpec("split"),
    StepSpec("train", makes=("history",)),
    StepSpec(
        "evaluate",
        before=(SHARDS,),
        makes=("metrics", "examples", "neighbours", "activity", "champion", "changes"),
    ),
    StepSpec("gate", makes=("gate",), judges=True),
    StepSpec("finalise", makes=("finalised",), judges=True),
    StepSpec("export_embeddings"),
    StepSpec("build_index", makes=("index", "index_seconds", "index_found"), judges=True),
    StepSpec("publish"),
    StepSpec("verify"),
    StepSpec("promote", before=(APPROVAL,)),
)
"""The steps of a run, in order, but ``report``, which runs after them whatever happened."""

ORDER = tuple(step.name for step in STEPS)
"""Their names."""
