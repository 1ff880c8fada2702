"""Annoy and exact search as this project uses them, beside a scan, hnswlib and faiss, in one run.

    uv run --all-extras --group bench python -m benchmarks.search --engine ridge-svd

Ratings are synthetic at MovieLens 25M's shape, a tenth of its users and its whole catalogue; the
engine (``recsys``: WARP, ``ridge-svd``, or ``blend``) is trained as nightly trains it, without
choosing epochs. Every search answers the same question, the ten best movies that the user has not
seen, one user at a time on one thread. Recall is against a scan of all items; times are CPU time, the
least of three rounds, because cores may be shared. The seen items are left out in the same way by all
but exact search, which takes them: ask for that many more, drop them, score the rest.

The second table asks a whole ``recommend()`` with filters that let through a share of the movies: as data, and as
a function. ``--filters`` makes it alone, and needs neither hnswlib nor faiss.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from annoy import AnnoyIndex
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.generate import generate
from recsys_tasks.artifacts.ann_index import index_queries, index_rows
from recsys_tasks.artifacts.exact_search import ExactSearch
from recsys_tasks.artifacts.reader import open_files
from recsys_tasks.config.settings import Settings
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.model.engines import engine_for
from recsys_tasks.model.representations import with_biases
from recsys_tasks.publish.index import build_index
from recsys_tasks.publish.version_files import Features, Items, Users, write_version
from recsys_tasks.recommend.filters import ItemFilter
from recsys_tasks.recommend.recommender import Recommender

K = 10
USERS = 600
SHARES = (1, 0.5, 0.1, 0.01, 0.001)
"""Of the movies that pass a filter."""

Found = list[int]


@dataclass(frozen=True)
class EvaluationTask:
    """Embeddings, seen items, and the users who ask."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    seen: list[list[int]]
    asking: NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    engine: str
    build_seconds: float
    megabytes: float
    recall: float
    milliseconds: float


def make_question(engine: str, epochs: int) -> EvaluationTask:
    """Generates ratings, trains, and picks users evenly among those with a vector."""
    with tempfile.TemporaryDirectory() as folder:
        generate(0.1, 1, Path(folder), lambda line: print(line, file=sys.stderr))
        ratings = np.loadtxt(Path(folder) / "ratings.csv", delimiter=",", skiprows=1)
        movies = _movies(Path(folder) / "movies.csv")
    ids, user = np.unique(ratings[:, 0].astype(int), return_inverse=True)
    item = np.searchsorted(sorted(movies), ratings[:, 1].astype(int))
    shape = (len(ids), len(movies))
    liked = ratings[:, 2] >= 4
    order = np.flatnonzero(liked)[np.lexsort((item[liked], user[liked]))]
    train = Interactions(
        shape,
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        np.where(ratings[order, 2] >= 5, 1, 0.5).astype(np.float32),
        ratings[order, 2] >= 5,
        ratings[order, 3].astype(np.int64),
    )
    features = _features([movies[movie] for movie in sorted(movies)])
    wanted = {"train.engine": engine, "train.epochs": epochs, "train.patience": 0}
    settings = Settings.load("nightly", overrides=wanted).train
    embeddings = with_biases(engine_for(settings).fit(train, features).model, features)
    rated = sp.csr_matrix((np.ones(len(user)), (user, item)), shape)
    known = np.unique(train.row)
    asking = known[np.linspace(0, len(known) - 1, USERS).astype(int)]
    seen = [rated[u].indices.tolist() for u in asking]
    return EvaluationTask(embeddings.users, embeddings.items, seen, asking)


