"""Every setting of a run, typed once: the CLI's flags, the DAG's form and the manifest come from here.

A ``Settings`` is a frozen tree of sections. ``Settings.load`` makes one from a preset, a TOML file
and dotted ``section.field`` overrides, in this order, later ones winning. Unknown keys are refused.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from recsys_tasks.config.contradictions import contradictions
from recsys_tasks.config.renamed import warn_of_old_names, with_new_names
from recsys_tasks.errors import SettingsError

DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Name of a dataset: its schema in Postgres and its prefix in the bucket."""


_Value = TypeVar("_Value")
Values = Annotated[tuple[_Value, ...], Field(min_length=1, max_length=100)]
"""Values to choose from: at least one."""


class Frozen(BaseModel):
    """A value: cannot change, refuses unknown keys, documents each field by the string under it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class Columns(Frozen):
    """Names of columns. One that two roles share would be read as both: users as movies."""

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        names = [name for _, name in self]
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError(f"each needs a name of its own, not {', '.join(map(repr, names))}")
        return self


class RatingColumns(Columns):
    """What the columns of the ratings file are called in its header."""

    user: str = "userId"
    """Column of the user's id, a whole number."""

    movie: str = "movieId"
    """Column of the movie's id, a whole number."""

    rating: str = "rating"
    """Column of the rating."""

    time: str = "timestamp"
    """Column of the moment of the rating."""


class MovieColumns(Columns):
    """What the columns of the movies file are called in its header."""

    movie: str = "movieId"
    """Column of the movie's id, a whole number."""

    title: str = "title"
    """Column of the title."""

    genres: str = "genres"
    """Column of the list of genres."""


class SourceSettings(Frozen):
    """Where the ratings come from, and how to read them."""

    movies: str = ""
    """Path, http(s):// or s3:// address of movies.csv, plain or .gz. Empty: use what the tables hold."""

    ratings: str = ""
    """Path, http(s):// or s3:// address of ratings.csv, plain or .gz. Empty: use what the tables hold."""

    archive: str = ""
    """Path or address of a .zip that holds movies.csv and ratings.csv, instead of the two above."""

    max_rejected: float = Field(default=0.05, ge=0, le=1)
    """Share of rows that may be set aside as malformed before the whole file is refused."""

    tolerated_rejected: int = Field(default=20, ge=0)
    """Rows that may be set aside whatever their share: a handful in a small file refuses nothing."""

    replace: bool = False
    """The files are a full snapshot: rows that they lack are deleted. Off: rows are added or updated."""

    rating_columns: RatingColumns = RatingColumns()
    """Names of the ratings file's columns."""

    movie_columns: MovieColumns = MovieColumns()
    """Names of the movies file's columns."""

    separator: str = Field(default=",", pattern=r"^[^\d\r\n\"'-]$")
    """The one character between two fields."""

    quote: Literal['"', "'"] = '"'
    """The character around a field that holds a separator, a line end or a quote (then doubled)."""

    decimal: Literal[".", ","] = "."
    """The decimal sign of a rating."""

    genre_separator: str = Field(default="|", min_length=1, max_length=3)
    """What stands between two genres of one movie."""

    top_rating: float = Field(default=5.0, gt=0, le=1000)
    """The file's best rating; it becomes 5 stars and the others in proportion, always half stars."""

    time_unit: Literal["s", "ms"] = "s"
    """Unit of the moment of a rating: seconds or milliseconds since 1970-01-01 UTC."""

    largest_id: int = Field(default=2**31 - 1, ge=1, le=2**63 - 1)
    """Largest id of a user or a movie; what is above is taken for a fault."""


class PositiveSettings(Frozen):
    """Which ratings count as a positive interaction, and how much."""

    threshold: float = Field(default=5.0, ge=0.5, le=5)
    """A rating, in stars, at or above this is a positive of the test part, and of training at weight 1."""

    weak_threshold: float = Field(default=4.0, ge=0.5, le=5)
    """Ratings, in stars, from here up to the threshold are weaker positives, in training only."""

    weak_weight: float = Field(default=0.5, ge=0, le=1)
    """Sample weight of the weaker positives; 0 trains on the threshold's ratings alone."""

    as_of: str = ""
    """Train on what was rated and loaded up to this UTC time (ISO 8601); empty: everything. A backfill
    sets it to each night's moment."""

    rated_until: str = ""
    """Train on what was rated up to this UTC time, whenever it was loaded; empty: everything. A
    scheduled run sets it to the end of its data interval."""

    @field_validator("as_of", "rated_until")
    @classmethod
    def _is_a_moment(cls, text: str) -> str:
        """Refuses what is no time."""
        if text:
            _moment(text)
        return text


