"""The baseline: each step as the article does it, with the libraries' own ready-made functions."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
from annoy import AnnoyIndex
from lightfm import LightFM
from lightfm.cross_validation import random_train_test_split
from lightfm.data import Dataset
from lightfm.evaluation import auc_score, precision_at_k
from numpy.typing import NDArray
from psycopg2.extras import Json, execute_values

from recsys_tasks.data.tables import MovieTable
from recsys_tasks.matrices.interactions import Csr

TABLES = """
    CREATE SCHEMA article;
    CREATE TABLE article.movies (id bigint PRIMARY KEY, title text, genres jsonb);
    CREATE TABLE article.ratings (
        user_id bigint, movie_id bigint REFERENCES article.movies, rating numeric(2, 1),
        rated_at timestamptz, PRIMARY KEY (user_id, movie_id)
    )
"""


def load_movies(url: str, movies: Path) -> None:
    """Makes the article's tables and inserts the catalogue."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        rows = (
            (int(row["movieId"]), row["title"], Json(row["genres"].split("|")))
            for row in _rows(movies)
        )
        execute_values(cursor, "INSERT INTO article.movies VALUES %s ON CONFLICT DO NOTHING", rows)
    connection.close()


def load_ratings(url: str, ratings: Path, at_most: int) -> int:
    """Inserts the file's first rows with ``execute_values``; returns how many."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        rows = (
            (
                int(row["userId"]),
                int(row["movieId"]),
                float(row["rating"]),
                datetime.fromtimestamp(int(row["timestamp"]), UTC),
            )
            for row in islice(_rows(ratings), at_most)
        )
        insert = "INSERT INTO article.ratings VALUES %s ON CONFLICT DO NOTHING"
        execute_values(cursor, insert, rows)
        cursor.execute("SELECT count(*) FROM article.ratings")
        found: tuple[Any, ...] = cursor.fetchone() or (0,)
    connection.close()
    return int(found[0])


def read_pairs(url: str, schema: str) -> list[tuple[int, int]]:
    """Users and movies of the 5.0 ratings, row by row."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT user_id, movie_id FROM {schema}.ratings WHERE rating >= 5")
        pairs = cursor.fetchall()
    connection.close()
    return pairs


def dataset_of(users: NDArray[np.int64], movies: MovieTable) -> Dataset:
    """lightfm's ``Dataset``, fitted with ids and genres in ascending order."""
    dataset = Dataset()
    genres = sorted({genre for genres in movies.genres for genre in genres})
    dataset.fit(users.tolist(), movies.movie_id.tolist(), item_features=genres)
    return dataset


def item_features(dataset: Dataset, movies: MovieTable) -> Csr:
    """lightfm's feature matrix, from a list of pairs."""
    pairs = zip(movies.movie_id.tolist(), map(list, movies.genres), strict=True)
    matrix: Csr = dataset.build_item_features(pairs)
    return matrix


def split(interactions: Any) -> tuple[Any, Any]:
    """lightfm's random split, 80/20 with seed 42."""
    train, test = random_train_test_split(interactions, 0.2, np.random.RandomState(42))
    return train, test


def evaluate(
    model: LightFM, parts: tuple[Csr, Csr], features: Csr, threads: int
) -> tuple[NDArray[np.float32], ...]:
    """precision@5 and AUC on test and train, a value a user, nothing masked."""
    options = {"item_features": features, "num_threads": threads}
    return tuple(
        measure(model, part, **options)
        for part in parts
        for measure in (_precision_at_5, auc_score)
    )


def _precision_at_5(model: LightFM, part: Csr, **options: Any) -> NDArray[np.float32]:
    precision: NDArray[np.float32] = precision_at_k(model, part, k=5, **options)
    return precision


def build_index(path: Path, vectors: NDArray[np.float32], trees: int) -> AnnoyIndex:
    """annoy with its own ``dot`` metric over [vector, bias], one row at a time."""
    index = AnnoyIndex(vectors.shape[1], "dot")
    for row, vector in enumerate(vectors):
        index.add_item(row, vector.tolist())
    index.set_seed(42)
    index.build(trees, n_jobs=1)
    index.save(str(path))
    return index


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
