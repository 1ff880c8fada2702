"""Estimates the memory of a training and its evaluation before they begin."""

from dataclasses import dataclass

from recsys_tasks.config.settings import EvaluateSettings, SparkSettings, TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.engines.gram import SLICE
from recsys_tasks.model.engines.subspace import columns_for
from recsys_tasks.model.widths import widths_tried

BYTES_PER_INTERACTION = 70
"""Rows, columns, weights, times, the shuffled order, LightFM's look-up of positives and the split's copies."""

BYTES_PER_RATING = 14
"""Everything rated, as CSR, and the masks made of it for the views."""

COPIES_OF_PARAMETERS = 9
"""Embeddings, gradients and momenta, the best epoch's copy, and a checkpoint under way with its bytes."""

COPIES_OF_A_BLOCK = 4
"""Of ridge-svd's columns: as they are, multiplied, made orthonormal, and a checkpoint of them."""

COPIES_OF_VECTORS = 4
"""Of ridge-svd's users and items: as made, joined with WARP's, as features, and their bytes on the way out."""

COMPONENTS_OF_IALS = 64
"""As in ``evaluation.ials``, which this layer does not import."""

METRICS_PER_USER = 220
"""Values that an evaluation keeps for each user: every metric, view and baseline."""

BASE = 400_000_000
"""Python, numpy, scipy, numba and LightFM themselves, in bytes."""


JVM_BESIDE_HEAP = 0.1, 384_000_000
"""What Java takes beside its heap: a share of it, and this many bytes at least (Spark's own rule)."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes at the peak of the fit or of the evaluation, by what holds them."""

    base: int
    interactions: int
    ratings: int
    parameters: int
    evaluation: int
    jvm: int = 0

    @property
    def total(self) -> int:
        """Bytes in all."""
        held = self.interactions + self.ratings + self.parameters + self.evaluation
        return self.base + held + self.jvm

    def refuse_beyond(self, available: int) -> None:
        """Passes where the estimate fits.

        Args:
            available: bytes that may be taken.

        Raises:
            TrainingRefused: it does not; the message gives the numbers and what to turn down.
        """
        if self.total > available:
            raise TrainingRefused(
                f"training would take about {self.total / 1e6:,.0f} MB and {available / 1e6:,.0f} MB "
                f"are free: parameters {self.parameters / 1e6:,.0f} MB (train.components, "
                f"train.ridge_svd.components), "
                f"interactions {self.interactions / 1e6:,.0f} MB, ratings {self.ratings / 1e6:,.0f} MB, "
                f"evaluation {self.evaluation / 1e6:,.0f} MB (evaluate.block_megabytes, "
                "evaluate.threads, evaluate.ease_megabytes)"
                + (f", Java {self.jvm / 1e6:,.0f} MB (spark.memory_megabytes)" if self.jvm else "")
            )


def estimate_memory(
    shape: tuple[int, int],
    n_features: int,
    n_interactions: int,
    n_ratings: int,
    train: TrainSettings,
    evaluate: EvaluateSettings,
    spark: SparkSettings | None = None,
) -> MemoryEstimate:
    """An estimate that errs upwards, to less than twice on data of MovieLens' kind.

    Args:
        shape: users and items.
        n_features: columns of the item features.
        n_interactions: positives and weaker positives.
        n_ratings: ratings of any value.
        train, evaluate: the settings of both.
        spark: those of the engine spark-als, which has a JVM on this machine: the driver.
    """
    n_users, n_items = shape
    smaller = min(n_users, n_items)
    ease = min(8 * smaller * n_items, evaluate.ease_megabytes * 1_000_000)
    has_ials = n_interactions <= evaluate.ials_interactions
    ials = has_ials * 4 * COMPONENTS_OF_IALS * (n_users + n_items)
    blocks = 2 * evaluate.threads * max(evaluate.block_megabytes * 1_000_000, 4 * n_items)
    vectors = 4 * (train.width + 2) * (n_users + n_items)
    return MemoryEstimate(
        base=BASE,
        interactions=BYTES_PER_INTERACTION * n_interactions,
        ratings=BYTES_PER_RATING * n_ratings,
        parameters=_warp_bytes(n_users + n_features, train)
        + _ridge_svd_bytes(n_users, n_items, train),
        evaluation=blocks + max(ease, ials) + vectors + 4 * METRICS_PER_USER * n_users,
        jvm=jvm_bytes(spark) if spark and train.engine_used == "spark-als" else 0,
    )


def _warp_bytes(rows: int, train: TrainSettings) -> int:
    """What parameters with a state of their own take; ridge-svd has none."""
    learns = train.engine_used != "ridge-svd"
    return learns * COPIES_OF_PARAMETERS * 4 * (train.components + 2) * rows


def _ridge_svd_bytes(n_users: int, n_items: int, train: TrainSettings) -> int:
    """What the passes take on the items' side, and the vectors that they lead to; without them nothing."""
    if not train.closed_width:
        return 0
    width = max(widths_tried(train, n_users, n_items))
    columns = columns_for(width, n_items + 1)
    passes = 4 * n_items * (COPIES_OF_A_BLOCK * columns + 3 * SLICE * train.ridge_svd.threads)
    return passes + COPIES_OF_VECTORS * 4 * width * (n_users + n_items)


def jvm_bytes(spark: SparkSettings) -> int:
    """What the driver's JVM, or an executor's, takes at most; by ``local[n]`` one JVM is both."""
    heap = spark.memory_megabytes * 1_000_000
    share, at_least = JVM_BESIDE_HEAP
    return heap + max(round(share * heap), at_least)
