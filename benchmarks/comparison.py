"""Each step both ways on the same data: what it took, and whether the results are equal."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from annoy import AnnoyIndex
from lightfm import LightFM
from numpy.typing import NDArray

from benchmarks import article
from benchmarks.cost import Cost, cost_of, median, scaled, total
from recsys_tasks.artifacts.ann_index import index_queries
from recsys_tasks.config.settings import Settings, SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.contenders import block_rows
from recsys_tasks.evaluation.evaluate import validator
from recsys_tasks.evaluation.ranking import Parts, rank
from recsys_tasks.matrices.interactions import (
    Interactions,
    build_id_maps,
    build_interactions,
    build_item_features,
    build_seen,
)
from recsys_tasks.matrices.split import split
from recsys_tasks.model.engines.ridge import RidgeSvdEngine
from recsys_tasks.model.engines.warp import LIGHTFM_NAMES
from recsys_tasks.model.engines.warp_engine import WarpEngine, WarpSettings, initial_parameters
from recsys_tasks.model.fit import fit
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import Embeddings, with_biases
from recsys_tasks.publish.index import build_index

SCHEMA = "bench"
SAMPLED_ROWS, SAMPLED_USERS, ASKED_USERS = 200_000, 300, 300
"""What the article's side is timed on, unless all of it is asked for; users asked for a top ten."""
ARTICLE_EPOCHS, EPOCHS_TIMED = 250, 3
ROUNDING = 1e-3
"""Largest difference of a parameter after the first epoch that counts as equal."""
CLAIMED_UP_TO = 50_000
"""Positives up to which equal parameters are claimed: with more, some score falls within rounding
of the margin, the two engines see other negatives from there on, and ``equal`` stays open."""


LEARNED = ("user_embeddings", "user_biases", "item_embeddings", "item_biases")
"""LightFM's names of what is compared after an epoch."""

Learned = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Step:
    """One step of both sides.

    ``equal`` is None where equal results are not claimed; ``two_threads`` holds the article's cost
    and ours with two threads, where that was measured; ``more`` goes into the JSON as it is.
    """

    name: str
    article: Cost
    ours: Cost
    equal: bool | None
    notes: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    two_threads: tuple[Cost, Cost] | None = None

    def document(self) -> dict[str, Any]:
        """The step as ``python -m benchmarks compare --json`` prints it."""
        two = {"two_threads": _sides(*self.two_threads)} if self.two_threads else {}
        return {
            "name": self.name,
            **_sides(self.article, self.ours),
            "equal": self.equal,
            **two,
            **self.more,
            "notes": list(self.notes),
        }


def _sides(article: Cost, ours: Cost) -> dict[str, float]:
    return {
        "article_s": article.seconds,
        "ours_s": ours.seconds,
        "ratio": article.seconds / ours.seconds,
        "article_cpu_s": article.cpu,
        "ours_cpu_s": ours.cpu,
        "article_peak_mb": article.peak_mb,
        "ours_peak_mb": ours.peak_mb,
    }


