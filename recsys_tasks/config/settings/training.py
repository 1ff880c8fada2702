"""The section ``train``: the engine and how it is fitted."""

from typing import Literal

from pydantic import Field

from recsys_tasks.config.settings.base import Frozen

EngineName = Literal["auto", "lightfm", "recsys", "ridge-svd", "blend", "spark-als"]
"""Of what makes a model."""

WIDER = 256
"""Components of ridge-svd that the engine auto tries on data of any size, where the settings have fewer."""


class RidgeSvdSettings(Frozen):
    """The closed-form model: ridge regression of every item on all, cut off after some components."""

    components: int = Field(default=192, ge=1, le=2048)
    """Width of its vectors."""

    ridge: float = Field(default=200.0, gt=0, le=1e9)
    """Penalty of every item, in squared weights."""

    dropout: float = Field(default=1.0, ge=0, le=100)
    """What each squared weight of an item adds to its penalty; 0: all items have the same."""

    user_scale: float = Field(default=0.25, ge=0, le=1)
    """A user counts by their sum of weights to minus this power; 0: all alike."""

    constant: float = Field(default=0.3, ge=0, le=100)
    """Weight of the constant item that every history holds: who has no history gets the popular list."""

    category_weight: float = Field(default=1.0, ge=0, le=1000)
    """Weight of a pseudo-user for each category, who likes all of its items; 0: none."""

    item_factor: float = Field(default=0.0, ge=0, le=1)
    """Power of EASE's factor of an item; 1 is EASE's own, 0 plain ridge regression."""

    iterations: int = Field(default=8, ge=1, le=100)
    """Passes over the interactions."""

    threads: int = Field(default=2, ge=1, le=256)
    """Threads of a pass; the bytes do not depend on them."""


class BlendSettings(Frozen):
    """How ridge-SVD and WARP are joined in one model."""

    warp_weight: float = Field(default=1.5, gt=0, le=1000)
    """Weight of WARP's scores once both have the same spread; for 0, take the engine ridge-svd."""


class TrainSettings(Frozen):
    """The model and how it is fitted."""

    engine: Literal["auto", "warp", "lightfm", "recsys", "ridge-svd", "blend", "spark-als"] = "warp"
    """lightfm: the reference; recsys: this project's own WARP kernel, same rule and random numbers,
    faster, without penalties; warp: recsys where it can, else lightfm; ridge-svd: a closed form, see
    train.ridge_svd; blend: ridge-svd and WARP in one model, see train.blend; auto: a blend whose width
    and weight the validation part chooses; spark-als: Spark's implicit ALS, see the section spark."""

    ridge_svd: RidgeSvdSettings = RidgeSvdSettings()
    """Of the engines ridge-svd and blend."""

    blend: BlendSettings = BlendSettings()
    """Of the engine blend."""

    loss: Literal["warp", "bpr", "warp-kos", "logistic"] = "warp"
    """LightFM's loss; WARP is what the gate's floors were chosen for."""

    components: int = Field(default=64, ge=1, le=1024)
    """Width of an embedding, without its bias."""

    epochs: int = Field(default=40, ge=1, le=1000)
    """Passes over the training interactions; with patience, at most this many."""

    learning_rate: float = Field(default=0.05, gt=0, le=1)
    """Initial step of Adagrad."""

    max_sampled: int = Field(default=100, ge=1, le=1000)
    """Negatives that WARP draws at most for one positive."""

    item_alpha: float = Field(default=0.0, ge=0, le=1)
    """L2 penalty on item features."""

    user_alpha: float = Field(default=0.0, ge=0, le=1)
    """L2 penalty on user features."""

    genres: bool = True
    """Use genres as item features beside each item's own."""

    genre_weight: float = Field(default=0.1, gt=0, le=1)
    """Weight of each genre where the item itself has 1; the article's is 1. With less, movies that
    share genres keep more of their own."""

    patience: int = Field(default=5, ge=0, le=100)
    """Stop after this many validations without a better one, keep the best epoch; 0: run all epochs."""

    validate_on: Literal["ndcg_at_10", "precision_at_5", "recall_at_10", "mrr"] = "ndcg_at_10"
    """Metric of the validation part, as served, that the best epoch is chosen by."""

    refit: bool = True
    """After stopping early, fit once more on train and validation together for the best number of epochs."""

    finalise: bool = False
    """Once the gate has accepted the model, fit what is published on train, validation and test with what
    was chosen; the metrics stay those of the judged model, which the next run is compared with."""

    tuned: bool = False
    """Take the winner of the dataset's last recsys_tune for the fields that it searched; one that is
    given another value than its default here keeps that, and so does any that --set or a settings file names."""

    warm_start: bool = False
    """Go on from the champion's parameters, row by row as ids match, instead of from nothing. Needs
    split.method random, and a champion that was split alike: else the champion has been trained on
    what it is tested on."""

    full_retrain_every: int = Field(default=7, ge=1, le=1000)
    """With warm starts: one run in this many trains from nothing, so that drift has an end."""

    memory_megabytes: int = Field(default=0, ge=0)
    """Memory that training and evaluation may take, by estimate; 0: what the machine has free."""

    part_ratings: int = Field(default=4_000_000, ge=1, le=2**31 - 1)
    """Ratings of a part, about: a range of users that is read, divided, fitted and measured on its own."""

    threads: int = Field(default=1, ge=1, le=256)
    """Threads of the fit; with one, the same seed gives the same bytes."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the initial embeddings and of the sampling."""

    @property
    def genre_weight_used(self) -> float:
        """Zero for spark-als: its items are their own vectors, genres only remember their members."""
        return 0.0 if self.engine == "spark-als" else self.genre_weight

    @property
    def engine_used(self) -> EngineName:
        """The engine, with ``warp`` as what it stands for with these settings."""
        return self.warp_engine if self.engine == "warp" else self.engine

    @property
    def warp_engine(self) -> Literal["lightfm", "recsys"]:
        """What runs the epochs, of a blend too."""
        if self.engine == "lightfm" or self.engine == "recsys":
            return self.engine
        plain = self.loss == "warp" and not self.item_alpha and not self.user_alpha
        return "recsys" if plain else "lightfm"

    @property
    def width(self) -> int:
        """Components of a published vector, its bias apart, at most."""
        closed = self.closed_width
        return closed if self.engine == "ridge-svd" else closed + self.components

    @property
    def closed_width(self) -> int:
        """Components of ridge-svd at most; 0 where it has no part."""
        wanted = self.ridge_svd.components
        tried = {"ridge-svd": wanted, "blend": wanted, "auto": max(wanted, WIDER)}
        return tried.get(self.engine, 0)
