"""The nightly run: two CSV files become a published recommender, or a reason why not.

Each task reads its inputs from the object store, writes its results there under the run's prefix
and returns a small reference; any of them may be cleared and run again. Start one by hand from
the form: every setting is a field. A run that the gate rejects leaves the champion where it was.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, TaskGroup, chain, get_current_context

from recsys_airflow.alerts import alert_of, deadline, report_failed
from recsys_airflow.approval import approval
from recsys_airflow.bridge import step
from recsys_airflow.metrics import send_metrics
from recsys_airflow.parallelism import evaluation_shards
from recsys_airflow.promotions import deliver_promotions
from recsys_airflow.run_context import steps, steps_that_promote, write_report
from recsys_airflow.schedules import options_of, schedule_of
from recsys_airflow.scope import Scope
from recsys_airflow.settings_form import settings_form


def make(scope: Scope) -> DAG:
    """The DAG that trains the datasets of a scope."""
    with DAG(
        schedule=schedule_of(scope),
        params=settings_form(scope),
        deadline=deadline(),
        default_args={
            "owner": scope.dag.owner,
            "retries": 3,
            "retry_delay": timedelta(seconds=20),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=10),
        },
        description="Two CSV files become a published recommender, or a reason why not.",
        **options_of(scope, "train", "train and publish", __doc__),
    ) as made:
        _tasks(scope.champion)
    return made


def _tasks(champion: Asset) -> None:
    """The fourteen tasks, in order; with several workers, the evaluation's users in shards."""
    shards = evaluation_shards()

    @step(minutes=10)
    def migrate() -> Any:
        """Bring the dataset's schema in Postgres up to date. A retry finds it done."""
        return steps().migrate()

    @step(minutes=180)
    def ingest() -> Any:
        """Load the two CSV files, every row accounted for. A retry finds the tables as they were."""
        return steps().ingest()

    @step(minutes=60)
    def fit_dataset() -> Any:
        """Turn the rows into id maps, interactions and item features."""
        return steps().fit_dataset()

    @step(minutes=30)
    def split() -> Any:
        """Divide the interactions into train, validation and test."""
        return steps().split()

    @step(minutes=720, max_active_tis_per_dag=1)
    def train() -> Any:
        """Fit LightFM epoch by epoch. A retry resumes from the last checkpoint."""
        return steps().train()

    @step(minutes=120)
    def evaluate_users(number: int) -> Any:
        """Rank the test positives of one shard of the users. A retry writes the same counts again."""
        return steps().evaluate_users(number, shards)

    @step(minutes=120)
    def evaluate() -> Any:
        """Measure the model, the popular list and a random order on the same users."""
        return steps().evaluate(shards)

    @step(minutes=10)
    def gate() -> Any:
        """Hold the metrics against the gate's rules. A rejection fails at once: no retry helps."""
        return steps().gate()

    @step(minutes=720)
    def finalise() -> Any:
        """Fit what is published on all parts, where `train.finalise` asks for it. A retry resumes."""
        return steps().finalise()

    @step(minutes=30)
    def export_embeddings() -> Any:
        """Fold the biases into the vectors and write them with their id maps."""
        return steps().export_embeddings()

    @step(minutes=120)
    def build_index() -> Any:
        """Build the annoy index, measure it, and choose annoy or exact search to serve."""
        return steps().build_index()

    @step(minutes=60)
    def publish() -> Any:
        """Upload the version, read every file back, write the manifest last."""
        return steps().publish()

    @step(minutes=60)
    def verify() -> Any:
        """Load the version in a fresh process as a consumer would and replay its golden queries."""
        return steps().verify()

    @step(minutes=60, outlets=[champion])
    def promote() -> Any:
        """Move the pointer, if it still names the champion that this run met, and tell whoever waits.

        Skipped in a backfill, unless `publish.backfill_promotes` asks for it.
        """
        promoted = steps_that_promote().promote()
        get_current_context()["outlet_events"][champion].extra = promoted
        return promoted

    @step(minutes=10, on_failure_callback=report_failed)
    def report() -> Any:
        """Write what a person reads about the run, whatever became of it; tell of a failure and of promotions, send metrics."""
        written = write_report()
        alert_of(written)
        send_metrics(written)
        deliver_promotions(written)
        return written

    with TaskGroup("data", prefix_group_id=False, tooltip="Files to interactions"):
        prepared = [migrate(), ingest(), fit_dataset(), split()]
    with TaskGroup("model", prefix_group_id=False, tooltip="Interactions to a judged model"):
        fitted = [train()]
        if shards > 1:
            fitted.append(evaluate_users.expand(number=list(range(shards))))
        fitted += [evaluate(), gate()]
    with TaskGroup("version", prefix_group_id=False, tooltip="A judged model to a version"):
        published = [finalise(), export_embeddings(), build_index(), publish(), verify()]
    with TaskGroup("champion", prefix_group_id=False, tooltip="A version to what consumers get"):
        moved = [*approval(), promote()]
    chain(*prepared, *fitted, *published, *moved, report().as_teardown())
