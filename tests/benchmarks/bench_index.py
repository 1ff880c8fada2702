"""Annoy as this project uses it, beside exact numpy, hnswlib and faiss, in one run.

    uv run --all-extras --group bench python tests/benchmarks/bench_index.py [--epochs 12]

Ratings are synthetic at MovieLens 25M's shape, a tenth of its users and its whole catalogue; a WARP
model of 64 components is trained on their 5.0 with genres. Every engine answers the same question,
the ten best movies that the user has not seen, one user at a time on one thread. Recall is against
exact search; times are CPU time, the least of three rounds, because cores may be shared. The seen
items are left out in the same way for all: ask for that many more, drop them, score the rest.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import hnswlib
import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsys_tasks.publish.embeddings import Features, Items, Users, write_version
from recsys_tasks.publish.index import build_index, index_queries, index_rows
from recsys_tasks.recommend.artifacts import open_files
from recsys_tasks.recommend.recommender import Recommender

K = 10
USERS = 600
Found = list[int]


@dataclass(frozen=True)
class Question:
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


def make_question(epochs: int) -> Question:
    """Generates ratings, trains, and picks users evenly among those with a vector."""
    import scipy.sparse as sp

    from recsys_tasks.data.generate import generate

    with tempfile.TemporaryDirectory() as folder:
        generate(0.1, 1, Path(folder), print)
        ratings = np.loadtxt(Path(folder) / "ratings.csv", delimiter=",", skiprows=1)
        movies = _movies(Path(folder) / "movies.csv")
    ids, user = np.unique(ratings[:, 0].astype(int), return_inverse=True)
    item = np.searchsorted(sorted(movies), ratings[:, 1].astype(int))
    shape = (len(ids), len(movies))
    liked = ratings[:, 2] >= 5
    ones = np.ones(liked.sum(), np.float32)
    train = sp.coo_matrix((ones, (user[liked], item[liked])), shape)
    users, items = _fit(train, _features([movies[movie] for movie in sorted(movies)]), epochs)
    rated = sp.csr_matrix((np.ones(len(user)), (user, item)), shape)
    known = np.unique(user[liked])
    asking = known[np.linspace(0, len(known) - 1, USERS).astype(int)]
    seen = [rated[u].indices.tolist() for u in asking]
    return Question(users, items, seen, asking)


def _movies(path: Path) -> dict[int, list[str]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        return {int(row[0]): row[2].split("|") for row in list(csv.reader(file))[1:]}


def _features(genres: list[list[str]]) -> "NDArray[np.float32]":
    import scipy.sparse as sp

    names = sorted({name for of_movie in genres for name in of_movie})
    pairs = [(row, names.index(name)) for row, of in enumerate(genres) for name in of]
    rows, columns = zip(*pairs, strict=True)
    tags = sp.coo_matrix((np.ones(len(pairs)), (rows, columns)), (len(genres), len(names)))
    features = sp.hstack([sp.eye(len(genres)), tags]).tocsr()
    return (sp.diags(1 / np.asarray(features.sum(1)).ravel()) @ features).astype(np.float32).tocsr()


def _fit(train, features, epochs):  # type: ignore[no-untyped-def]
    from lightfm import LightFM

    model = LightFM(no_components=64, loss="warp", random_state=42)
    for epoch in range(epochs):
        model.fit_partial(train, item_features=features, epochs=1)
        print(f"epoch {epoch + 1} of {epochs}", file=sys.stderr)
    biases, vectors = model.get_item_representations(features)
    own_biases, own = model.get_user_representations()
    items = np.column_stack([vectors, np.ones(len(biases)), biases]).astype(np.float32)
    return np.column_stack([own, own_biases, np.ones(len(own))]).astype(np.float32), items


def exact_best(question: Question, place: int) -> Found:
    """What numpy does: score all, mask the seen, partition."""
    scores = question.items @ question.users[question.asking[place]]
    scores[question.seen[place]] = -np.inf
    top = np.argpartition(scores, -K)[-K:]
    return [int(row) for row in top[np.argsort(-scores[top])]]


def unseen(question: Question, place: int, near: list[int]) -> Found:
    """Of candidates in order, the ten best by exact score that were not seen."""
    barred = set(question.seen[place])
    left = [row for row in near if row not in barred][: K + 5]
    scores = question.items[left] @ question.users[question.asking[place]]
    return [left[i] for i in np.argsort(-scores)[:K]]


def wanted(question: Question, place: int) -> int:
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
    row = Row(engine, *built, hits / (K * len(best)), min(rounds))
    print(row, file=sys.stderr)
    return row


def annoy_rows(question: Question, best: list[Found], folder: Path) -> list[Row]:
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


def recommend_row(question: Question, best: list[Found], folder: Path) -> Row:
    """The whole of ``recommend()``: ids looked up, seen left out, titles and genres put together."""
    recommender = open_recommender(question, folder)
    users = [int(user) for user in question.asking]

    def ask(place: int) -> Found:
        return [item.movie_id for item in recommender.recommend(users[place], K).items]

    facts = recommender.artifacts.index_facts
    return timed(f"annoy, a whole recommend(), search_k {facts.search_k}", ask, best)


def open_recommender(question: Question, folder: Path) -> Recommender:
    """A version made of the question, whose ids are the rows; of the users, only those who ask saw anything."""
    lengths = np.zeros(len(question.users), np.int64)
    lengths[question.asking] = [len(rows) for rows in question.seen]
    seen = np.concatenate([np.sort(rows) for rows in question.seen]).astype(np.int32)
    counts = np.ones(len(question.users), np.int32)
    of_items = np.ones(len(question.items), np.int32)
    titles = [f"Film {row}" for row in range(len(question.items))]
    ids, rows = np.arange(len(question.users)), np.arange(len(question.items))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    nothing = np.zeros((0, question.items.shape[1] - 2), np.float32)
    write_version(
        folder,
        Users(ids, question.users, counts, indptr, seen),
        Items(rows, question.items, of_items, titles, [["Drama"]] * len(titles)),
        Features([], nothing, np.zeros(0, np.float32)),
    )
    known = question.users[question.asking]
    facts = build_index(folder / "items.ann", question.items, known).facts
    paths = {path.name: path for path in folder.iterdir()}
    return Recommender(open_files("", "", facts, paths))


def hnsw_rows(question: Question, best: list[Found]) -> list[Row]:
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


def faiss_rows(question: Question, best: list[Found]) -> list[Row]:
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


def as_markdown(rows: list[Row]) -> str:
    exact = rows[0].milliseconds
    lines = [
        "| engine | build, CPU s | MB | recall@10 | ms a query | of exact numpy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.engine} | {row.build_seconds:.1f} | {row.megabytes:.0f} | {row.recall:.4f} "
        f"| {row.milliseconds:.3f} | {row.milliseconds / exact:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    question = make_question(parser.parse_args().epochs)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        best = [exact_best(question, place) for place in range(len(question.asking))]
        size = question.items.nbytes / 1e6
        rows = [timed("numpy, exact", lambda p: exact_best(question, p), best, (0, size))]
        rows += annoy_rows(question, best, Path(folder))
        (version := Path(folder) / "version").mkdir()
        rows.append(recommend_row(question, best, version))
        rows += hnsw_rows(question, best)
        rows += faiss_rows(question, best)
    print(as_markdown(rows))


if __name__ == "__main__":
    main()
