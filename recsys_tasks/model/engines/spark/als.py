"""Spark MLlib's implicit ALS as an engine: interactions in, a ``Model`` without biases out.

A weight is the strength of a preference: the confidence in it is 1 + alpha * weight. The penalty of a
row grows with its number of interactions.

Source:
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, 2008;
    ``pyspark.ml.recommendation.ALS`` with ``implicitPrefs``.
"""

import logging
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import SparkSettings, TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.engines.protocol import Checkpoints, Fitted, Validate
from recsys_tasks.model.engines.spark.session import check_ground, session
from recsys_tasks.model.parameters import Model

log = logging.getLogger(__name__)


def fit_als(
    train: Interactions, features: Csr, wanted: TrainSettings, spark: SparkSettings
) -> Model:
    """Factors of all users and items, by Spark.

    Args:
        train: interactions with their weights.
        features: CSR ``(n_items, n_items + n_genres)``: identity, then genres of no weight.
        wanted: components (the rank), epochs (the iterations) and seed.
        spark: where and how Spark runs.

    Returns:
        biases zero, no Adagrad state; users and items without interactions are zero, a genre is the
        mean of its items that have any.

    Raises:
        TrainingRefused: nothing to train on, or no Spark, Java or memory for it.
        SparkUnavailable: the master or the executors are away.
    """
    if not len(train):
        raise TrainingRefused("there are no positive interactions to train on")
    check_ground(spark)
    with tempfile.TemporaryDirectory(prefix="recsys-spark-", dir=spark.exchange or None) as home:
        users, items = _factors(train, wanted, spark, Path(home))
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise TrainingRefused("Spark left NaN or infinite factors")
    rows = np.vstack((items, genre_means(items, features)))
    nothing = np.zeros((0, wanted.components), np.float32)
    return Model(
        user_embeddings=users,
        user_biases=np.zeros(len(users), np.float32),
        feature_embeddings=rows,
        feature_biases=np.zeros(len(rows), np.float32),
        user_embedding_gradients=nothing,
        user_bias_gradients=nothing[:, 0],
        feature_embedding_gradients=nothing,
        feature_bias_gradients=nothing[:, 0],
    )


@dataclass(frozen=True)
class SparkAlsEngine:
    """ALS by Spark, all iterations at once: no epoch to validate, stop at or resume from.

    Args:
        settings: components, iterations and seed.
        spark: where and how Spark runs.
    """

    settings: TrainSettings
    spark: SparkSettings

    @property
    def chooses(self) -> bool:
        """Nothing: its settings are given."""
        return False

    def fit(
        self,
        train: Interactions,
        features: Csr,
        validate: Validate | None = None,  # noqa: ARG002  (chooses nothing)
        checkpoints: Checkpoints | None = None,  # noqa: ARG002  (Spark keeps its own)
        start: Model | None = None,  # noqa: ARG002  (settings refuse a warm start)
    ) -> Fitted:
        """See ``Engine``."""
        model = fit_als(train, features, self.settings, self.spark)
        facts = {
            "loss": "implicit-als",
            "reproducible": self.spark.reproducible,
            "spark": self.spark.model_dump(mode="json", exclude={"exchange"})
            | {"version": metadata.version("pyspark")},
            **untrained(model, features.shape[0]),
            "genres_in_items": False,
        }
        return Fitted(model, self.settings.epochs, (), self.settings, facts=facts)


def untrained(model: Model, n_items: int) -> dict[str, int]:
    """How many rows of users and of items are zero, having had nothing to learn from."""
    return {
        "untrained_users": int((~model.user_embeddings.any(axis=1)).sum()),
        "untrained_items": int((~model.feature_embeddings[:n_items].any(axis=1)).sum()),
    }


def genre_means(items: NDArray[np.float32], features: Csr) -> NDArray[np.float32]:
    """Mean vector of the items of each genre that have a vector; zero where none has.

    Args:
        items: ``(n_items, c)``, untrained ones zero.
        features: CSR ``(n_items, n_items + n_genres)``; which elements there are counts, not their value.
    """
    members = features[:, len(items) :].copy()
    members.data = np.ones_like(members.data)
    trained = items.any(axis=1)
    sums = np.asarray(members.T.dot(items), np.float32)
    counts = np.asarray(members.T.dot(trained.astype(np.float32)), np.float32)
    return np.asarray(sums / np.maximum(counts, 1)[:, None], np.float32)


def _factors(
    train: Interactions, wanted: TrainSettings, spark: SparkSettings, home: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hands the interactions over, lets Spark work, and reads back what its executors wrote."""
    from pyspark.ml.recommendation import ALS

    from recsys_tasks.model.engines.spark.exchange import (
        open_up,
        prove_shared,
        read_factors,
        write_interactions,
    )

    open_up(home)
    write_interactions(train, home / "interactions")
    began = time.perf_counter()
    with session(spark, home) as running:
        if not spark.is_local:
            prove_shared(running, home / "proof")
        running.sparkContext.setCheckpointDir(str(home / "checkpoints"))
        rows = running.read.parquet(str(home / "interactions"))
        als = ALS(
            rank=wanted.components,
            maxIter=wanted.epochs,
            regParam=spark.regularisation,
            alpha=spark.alpha,
            implicitPrefs=True,
            seed=wanted.seed,
            numUserBlocks=spark.partitions,
            numItemBlocks=spark.partitions,
            userCol="user",
            itemCol="item",
            ratingCol="weight",
        )
        fitted = als.fit(rows.coalesce(1) if spark.reproducible else rows)
        _write(fitted.userFactors, home / "users")
        _write(fitted.itemFactors, home / "items")
    log.info(
        "spark-als: %d interactions, rank %d, %d iterations on %s in %.1f s",
        len(train),
        wanted.components,
        wanted.epochs,
        spark.master,
        time.perf_counter() - began,
    )
    n_users, n_items = train.shape
    return (
        read_factors(home / "users", n_users, wanted.components),
        read_factors(home / "items", n_items, wanted.components),
    )


def _write(factors: Any, folder: Path) -> None:
    """Has the executors write factors in the order of their ids."""
    factors.orderBy("id").write.parquet(str(folder))