class CheckSettings(Frozen):
    """What the tables must hold before anything is trained on them."""

    min_ratings: int = Field(default=1, ge=0)
    """Floor of the number of ratings."""

    min_users: int = Field(default=1, ge=0)
    """Floor of the number of users."""

    min_movies: int = Field(default=1, ge=0)
    """Floor of the number of movies in the catalogue."""

    min_positives: int = Field(default=1, ge=0)
    """Floor of the number of ratings at or above the threshold."""

    min_of_champion: float = Field(default=0.5, ge=0, le=1)
    """Floor of ratings, users, movies and positives, each as a share of the champion's; 0: none."""

    max_of_champion: float = Field(default=0.0, ge=0)
    """Ceiling of the same four, as a multiple of the champion's; 0: none."""

    max_rating_drift: float = Field(default=1.0, ge=0)
    """Ceiling of the population stability index of the ratings by stars against the champion's; equal
    shares have 0, above 0.25 is by custom a great change."""

    min_density: float = Field(default=0.0, ge=0, le=1)
    """Floor of ratings as a share of all pairs of user and movie."""

    min_positive_share: float = Field(default=0.0, ge=0, le=1)
    """Floor of positives as a share of the ratings."""

    max_positive_share: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of positives as a share of the ratings."""

    max_age_days: float = Field(default=0.0, ge=0)
    """Days that the newest rating may be older than the moment of training; 0: any age."""

    max_unrated_movies: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of movies without a rating, as a share of the catalogue."""

    max_single_rating_users: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of users with one rating, as a share of the users."""


class SplitSettings(Frozen):
    """How interactions are divided into train, validation and test."""

    method: Literal["random", "shuffle", "time", "leave_last"] = "random"
    """random: a function of user id, item id and seed, so that a pair is in the same part every night;
    shuffle: the article's, another cut with each new rating; time: one moment for all; leave_last:
    the last n of each user."""

    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the interactions in the test part (random, shuffle, time)."""

    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the remaining interactions held out to choose the number of epochs; 0: none."""

    last_n: int = Field(default=1, ge=1, le=100)
    """Interactions of each user in the test part (leave_last)."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the split (random, shuffle)."""


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

    tuned: bool = False
    """Take the winner of the dataset's last recsys_tune for the fields that it searched; one that is
    given another value than its default here keeps that."""

    warm_start: bool = False
    """Go on from the champion's parameters, row by row as ids match, instead of from nothing. Needs
    split.method random, and a champion that was split alike: else the champion has been trained on
    what it is tested on."""

    full_retrain_every: int = Field(default=7, ge=1, le=1000)
    """With warm starts: one run in this many trains from nothing, so that drift has an end."""

    memory_megabytes: int = Field(default=0, ge=0)
    """Memory that training and evaluation may take, by estimate; 0: what the machine has free."""

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


class EvaluateSettings(Frozen):
    """What is measured on the held-back part, and against what."""

    ks: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (5, 10, 20)
    """Lengths of the list that precision, recall, NDCG, MAP, hit rate and the rest are computed for,
    beside 5 and 10, which every run has."""

    block_megabytes: int = Field(default=32, ge=1, le=65536)
    """Memory of the block of scores that is worked on at a time."""

    validation_users: int = Field(default=10_000, ge=1)
    """Users of the validation part that are scored after each epoch, at most; evenly spaced."""

    ease_megabytes: int = Field(default=500, ge=0)
    """EASE is fitted beside the model where it takes no more memory than this: 8 bytes times items
    with training interactions times these or the trained users, whichever are fewer. 0: never."""

    ease_l2: float = Field(default=0.0, ge=0)
    """Penalty of EASE; 0: chosen on the validation part from 50 to 1000, or 200 without such a part."""

    ials_interactions: int = Field(default=500_000, ge=0)
    """iALS is fitted beside the model where there are no more training interactions than this: a few
    seconds for each 100,000 of them. 0: never."""

    threads: int = Field(default=2, ge=1, le=256)
    """Blocks of users that are ranked at a time; the numbers do not depend on it."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the random baseline and of the bootstrap."""


class GateRule(Frozen):
    """One more thing that a candidate must reach."""

    name: str
    """What the rule is called in the verdict."""

    metric: str
    """Dotted path into the manifest's metrics, such as test_served.recall_at_10; of a slice, its
    metric alone, such as ndcg_at_10."""

    slice: str = ""
    """Slice of the test part, such as users.1-4 or items.tail; empty: all of it."""

    comparison: Literal["at_least", "at_most"] = "at_least"
    """Which side of the bound is good."""

    bound: float
    """The bound itself, which passes."""