@dataclass(frozen=True)
class Bench:
    """One comparison: the files, a database of its own, and how much of the article's side to run.

    ``full`` runs all of the article's rows and users; else a stated sample is scaled up.
    """

    url: str
    folder: Path
    full: bool = False
    trees: int = 100

    def steps(self) -> Iterator[Step]:
        """The steps in their order, each as soon as it is measured."""
        done: dict[str, Step] = {}
        for step in self._measured():
            done[step.name] = step
            yield step
        yield self._end_to_end(done)

    def _measured(self) -> Iterator[Step]:
        yield self._load_ratings()
        yield self._read_pairs()
        database = Database(self.url)
        matrices = Matrices.of(database.read_ratings(SCHEMA), database.read_movies(SCHEMA))
        yield from matrices.steps()
        trained = Trained(matrices, self.full)
        epoch = trained.warp_epoch()
        yield epoch
        yield trained.ridge_svd_fit(epoch)
        yield trained.evaluate()
        yield from self._index(trained.embeddings())

    def _load_ratings(self) -> Step:
        movies, ratings = self.folder / "movies.csv", self.folder / "ratings.csv"
        database = Database(self.url)
        database.migrate(SCHEMA)
        source = SourceSettings(movies=str(movies), ratings=str(ratings))
        account, ours = cost_of(lambda: ingest(database, source, SCHEMA, "bench"))
        rows = next(file.loaded for file in account.files if file.role == "ratings")
        _, catalogue = cost_of(lambda: article.load_movies(self.url, movies))
        wanted = rows if self.full else min(rows, SAMPLED_ROWS)
        loaded, theirs = cost_of(lambda: article.load_ratings(self.url, ratings, wanted))
        notes = (
            _note_of_sample(loaded, rows, "rows"),
            f"{theirs.seconds / loaded * 1e6:.1f} us a row against {ours.seconds / rows * 1e6:.2f}",
        )
        return Step(
            "load_ratings",
            total([catalogue, scaled(theirs, rows / loaded)]),
            ours,
            self._holds_the_articles_rows(),
            tuple(filter(None, notes)),
            {"rows": rows},
        )

    def _holds_the_articles_rows(self) -> bool:
        """Whether each row that the article loaded is in our table, value for value."""
        columns = "user_id, movie_id, rating, rated_at"
        missing = Database(self.url).fetch(
            f"SELECT count(*) FROM (SELECT {columns} FROM article.ratings"
            f" EXCEPT SELECT {columns} FROM {SCHEMA}.ratings) AS missing"
        )
        return missing == [(0,)]

    def _read_pairs(self) -> Step:
        pairs, theirs = cost_of(lambda: article.read_pairs(self.url, SCHEMA))
        database = Database(self.url)
        (users, movies), ours = cost_of(lambda: database.read_pairs(SCHEMA, at_least=5.0))
        found = zip(users.tolist(), movies.tolist(), strict=True)
        equal = sorted(pairs) == sorted(found)
        return Step("read_pairs", theirs, ours, equal, (), {"pairs": len(pairs)})

    def _index(self, embeddings: Embeddings) -> Iterator[Step]:
        users, items = embeddings.users, embeddings.items
        path = self.folder / "items.ann"
        vectors = np.delete(items, -2, axis=1)
        dot, theirs = cost_of(
            lambda: article.build_index(self.folder / "dot.ann", vectors, self.trees)
        )
        built, ours = cost_of(lambda: build_index(path, items, users, trees=self.trees))
        note = "ours also measures recall along search_k; both with one thread"
        yield Step("build_index", theirs, ours, None, (note,))
        asked = users[np.linspace(0, len(users) - 1, ASKED_USERS).astype(int)]
        index = AnnoyIndex(built.facts.width, built.facts.metric)
        index.load(str(path))
        search_k = built.facts.search_k
        plain = np.delete(asked, -2, axis=1)
        their_lists, theirs = cost_of(lambda: [dot.get_nns_by_vector(q, 10) for q in plain])
        our_lists, ours = cost_of(
            lambda: [
                index.get_nns_by_vector(q, 10, search_k)
                for q in index_queries(asked, built.facts.metric)
            ]
        )
        exact, exhaustive = cost_of(lambda: [_top_ten(user @ items.T) for user in asked])
        recalls = {
            "article_recall_at_10": _recall(their_lists, exact),
            "ours_recall_at_10": _recall(our_lists, exact),
            "exact_s": exhaustive.seconds / len(asked),
        }
        yield Step(
            "query",
            scaled(theirs, 1 / len(asked)),
            scaled(ours, 1 / len(asked)),
            None,
            (
                f"recall@10 {recalls['article_recall_at_10']:.3f} against "
                f"{recalls['ours_recall_at_10']:.3f}; exact numpy {recalls['exact_s'] * 1e3:.2f} ms",
            ),
            recalls,
        )

    def _end_to_end(self, done: dict[str, Step]) -> Step:
        """CSV to index: the article's by its steps' times, ours run once more from table to model."""
        (epochs, embeddings), ours = cost_of(partial(_train, self.url))
        apart = ("load_ratings", "build_index")
        once = ("read_pairs", "build_interactions", "item_features", "split", *apart)
        theirs = [done[name].article for name in once]
        epochs_alone, evaluation = _two_threads(done["warp_epoch"]), _two_threads(done["evaluate"])
        theirs += [scaled(epochs_alone, ARTICLE_EPOCHS), evaluation]
        return Step(
            "end_to_end",
            total(theirs),
            total([ours, *(done[name].ours for name in apart)]),
            None,
            (
                f"article: sum of its steps, its {ARTICLE_EPOCHS} epochs extrapolated from"
                f" {EPOCHS_TIMED}, with two threads",
                f"ours: {epochs} epochs chosen on a validation part, then fitted again on all,"
                f" evaluated over {embeddings.n_users:,} users, with two threads;"
                " upload and promotion not counted",
            ),
            {"epochs": epochs},
        )


