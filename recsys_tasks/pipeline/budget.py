"""Whether a run's model fits into memory, and what is fitted where WARP does not."""

import logging
from dataclasses import dataclass, field

from recsys_tasks.config.settings import Settings, TrainSettings
from recsys_tasks.model.memory import MemoryEstimate, estimate_memory
from recsys_tasks.pipeline.machine import available_memory
from recsys_tasks.pipeline.run import RunFiles
from recsys_tasks.pipeline.run_files import FEATURES, IDS, PARTS, SPLIT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Budget:
    """What is fitted.

    Args:
        train: the settings of the fit.
        by_parts: whether the closed form is fitted alone, part by part.
        facts: for the manifest's ``model``: ``warp_left_out`` says why WARP has no part in it.
    """

    train: TrainSettings
    by_parts: bool
    facts: dict[str, str] = field(default_factory=dict)


def affordable(files: RunFiles, settings: Settings) -> Budget:
    """The fit that the settings ask for, or the closed form alone where a blend takes too much memory.

    Raises:
        TrainingRefused: what is left does not fit either; the message gives the numbers.
    """
    wanted = settings.train
    free = wanted.memory_megabytes * 1_000_000 or available_memory()
    estimate = _estimate(files, settings)
    megabytes = estimate.total / 1e6, free / 1e6
    log.info("needs about %.0f MB of memory, %.0f MB are free", *megabytes)
    if estimate.total > free and wanted.engine in ("auto", "blend"):
        reason = "WARP would take about {:,.0f} MB and {:,.0f} MB are free".format(*megabytes)
        log.warning("ridge-svd is fitted alone: %s", reason)
        settings = settings.model_copy(update={"train": _alone(wanted)})
        _estimate(files, settings).refuse_beyond(free)
        return Budget(settings.train, True, {"warp_left_out": reason})
    estimate.refuse_beyond(free)
    refits = wanted.refit or "validation" not in SPLIT.read(files)
    return Budget(wanted, wanted.engine == "ridge-svd" and refits)


def _alone(wanted: TrainSettings) -> TrainSettings:
    return wanted.model_copy(update={"engine": "ridge-svd"})


def _estimate(files: RunFiles, settings: Settings) -> MemoryEstimate:
    ids, parts = IDS.read(files), PARTS.read(files)
    return estimate_memory(
        (len(ids.users), len(ids.items)),
        FEATURES.read(files).matrix.shape[1],
        sum(part["interactions"] for part in parts),
        sum(part["ratings"] for part in parts),
        settings.train,
        settings.evaluate,
        settings.spark,
    )