class GateSettings(Frozen):
    """What a candidate must reach before anyone downstream sees it."""

    min_precision: float = Field(default=0.05, ge=0, le=1)
    """Floor of precision@5 as served, mean over users with test positives."""

    min_popular_ratio: float = Field(default=1.05, ge=0, le=100)
    """Floor of precision@5 as served, as a multiple of the better of the popular and the recently
    popular list's."""

    min_effective_rank: float = Field(default=2.0, ge=0, le=1024)
    """Floor of the effective number of dimensions of the item vectors; 1 is a collapsed model."""

    max_never_shown: float = Field(default=0.999, ge=0, le=1)
    """Ceiling of the share of the catalogue that is in no test user's top 10."""

    min_index_recall: float = Field(default=0.9, ge=0, le=1)
    """Floor of the recall@10 of the search that serves, against a scan of all items."""

    max_index_latency: float = Field(default=1.0, gt=0, le=1000)
    """Ceiling of that search's time for a query, as a multiple of a scan's; medians, same run."""

    index_latency_from: int = Field(default=20_000, ge=1)
    """Items from which that ceiling is judged: a scan of fewer takes a fraction of a millisecond,
    and an index that loses to it harms nobody."""

    max_champion_loss: float = Field(default=0.01, ge=0, le=1)
    """How much less precision@5 as served than the champion's is tolerated; a candidate fails where
    the whole paired 95 % interval lies below."""

    min_champion_users: int = Field(default=30, ge=1)
    """Users with a test positive that both know, below which candidate and champion are not compared:
    of a few, neither a pass nor a rejection says anything."""

    max_churn: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of the share of users whose top 10 changed by more than half against the champion."""

    rules: tuple[GateRule, ...] = ()
    """Further rules, judged beside those above."""

    @model_validator(mode="after")
    def _has_a_floor(self) -> Self:
        """Two floors of zero and no rule: a gate that rejects nothing is not one."""
        if not (self.min_precision > 0 or self.min_popular_ratio > 0 or self.rules):
            raise ValueError("the gate has no floor and no rule: it would let anything through")
        return self


class IndexSettings(Frozen):
    """The annoy index over the item embeddings. Where it finds too few, exact search serves."""

    metric: Literal["angular", "dot"] = "angular"
    """angular with one more dimension keeps the order of scores; annoy's own dot loses recall."""

    trees: int = Field(default=50, ge=0, le=1000)
    """Trees in the index: more let a query inspect fewer nodes, and take more space and time to build.
    0: the build tries 10, 25, 50, 100 and takes what needs the least search_k."""

    search_k: int = Field(default=0, ge=0)
    """Nodes inspected by a query; 0: chosen at build time for the recall below."""

    min_recall: float = Field(default=0.98, ge=0, le=1)
    """Recall@10 against a scan of all items that the choice of search_k aims at. Where annoy does not
    reach it, or in a large catalogue only by inspecting more than a tenth of it, exact search serves."""

    seed: int = Field(default=42, ge=1, le=2**31 - 1)
    """Seed of the index; with one build thread the same seed gives the same bytes."""


class PublishSettings(Frozen):
    """Where a promoted version goes besides the object store."""

    write_postgres: bool = False
    """Also write the champion's embeddings to user_embeddings and movie_embeddings in Postgres."""

    backfill_promotes: bool = False
    """A backfill's runs are compared with the champion and promote, as other runs do; off: they publish
    only, know nothing of the champion, and wake nobody."""