@dataclass(frozen=True, eq=False)
class Matrices:
    """What both sides make of the tables: equal, so that one copy is kept."""

    ratings: RatingTable
    movies: MovieTable
    interactions: Interactions
    settings: Settings
    costs: tuple[Step, ...]

    @classmethod
    def of(cls, ratings: RatingTable, movies: MovieTable) -> "Matrices":
        """Builds interactions, features and split both ways."""
        settings = Settings.load("article")
        users, items = build_id_maps(ratings, movies)
        fives = RatingTable(*(column[ratings.rating >= 5] for column in vars(ratings).values()))
        dataset = article.dataset_of(users.split_keys, movies)
        pairs = list(zip(fives.user_id.tolist(), fives.movie_id.tolist(), strict=True))
        (stock, _), theirs = cost_of(lambda: dataset.build_interactions(pairs))
        found, ours = cost_of(lambda: build_interactions(fives, users, items, settings.positives))
        equal = _same_pairs(stock, found.coo()) and stock.shape == found.shape
        steps = [Step("build_interactions", theirs, ours, equal)]
        features, theirs = cost_of(lambda: article.item_features(dataset, movies))
        own, ours = cost_of(lambda: build_item_features(movies).matrix)
        equal = features.shape == own.shape and abs(features - own).max() < 1e-6
        steps.append(Step("item_features", theirs, ours, bool(equal), (), {"elements": own.nnz}))
        (train, test), theirs = cost_of(lambda: article.split(found.coo()))
        parts, ours = cost_of(lambda: split(found, settings.split, users, items))
        equal = _same_pairs(train, parts.train.coo()) and _same_pairs(test, parts.test.coo())
        steps.append(Step("split", theirs, ours, equal))
        return cls(ratings, movies, found, settings, tuple(steps))

    def steps(self) -> tuple[Step, ...]:
        """What building them took."""
        return self.costs


