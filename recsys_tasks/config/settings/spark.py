"""The section ``spark``."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from recsys_tasks.config.settings.base import Frozen


class SparkSettings(Frozen):
    """Spark's implicit ALS, for train.engine spark-als; without meaning for the other engines."""

    master: str = Field(default="local[2]", pattern=r"^(local|spark|k8s|yarn)")
    """Where it runs: local[threads], or a cluster such as spark://host:7077."""

    alpha: float = Field(default=5.0, gt=0, le=1000)
    """Confidence in a positive of weight w is 1 + alpha * w."""

    regularisation: float = Field(default=0.3, ge=0, le=100)
    """L2 penalty of a row, times its number of positives."""

    partitions: int = Field(default=2, ge=1, le=10_000)
    """Blocks of users and of items: so many tasks at a time; another number gives other rounding."""

    memory_megabytes: int = Field(default=2048, ge=512, le=1_000_000)
    """Heap of the driver and of each executor, MB."""

    wait_seconds: float = Field(default=60.0, gt=0, le=3600)
    """How long a standalone master may take to answer, and a fit be without any executor, seconds."""

    exchange: str = ""
    """Folder that this process and all executors see; empty: a temporary one, for one machine."""

    reproducible: bool = True
    """One task makes the blocks, of which there are 2 at most: two runs give the same bytes."""

    options: tuple[Annotated[str, StringConstraints(pattern=r"^spark\.[^=]+=")], ...] = ()
    """Further Spark properties, each spark.name=value; no secrets, for the manifest shows them."""

    @property
    def is_local(self) -> bool:
        """Whether driver and executor are one process, on this machine."""
        return self.master.startswith("local")

    @model_validator(mode="after")
    def _promises_what_it_keeps(self) -> Self:
        """Spark adds up its blocks in the order in which they come: of three, sums differ by a bit."""
        if self.reproducible and self.partitions > 2:
            raise ValueError(
                f"spark.partitions {self.partitions} cannot give the same bytes twice, 2 can: turn "
                "spark.reproducible off for more"
            )
        return self