def _movies(path: Path) -> dict[int, list[str]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        return {int(row[0]): row[2].split("|") for row in list(csv.reader(file))[1:]}


def _features(genres: list[list[str]]) -> "sp.csr_matrix[np.float32]":
    names = sorted({name for of_movie in genres for name in of_movie})
    pairs = [(row, names.index(name)) for row, of in enumerate(genres) for name in of]
    rows, columns = zip(*pairs, strict=True)
    tags = sp.coo_matrix((np.full(len(pairs), 0.1), (rows, columns)), (len(genres), len(names)))
    features = sp.hstack([sp.eye(len(genres)), tags]).tocsr()
    return (sp.diags(1 / np.asarray(features.sum(1)).ravel()) @ features).astype(np.float32).tocsr()


def scanned(question: EvaluationTask, place: int, out: NDArray[np.bool_] | None = None) -> Found:
    """What numpy does: score all, mask the seen and those that are out, partition."""
    scores = question.items @ question.users[question.asking[place]]
    scores[question.seen[place]] = -np.inf
    if out is not None:
        scores[out] = -np.inf
    top = np.argpartition(scores, -K)[-K:]
    return [int(row) for row in top[np.argsort(-scores[top])] if scores[row] > -np.inf]


def unseen(question: EvaluationTask, place: int, near: list[int]) -> Found:
    """Of candidates in order, the ten best by exact score that were not seen."""
    excluded = set(question.seen[place])
    left = [row for row in near if row not in excluded][: K + 5]
    scores = question.items[left] @ question.users[question.asking[place]]
    return [left[i] for i in np.argsort(-scores)[:K]]


def wanted(question: EvaluationTask, place: int) -> int:
    return K + 5 + min(len(question.seen[place]), 500)


def timed(
    engine: str,
    ask: Callable[[int], Found],
    best: list[Found],
    built: tuple[float, float] = (0.0, 0.0),
) -> Row:
    rounds = []
    for _ in range(3):
        started = time.process_time()
        found = [ask(place) for place in range(len(best))]
        rounds.append((time.process_time() - started) / len(best) * 1000)
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, best, strict=True))
    row = Row(engine, *built, hits / sum(map(len, best)), min(rounds))
    print(row, file=sys.stderr)
    return row


def annoy_rows(question: EvaluationTask, best: list[Found], folder: Path) -> list[Row]:
    rows = []
    known = question.users[question.asking]
    for metric, transform in (("angular", "extra dimension"), ("dot", "annoy's own")):
        started = time.process_time()
        path = folder / f"{metric}.ann"
        facts = build_index(path, question.items, known, metric=metric, min_recall=0.98).facts
        built = (time.process_time() - started, path.stat().st_size / 1e6)
        index = AnnoyIndex(facts.width, metric)
        index.load(str(path))
        queries = index_queries(known, metric).tolist()
        for search_k in sorted({facts.search_k, 3 * facts.search_k}):

            def ask(place: int, index=index, queries=queries, search_k=search_k) -> Found:
                n = wanted(question, place)
                near = index.get_nns_by_vector(queries[place], n, search_k + 3 * (n - K))
                return unseen(question, place, near)

            name = f"annoy, {metric} ({transform}), {facts.trees} trees, search_k {search_k}"
            rows.append(timed(name, ask, best, built))
    return rows


def exact_row(question: EvaluationTask, best: list[Found]) -> Row:
    """Exact search as a consumer makes it, and how many items it scores."""
    known = index_queries(question.users[question.asking], "dot")
    started = time.process_time()
    search = ExactSearch(index_rows(question.items, "dot"), None, known)
    built = (time.process_time() - started, 2 * question.items.nbytes / 1e6)
    seen, looked_at = [np.array(rows) for rows in question.seen], [0] * len(known)

    def ask(place: int) -> Found:
        found = search.best(known[place], K, seen[place])
        looked_at[place] = found.looked_at
        return found.rows.tolist()

    row = timed("exact search", ask, best, built)
    median, most = np.quantile(looked_at, [0.5, 0.9])
    return replace(
        row, engine=f"exact search, scores {median:.0f} items (of ten users nine: {most:.0f})"
    )


def recommend_rows(question: EvaluationTask, folder: Path) -> Iterator[Row]:
    """The whole of ``recommend()``, by either search, for filters that let a share of the movies through."""
    opened = open_recommender(question, folder).artifacts
    print(f"chosen at the build: {opened.index_facts.search}", file=sys.stderr)
    users = [int(user) for user in question.asking]
    draws = drawn(question)
    for share in SHARES:
        passed = (draws < share).tolist()
        out = ~np.array(passed) | ~opened.is_trained
        best = [scanned(question, place, out) for place in range(len(users))]
        for search in ("annoy", "exact"):
            facts = opened.index_facts.model_copy(update={"search": search})
            recommender = Recommender(replace(opened, index_facts=facts))

            filters = {
                "as data": ItemFilter((f"{share:.1%}",)),
                "as a function": lambda item, passed=passed: passed[item.item_id],
            }
            for kind, filter in ({"": None} if share == 1 else filters).items():

                def ask(place: int, recommender=recommender, filter=filter) -> Found:
                    answer = recommender.recommend(users[place], K, filter=filter)
                    return [item.item_id for item in answer.items]

                said = f"{share:.1%} of the movies pass {kind}".strip()
                yield timed(f"recommend() by {search}, {said}", ask, best)


def drawn(question: EvaluationTask) -> NDArray[np.float64]:
    """A number in [0, 1) for each item: it passes the filter of each share above it."""
    return np.random.default_rng(1).random(len(question.items))


