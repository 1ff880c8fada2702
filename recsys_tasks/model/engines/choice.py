"""Chooses the engine that a run's settings name."""

from recsys_tasks.config.settings import Settings
from recsys_tasks.model.engines import engine_for
from recsys_tasks.model.engines.protocol import Engine


def engine_of(settings: Settings) -> Engine:
    """What makes the run's model."""
    if settings.train.engine_used == "spark-als":
        from recsys_tasks.model.engines.spark.als import SparkAlsEngine  # an extra brings pyspark

        return SparkAlsEngine(settings.train, settings.spark)
    return engine_for(settings.train)