class Settings(Frozen):
    """One run's settings, whole."""

    dataset: DatasetName = "movielens"
    """Name of the dataset: the schema in Postgres and the prefix in the bucket."""

    source: SourceSettings = SourceSettings()
    positives: PositiveSettings = PositiveSettings()
    checks: CheckSettings = CheckSettings()
    split: SplitSettings = SplitSettings()
    train: TrainSettings = TrainSettings()
    spark: SparkSettings = SparkSettings()
    tune: TuneSettings = TuneSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    gate: GateSettings = GateSettings()
    index: IndexSettings = IndexSettings()
    publish: PublishSettings = PublishSettings()

    @classmethod
    def load(
        cls,
        preset: str = "nightly",
        file: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Self:
        """Settings from a preset, a TOML file and dotted overrides; later ones win.

        Args:
            preset: a key of ``PRESETS``.
            file: TOML with a table for each section.
            overrides: ``{"train.epochs": 3, "dataset": "mls"}``.

        A name of the release before is taken for the new one, with a warning (``renamed``).

        Raises:
            SettingsError: an unknown key or preset, a value out of bounds, an unreadable file. The
                message names each field and says what is wrong with it.
        """
        if preset not in PRESETS:
            raise SettingsError(
                f"there is no preset {preset!r}{did_you_mean(preset, PRESETS)}: choose from "
                f"{', '.join(PRESETS)}"
            )
        tree: dict[str, Any] = {}
        for layer in (PRESETS[preset], _read_toml(file) if file else {}, dict(overrides or {})):
            leaves = dict(_flatten(layer))
            warn_of_old_names(leaves)
            for dotted, value in with_new_names(leaves).items():
                _put(tree, dotted, value)
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Settings that contradict each other are refused here, before a run begins."""
        if found := contradictions(self):
            raise ValueError("; ".join(found))
        return self

    @classmethod
    def dataset_in(cls, file: Path | None) -> str:
        """The dataset that a TOML file names; the default one without a file or a name in it.

        Raises:
            SettingsError: the file cannot be read, or its dataset is no dataset's name.
        """
        tree = _read_toml(file) if file else {}
        named = {"dataset": tree["dataset"]} if "dataset" in tree else {}
        return cls.load(overrides=named).dataset

    def as_of_time(self) -> datetime | None:
        """``positives.as_of`` as a moment in UTC; None: everything."""
        text = self.positives.as_of
        return None if not text else _moment(text)

    def rated_until_time(self) -> datetime | None:
        """``positives.rated_until`` as a moment in UTC; None: everything."""
        text = self.positives.rated_until
        return None if not text else _moment(text)

    def flat(self) -> dict[str, Any]:
        """The same settings as ``{"section.field": value}``."""
        return dict(_flatten(self.model_dump(mode="json")))


PRESETS: dict[str, dict[str, Any]] = {
    "nightly": {"train.engine": "auto"},
    "article": {
        "positives.weak_weight": 0.0,
        "split.method": "shuffle",
        "split.validation_fraction": 0.0,
        "train.epochs": 250,
        "train.genre_weight": 1.0,
        "train.max_sampled": 10,
        "train.patience": 0,
    },
    "quick": {"train.components": 16, "train.epochs": 5, "index.trees": 10},
    "spark": {"train.engine": "spark-als", "train.components": 32, "train.epochs": 12},
}
"""Named starting points. ``nightly`` is the DAG's default, ``article`` the article's own settings."""


DEPLOYERS = ("spark.master", "spark.options", "spark.exchange")
"""Settings that decide which code runs where: a run's conf may not give them, see ``settings_file``."""


def settings_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """The TOML file that ``RECSYS_SETTINGS`` names: the deployer's settings of every run."""
    path = (os.environ if environ is None else environ).get("RECSYS_SETTINGS")
    return Path(path) if path else None


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """``["train.epochs=3"]`` as ``{"train.epochs": 3}``; a value that is not JSON is a string.

    Raises:
        SettingsError: an assignment without ``=``.
    """
    overrides = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set takes section.field=value, not {assignment!r}")
        try:
            overrides[key.strip()] = json.loads(text)
        except json.JSONDecodeError:
            overrides[key.strip()] = text
    return overrides


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not a time such as 2026-11-24T03:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        is_section = isinstance(value, Mapping)
        leaves += _flatten(value, f"{prefix}{key}.") if is_section else [(f"{prefix}{key}", value)]
    return leaves


def _put(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, field = dotted.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{dotted}: {section} is not a section")
    tree[field] = value


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` with the known name nearest to this one; empty where none is near."""
    ends = {one: one for one in known}
    for one in list(ends):
        ends.setdefault(one.rpartition(".")[2], one)  # of two with one field's name, the first
    near = get_close_matches(name, ends, n=1, cutoff=0.7)
    near = near or get_close_matches(name.rpartition(".")[2], ends, n=1, cutoff=0.8)
    return f"; did you mean {ends[near[0]]}?" if near else ""


def setting_names() -> tuple[str, ...]:
    """The dotted names of all settings and sections."""
    return tuple(_names(Settings))


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name}.")


def _explain(error: ValidationError) -> str:
    """Pydantic's findings as one sentence a field, in the words of the CLI."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, finding["loc"])), _fault(finding))))
        for finding in error.errors()
    )


def _fault(finding: Mapping[str, Any]) -> str:
    if finding["type"] == "extra_forbidden":
        name = ".".join(map(str, finding["loc"]))
        return "no such setting" + did_you_mean(name, setting_names())
    if finding["type"] == "value_error":  # a rule of our own, which says all
        return str(finding["ctx"]["error"])
    return f"{finding['msg']}, not {finding['input']!r}"