def open_recommender(question: EvaluationTask, folder: Path) -> Recommender:
    """A version made of the question, whose ids are the rows; of the users, only those who ask saw anything."""
    lengths = np.zeros(len(question.users), np.int64)
    lengths[question.asking] = [len(rows) for rows in question.seen]
    seen = np.concatenate([np.sort(rows) for rows in question.seen]).astype(np.int32)
    counts = np.ones(len(question.users), np.int32)
    of_items = np.ones(len(question.items), np.int32)
    titles = [f"Film {row}" for row in range(len(question.items))]
    categories = [[f"{share:.1%}" for share in SHARES if at < share] for at in drawn(question)]
    ids, rows = np.arange(len(question.users)), np.arange(len(question.items))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    nothing = np.zeros((0, question.items.shape[1] - 2), np.float32)
    write_version(
        folder,
        Users(ids, question.users, counts, indptr, seen),
        Items(rows, question.items, of_items, rows, titles, categories),
        Features([], nothing, np.zeros(0, np.float32)),
    )
    known = question.users[question.asking]
    facts = build_index(folder / "items.ann", question.items, known).facts
    paths = {path.name: path for path in folder.iterdir()}
    return Recommender(open_files("", "", facts, paths))


def hnsw_rows(question: EvaluationTask, best: list[Found]) -> list[Row]:
    import hnswlib

    stored = index_rows(question.items, "angular")
    queries = index_queries(question.users[question.asking], "angular")
    index = hnswlib.Index(space="ip", dim=stored.shape[1])
    started = time.process_time()
    index.init_index(len(stored), ef_construction=200, M=16, random_seed=1)
    index.add_items(stored, num_threads=1)
    built = (time.process_time() - started, index.index_file_size() / 1e6)
    rows = []
    for ef in (50, 100, 200):

        def ask(place: int, ef: int = ef) -> Found:
            n = wanted(question, place)
            index.set_ef(max(ef, n))
            near = index.knn_query(queries[place], n, num_threads=1)[0][0].tolist()
            return unseen(question, place, near)

        rows.append(timed(f"hnswlib, M 16, ef {ef}", ask, best, built))
    return rows


def faiss_rows(question: EvaluationTask, best: list[Found]) -> list[Row]:
    import faiss

    faiss.omp_set_num_threads(1)
    stored = index_rows(question.items, "dot")
    queries = index_queries(question.users[question.asking], "dot")
    flat = faiss.IndexFlatIP(stored.shape[1])
    flat.add(stored)
    started = time.process_time()
    ivf = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(stored.shape[1]), stored.shape[1], 256, faiss.METRIC_INNER_PRODUCT
    )
    ivf.train(stored)
    ivf.add(stored)
    built = (time.process_time() - started, stored.nbytes / 1e6)

    def ask_with(index, place: int) -> Found:
        n = wanted(question, place)
        return unseen(question, place, index.search(queries[place : place + 1], n)[1][0].tolist())

    rows = [timed("faiss, flat (exact)", lambda p: ask_with(flat, p), best, (0, built[1]))]
    for probes in (8, 32):
        ivf.nprobe = probes
        name = f"faiss, IVF 256, {probes} probes"
        rows.append(timed(name, lambda p: ask_with(ivf, p), best, built))
    return rows


def as_markdown(rows: list[Row], scan: float | None = None) -> str:
    scan = scan or rows[0].milliseconds
    lines = [
        "| search | build, CPU s | MB | recall@10 | ms a query | of a scan |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.engine} | {row.build_seconds:.1f} | {row.megabytes:.0f} | {row.recall:.4f} "
        f"| {row.milliseconds:.3f} | {row.milliseconds / scan:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("recsys", "ridge-svd", "blend"), default="recsys")
    parser.add_argument("--epochs", type=int, default=12, help="of WARP")
    parser.add_argument("--filters", action="store_true", help="the second table alone")
    chosen = parser.parse_args()
    question = make_question(chosen.engine, chosen.epochs)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        best = [scanned(question, place) for place in range(len(question.asking))]
        size = question.items.nbytes / 1e6
        rows = [timed("numpy, a scan", lambda p: scanned(question, p), best, (0, size))]
        if not chosen.filters:
            rows.append(exact_row(question, best))
            rows += annoy_rows(question, best, Path(folder))
            rows += hnsw_rows(question, best)
            rows += faiss_rows(question, best)
        (version := Path(folder) / "version").mkdir()
        whole = list(recommend_rows(question, version))
    print(as_markdown(rows))
    print()
    print(as_markdown(whole, rows[0].milliseconds))


if __name__ == "__main__":
    main()
