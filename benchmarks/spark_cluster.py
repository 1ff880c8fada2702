"""Spark's ALS here and on a cluster: the same bytes, and what they are worth beside the popular list.

    python -m benchmarks.spark_cluster FOLDER

Fits the preset ``spark`` (on train and validation, as a run does) twice by ``local[2]`` and once on a
standalone master with two workers, which it starts on loopback and stops; needs the extra ``spark`` and Java 17.
Prints Markdown; docs/spark.md holds its output.
"""

import hashlib
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.prepared import Prepared, prepare, read, seeded
from recsys_tasks.config.settings import Settings
from recsys_tasks.evaluation.baselines import popular
from recsys_tasks.evaluation.evaluate import EvaluationTask, measure_scorer
from recsys_tasks.matrices.interactions import Arrays
from recsys_tasks.model.engines.spark.als import fit_als
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import with_biases

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from loopback_spark import cluster

HERE = "local[2]"


def main() -> None:
    """Fits, measures, prints."""
    with tempfile.TemporaryDirectory(prefix="recsys-") as exchange, ExitStack() as stack:
        master = stack.enter_context(cluster(Path(exchange))).master
        same = {"spark.exchange": exchange, "spark.memory_megabytes": 1024}
        settings = seeded("spark", same, 1)
        given = prepare(read(Path(sys.argv[1])), settings)
        question = EvaluationTask.of_test(given.parts, given.seen)
        print("| fitted by | seconds | sha256 of the vectors | served p@5 | served NDCG@10 |")
        print("|---|---|---|---|---|")
        for name, where in ((HERE, HERE), (f"{HERE}, again", HERE), ("two workers", master)):
            began = time.monotonic()
            model = fitted(given, settings, where)
            cells = f"{time.monotonic() - began:.0f} | `{digest(model)}` | "
            scorer = with_biases(model, given.features)
            print(
                f"| {name} | {cells}{served(measure_scorer(scorer, question, settings.evaluate))}"
            )
        found = measure_scorer(popular(question.train), question, settings.evaluate)
        print(f"| the popular list | | | {served(found)}")


def fitted(given: Prepared, settings: Settings, master: str) -> Model:
    """One fit under a master."""
    spark = settings.spark.model_copy(update={"master": master})
    return fit_als(given.parts.train_and_validation(), given.features, settings.train, spark)


def digest(model: Model) -> str:
    """First twelve digits of the hash of both sides' vectors."""
    vectors = model.user_embeddings.tobytes() + model.feature_embeddings.tobytes()
    return hashlib.sha256(vectors).hexdigest()[:12]


def served(measured: tuple[dict[str, Any], Arrays]) -> str:
    """Two metrics as the row's last cells."""
    view = measured[0]["test_served"]
    return f"{view['precision_at_5']:.3f} | {view['ndcg_at_10']:.3f} |"


if __name__ == "__main__":
    main()
