"""The section ``tune``: what a search tries."""

from typing import Annotated, Any, Literal

from pydantic import Field

from recsys_tasks.config.settings.base import Frozen, Values

OF_WARP = {
    f"train.{name}": name
    for name in (
        "components",
        "learning_rate",
        "max_sampled",
        "item_alpha",
        "user_alpha",
        "genres",
    )
}
OF_RIDGE = {
    f"train.ridge_svd.{name}": name for name in ("ridge", "dropout", "user_scale", "item_factor")
}
OF_WIDTH = {"train.ridge_svd.components": "ridge_components"}
OF_BLEND = {"train.blend.warp_weight": "warp_weight"}
"""Settings that are searched, with the field that lists their values."""

SEARCHED = {
    "ridge-svd": OF_RIDGE | OF_WIDTH,
    "blend": OF_WARP | OF_RIDGE | OF_WIDTH | OF_BLEND,
    "auto": OF_WARP | OF_RIDGE,
}
"""By engine, where it is not WARP alone; auto chooses width and weight itself, in every trial."""


class TuneSettings(Frozen):
    """What recsys_tune searches: a list of values for each field that the engine has, within its bounds."""

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

    ridge_components: Values[Annotated[int, Field(ge=1, le=2048)]] = (128, 192, 256)
    """Widths of ridge-svd to try; the engine auto chooses its own."""

    ridge: Values[Annotated[float, Field(gt=0, le=1e9)]] = (100.0, 200.0, 400.0)
    """Penalties of ridge-svd to try."""

    dropout: Values[Annotated[float, Field(ge=0, le=100)]] = (0.5, 1.0, 2.0)
    """What each squared weight of an item adds to its penalty, to try."""

    user_scale: Values[Annotated[float, Field(ge=0, le=1)]] = (0.0, 0.25, 0.5)
    """Powers by which users with much to say count less, to try."""

    item_factor: Values[Annotated[float, Field(ge=0, le=1)]] = (0.0, 0.25)
    """Powers of EASE's factor of an item to try."""

    warp_weight: Values[Annotated[float, Field(gt=0, le=1000)]] = (0.5, 1.0, 1.5, 2.5)
    """Weights of WARP in a blend to try; the engine auto chooses its own."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the random choice of combinations."""

    def lists(self, engine: str) -> dict[str, tuple[Any, ...]]:
        """The values to try of each setting that this engine has, by its dotted name."""
        fields = SEARCHED.get(engine, OF_WARP)
        return {setting: getattr(self, field) for setting, field in fields.items()}
