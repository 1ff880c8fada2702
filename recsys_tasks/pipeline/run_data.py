"""Reads what earlier steps of the run left, as values of the core."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.user_metrics import METRICS, UserMetrics
from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.data.tables import MovieTable
from recsys_tasks.evaluation.paired import ScoredVersion
from recsys_tasks.evaluation.ranking import Counts, Shard
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.matrices.ids import IdMap, IdMaps
from recsys_tasks.matrices.interactions import (
    Csr,
    Interactions,
    ItemFeatures,
    build_item_features,
)
from recsys_tasks.matrices.split import Split
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import Embeddings
from recsys_tasks.pipeline.fit_parts import with_users
from recsys_tasks.pipeline.histories import TrainedOn, trained_on
from recsys_tasks.pipeline.run import RunFiles
from recsys_tasks.pipeline.run_files import (
    FEATURES,
    FINALISED,
    FINALISED_FOLD_IN,
    FOLD_IN,
    IDS,
    MOVIES,
    PARAMETERS,
    Document,
)
from recsys_tasks.pipeline.run_parts import open_parts, open_split
from recsys_tasks.report.examples import Titles

COUNTED = tuple(field.name for field in fields(Counts))


class FittedOn(NamedTuple):
    """A model with what it was fitted on and what makes a vector of a history in it."""

    model: Model
    history_map: HistoryMap
    interactions: Interactions


@dataclass(frozen=True)
class RunData:
    """The run's matrices and models, each read anew when it is asked for.

    Args:
        files: of the run.
        refit: whether the judged model was fitted on train and validation together.
        finalise: whether another one is published, fitted on everything.
    """

    files: RunFiles
    refit: bool
    finalise: bool = False

    def ids(self) -> IdMaps:
        """Both id maps."""
        return IDS.read(self.files)

    def users(self) -> IdMap:
        """Users in the order of their rows."""
        return self.ids().users

    def items(self) -> IdMap:
        """Items in the order of their rows."""
        return self.ids().items

    def titles(self) -> Titles:
        """Titles and genres in the order of the items' rows."""
        movies = MOVIES.read(self.files)
        return Titles(movies["titles"], movies["genres"])

    def features(self) -> ItemFeatures:
        """The item features and their names."""
        return FEATURES.read(self.files)

    def features_for(self, settings: TrainSettings) -> Csr:
        """The item features that a run with these settings trains on, CSR ``(n_items, n_features)``."""
        return build_item_features(
            self._movies(), settings.genres, settings.genre_weight_used, self.ids().noun
        ).matrix

    def categories(self) -> Csr:
        """Which item is of which genre, trained on or not, CSR ``(n_items, n_genres)``."""
        return build_item_features(self._movies()).categories

    def _movies(self) -> MovieTable:
        titles = self.titles()
        genres = tuple(tuple(tags) for tags in titles.genres)
        return MovieTable(self.items().ids, tuple(titles.titles), genres)

    def interactions(self) -> Interactions:
        """Everything that is trained on or held back, of all users."""
        with open_parts(self.files) as parts:
            return parts.interactions()

    def seen(self) -> Csr:
        """Everything that a user has rated, whatever the rating, of all users."""
        with open_parts(self.files) as parts:
            return parts.seen()

    def split(self) -> Split:
        """Train, validation and test of all users, in memory."""
        with open_split(self.files) as parts:
            return parts.whole()

    def user_metrics(self) -> UserMetrics:
        """What was measured for each user of the test part, as served."""
        found = self.files.get_arrays("per_user.npz")
        values = {name: found[f"test_served.{name}"] for name in METRICS}
        ids = self.users().ids[found["users"]]
        return UserMetrics(ids, found["training_positives"], values)

    def model(self) -> Model:
        """The judged model's parameters."""
        found, which = PARAMETERS.read(self.files), trained_on(self.refit)
        return self._filled(found, self.history_map(), which)

    def history_map(self) -> HistoryMap:
        """What makes a user's vector of a history, in the judged model."""
        return FOLD_IN.read(self.files)

    def trained_on(self) -> Interactions:
        """What the judged model was fitted on."""
        return self.split().trained_on(self.refit)

    def judged(self) -> FittedOn:
        """The model that was measured."""
        return FittedOn(self.model(), self.history_map(), self.trained_on())

    def published(self) -> FittedOn:
        """The model that is published: the finalised one where there is one, else the judged one."""
        if not self.finalise:
            return self.judged()
        model, history_map = FINALISED.read(self.files), FINALISED_FOLD_IN.read(self.files)
        filled = self._filled(model, history_map, "everything")
        return FittedOn(filled, history_map, self.interactions())

    def _filled(self, model: Model, found: HistoryMap, which: TrainedOn) -> Model:
        """The model with its users, where these are sums that are kept nowhere."""
        if len(model.user_embeddings):
            return model
        return with_users(self.files, model, found, self.features().matrix, which)

    def contender(self, embeddings: Embeddings) -> ScoredVersion:
        """The candidate as something that scores, by id."""
        served = Audience.of(self.trained_on()).served(embeddings, self.history_map())
        return ScoredVersion(self.users(), self.items(), served)

    def keep_counts(self, shard: Shard, counted: Mapping[str, Counts]) -> str:
        """Leaves what was counted for a shard of the users, by scorer, for ``counts``; its key."""
        arrays = {
            f"{scorer}.{name}": array
            for scorer, counts in counted.items()
            for name, array in vars(counts).items()
        }
        return self.files.put_arrays(_counts_name(shard), arrays)

    def counts(self, shards: int) -> dict[str, Counts]:
        """What was counted for everyone, by scorer.

        Raises:
            NotFound: a shard is missing.
        """
        every = [
            self.files.get_arrays(_counts_name(Shard(number, shards))) for number in range(shards)
        ]
        scorers = {name.partition(".")[0] for name in every[0]}
        return {
            scorer: Counts.join(
                [
                    Counts(**{name: arrays[f"{scorer}.{name}"] for name in COUNTED})
                    for arrays in every
                ]
            )
            for scorer in sorted(scorers)
        }


def catalogue_document(movies: MovieTable) -> Document:
    """What ``movies.json`` says: titles and categories by row, and availability where there is any."""
    document: Document = {"titles": movies.title, "genres": movies.genres}
    return document | ({"available": movies.available} if movies.available else {})


def _counts_name(shard: Shard) -> str:
    return f"evaluation/{shard.number:05d}-of-{shard.of:05d}.npz"
