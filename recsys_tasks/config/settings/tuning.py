"""The section ``tune``: what a search tries."""

from typing import Annotated, Literal

from pydantic import Field

from recsys_tasks.config.settings.base import Frozen, Values


class TuneSettings(Frozen):
    """What recsys_tune searches: a list of values for each field, every one within its bounds."""

    method: Literal["random", "grid"] = "random"
    """random: so many different combinations; grid: all of them."""

    trials: int = Field(default=12, ge=1, le=500)
    """Combinations that are tried at most; a larger grid is refused."""

    components: Values[Annotated[int, Field(ge=1, le=1024)]] = (32, 64, 128)
    """Widths to try."""

    learning_rate: Values[Annotated[float, Field(gt=0, le=1)]] = (0.03, 0.05, 0.1)
    """Initial steps of Adagrad to try."""

    max_sampled: Values[Annotated[int, Field(ge=1, le=1000)]] = (10, 30, 100)
    """Bounds on the negatives drawn to try."""

    item_alpha: Values[Annotated[float, Field(ge=0, le=1)]] = (0.0, 1e-6, 1e-5)
    """L2 penalties on item features to try."""

    user_alpha: Values[Annotated[float, Field(ge=0, le=1)]] = (0.0, 1e-6)
    """L2 penalties on user features to try."""

    genres: Values[bool] = (True, False)
    """With and without genres as item features."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the random choice of combinations."""