class Trained:
    """LightFM and our engine after the same few epochs on the article's split."""

    def __init__(self, matrices: Matrices, full: bool) -> None:
        users, items = build_id_maps(matrices.ratings, matrices.movies)
        self.seen = build_seen(matrices.ratings, users, items)
        self.parts = split(matrices.interactions, matrices.settings.split, users, items)
        self.features = build_item_features(matrices.movies).matrix
        self.settings, self.full = matrices.settings, full

    def embeddings(self) -> Embeddings:
        """Of the model that LightFM trained."""
        return with_biases(self._model(self.lightfm), self.features)

    def warp_epoch(self) -> Step:
        """Epochs of both from the same start: the parameters after the first, the time of the rest."""
        (once, theirs), (own_once, ours) = self._epochs(1), self._own_epochs(1)
        apart = max(float(np.abs(a - b).max()) for a, b in zip(once, own_once, strict=True))
        claimed = len(self.parts.train) <= CLAIMED_UP_TO or apart <= ROUNDING
        note = (
            f"one thread, median of {EPOCHS_TIMED}; parameters at most {apart:.1g} apart after the"
            " first"
        )
        return Step(
            "warp_epoch",
            theirs,
            ours,
            apart <= ROUNDING if claimed else None,
            (note,),
            {"positives": len(self.parts.train), "largest_difference": apart},
            (self._epochs(2)[1], self._own_epochs(2)[1]),
        )

    def ridge_svd_fit(self, epoch: Step) -> Step:
        """A whole fit of ridge-svd as nightly sets it, beside the article's epochs: what makes a model.

        Args:
            epoch: ``warp_epoch``, which timed one of the article's with two threads.
        """
        settings = Settings.load("nightly", overrides={"train.engine": "ridge-svd"}).train
        fitted, ours = cost_of(
            lambda: RidgeSvdEngine(settings).fit(self.parts.train, self.features)
        )
        width = fitted.model.user_embeddings.shape[1]
        return Step(
            "ridge_svd_fit",
            scaled(_two_threads(epoch), ARTICLE_EPOCHS),
            ours,
            None,
            (
                f"article: {ARTICLE_EPOCHS} epochs of WARP, extrapolated from {EPOCHS_TIMED}; ours: "
                f"{settings.ridge_svd.iterations} passes, {width} components; both with two threads",
            ),
            {"components": width},
        )

    def evaluate(self) -> Step:
        """precision@5 and AUC of test and train, nothing masked; ours with every view and metric."""
        train, test = self.parts.train.csr(), self.parts.test.csr()
        users = np.flatnonzero((np.diff(train.indptr) > 0) & (np.diff(test.indptr) > 0))
        count = len(users) if self.full else min(len(users), SAMPLED_USERS)
        sample = users[np.linspace(0, len(users) - 1, count).astype(int)]
        some = (_rows_of(test, sample), _rows_of(train, sample))
        score = partial(article.evaluate, self.lightfm, some, self.features)
        stock, theirs = cost_of(lambda: score(1))
        _, two = cost_of(lambda: score(2))
        all_users = int((np.diff(train.indptr) > 0).sum())
        up = all_users / count
        found, ours = cost_of(lambda: self._measured(1))
        _, ours_two = cost_of(lambda: self._measured(2))
        equal = self._agree(stock, found, sample)
        notes = (
            _note_of_sample(count, all_users, "users"),
            f"{theirs.seconds / count * 1e3:.2f} ms a user against "
            f"{ours.seconds / all_users * 1e3:.3f} ms, which also gives the masked views",
        )
        return Step(
            "evaluate",
            scaled(theirs, up),
            ours,
            equal,
            tuple(filter(None, notes)),
            {"users": all_users},
            (scaled(two, up), ours_two),
        )

    def _measured(self, threads: int) -> tuple[NDArray[np.float64], ...]:
        embeddings = self.embeddings()
        parts = Parts.of(self.parts.train, self.parts.test, self.seen)
        block = block_rows(self.settings.evaluate, embeddings.n_items)
        views = rank(embeddings, parts, 0, block, threads).views
        found = [metrics.measure(views[name], (5,)) for name in ("test_unmasked", "train")]
        return tuple(view[name] for view in found for name in ("precision_at_5", "auc"))

    def _agree(
        self,
        stock: tuple[NDArray[np.float32], ...],
        found: tuple[NDArray[np.float64], ...],
        sample: NDArray[np.intp],
    ) -> bool:
        """Equal for all users but one in a thousand, whose scores lie within rounding of a tie."""
        test, train = self.parts.test.csr(), self.parts.train.csr()
        pairs = zip((test, test, train, train), stock, found, strict=True)
        for matrix, theirs, ours in pairs:
            place = np.searchsorted(np.flatnonzero(np.diff(matrix.indptr)), sample)
            off = np.abs(theirs - ours[place]) > 1e-4
            if off.sum() > max(1, len(sample) // 1000):
                return False
        return True

    def _epochs(self, threads: int) -> tuple[Learned, Cost]:
        """LightFM's parameters after the first epoch, and the others' cost; keeps the model."""
        train, components = self.parts.train.coo(), self.settings.train.components
        self.lightfm = model = LightFM(components, loss="warp", random_state=42)

        def epoch() -> None:
            model.fit_partial(train, item_features=self.features, num_threads=threads)

        epoch()
        once = [getattr(model, name).copy() for name in LEARNED]
        return once, median([cost_of(epoch)[1] for _ in range(EPOCHS_TIMED)])

    def _own_epochs(self, threads: int) -> tuple[Learned, Cost]:
        """The same of our engine; numba compiles, or reads its cache, in the first epoch."""
        settings, random = self.settings.train, np.random.RandomState(42)
        items = initial_parameters(random, self.features.shape[1], settings.components)
        users = initial_parameters(random, self.parts.train.shape[0], settings.components)
        step = WarpSettings(settings.learning_rate, settings.max_sampled)
        engine = WarpEngine(self.parts.train.coo(), self.parts.train.weight, self.features, step)

        def epoch() -> None:
            engine.epoch(users, items, random, threads)

        epoch()
        once = [array.copy() for array in (*users[:2], *items[:2])]
        return once, median([cost_of(epoch)[1] for _ in range(EPOCHS_TIMED)])

    @staticmethod
    def _model(lightfm: LightFM) -> Model:
        names = LIGHTFM_NAMES.items()
        return Model.from_arrays({ours: getattr(lightfm, theirs) for ours, theirs in names})


def _train(url: str) -> tuple[int, Embeddings]:
    """Table to judged model as the nightly run does it, on the article's positives."""
    changes = {"positives.weak_weight": 0, "train.engine": "recsys", "train.threads": 2}
    settings = Settings.load("nightly", overrides=changes)
    database = Database(url)
    ratings, movies = database.read_ratings(SCHEMA), database.read_movies(SCHEMA)
    users, items = build_id_maps(ratings, movies)
    interactions = build_interactions(ratings, users, items, settings.positives)
    parts = split(interactions, settings.split, users, items)
    seen = build_seen(ratings, users, items)
    features = build_item_features(movies, genre_weight=settings.train.genre_weight).matrix
    validate = validator(parts, features, seen, settings.evaluate, settings.train.validate_on)
    chosen = fit(parts.train, features, settings.train, validate)
    again = settings.train.model_copy(update={"epochs": chosen.epochs, "patience": 0})
    embeddings = with_biases(fit(parts.train_and_validation(), features, again).model, features)
    asked = Parts.of(parts.train_and_validation(), parts.test, seen)
    block = block_rows(settings.evaluate, embeddings.n_items)
    for view in rank(embeddings, asked, 10, block, settings.evaluate.threads).views.values():
        metrics.measure(view, (5, 10))
    return chosen.epochs, embeddings


def _two_threads(step: Step) -> Cost:
    """The article's cost with two threads, or with one where two were not measured."""
    return step.two_threads[0] if step.two_threads else step.article


def _note_of_sample(taken: int, all_of_them: int, what: str) -> str:
    if taken == all_of_them:
        return ""
    return f"article: measured on {taken:,} of {all_of_them:,} {what}, scaled up"


def _same_pairs(one: Any, other: Any) -> bool:
    return bool(
        np.array_equal(one.row, other.row)
        and np.array_equal(one.col, other.col)
        and np.array_equal(one.data, other.data)
    )


def _rows_of(matrix: sp.csr_matrix, rows: NDArray[np.intp]) -> sp.csr_matrix:
    """The matrix with all other rows empty."""
    kept = np.zeros(matrix.shape[0], np.float32)
    kept[rows] = 1
    some: sp.csr_matrix = sp.diags(kept).dot(matrix).tocsr().astype(np.float32)
    some.eliminate_zeros()
    some.sort_indices()
    return some


def _top_ten(scores: NDArray[np.float32]) -> list[int]:
    best: list[int] = np.argpartition(-scores, 9)[:10].tolist()
    return best


def _recall(found: list[list[int]], exact: list[list[int]]) -> float:
    hits = [len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]
    return float(np.mean(hits))
