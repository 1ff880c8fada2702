"""The engines: what makes a model of interactions, each behind the same protocol."""

from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.engines.auto import AutoEngine
from recsys_tasks.model.engines.blend import BlendEngine
from recsys_tasks.model.engines.epochs import EpochEngine
from recsys_tasks.model.engines.protocol import Engine
from recsys_tasks.model.engines.ridge import RidgeSvdEngine


def engine_for(settings: TrainSettings) -> Engine:
    """The engine that the settings ask for, of those that need no cluster."""
    match settings.engine_used:
        case "auto":
            return AutoEngine(settings)
        case "ridge-svd":
            return RidgeSvdEngine(settings)
        case "blend":
            return BlendEngine(settings)
        case "lightfm" | "recsys":
            return EpochEngine(settings)
        case "spark-als":
            raise TrainingRefused(
                "spark-als has no epochs to try one by one, so recsys_tune cannot search it: choose "
                "train.components, spark.alpha and spark.regularisation by runs of recsys train"
            )
