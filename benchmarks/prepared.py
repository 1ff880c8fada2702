"""A folder of MovieLens' format as the project reads it, and the matrices that a run's settings ask for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recsys_tasks.config.settings import Settings, SourceSettings
from recsys_tasks.data.csv.blocks import Block, read_blocks
from recsys_tasks.data.csv.header import Header, read_header
from recsys_tasks.data.csv.movies import Movie, MoviesReader
from recsys_tasks.data.csv.ratings import Ratings, RatingsReader
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.errors import InputRejected
from recsys_tasks.matrices.interactions import (
    Csr,
    ItemFeatures,
    build_id_maps,
    build_interactions,
    build_item_features,
    build_seen,
)
from recsys_tasks.matrices.split import Split, split

FILES = {"movies": "movies.csv", "ratings": "ratings.csv"}


@dataclass(frozen=True)
class Tables:
    """A dataset as it is read."""

    ratings: RatingTable
    movies: MovieTable


@dataclass(frozen=True)
class Prepared:
    """A dataset as one run of some settings sees it."""

    parts: Split
    item_features: ItemFeatures
    seen: Csr

    @property
    def features(self) -> Csr:
        """CSR ``(n_items, n_features)``."""
        return self.item_features.matrix


def read(folder: Path) -> Tables:
    """The good rows of a folder's movies.csv and ratings.csv, by the rules of ``recsys ingest``.

    Raises:
        InputRejected: a file has no header, no good row, or is no CSV.
    """
    source = SourceSettings()
    found: dict[int, Movie] = {}
    with (folder / FILES["movies"]).open("rb") as stream:
        header, blocks = _opened(stream, "movies", source)
        for row in chain.from_iterable(map(MoviesReader(header, source).read, blocks)):
            if isinstance(row, Movie):
                found.setdefault(row.id, row)  # of two with one id the first counts
    ids = np.array(sorted(found), dtype=np.int64)
    movies = MovieTable(
        ids,
        tuple(found[i].title for i in ids.tolist()),
        tuple(found[i].genres for i in ids.tolist()),
    )
    with (folder / FILES["ratings"]).open("rb") as stream:
        header, blocks = _opened(stream, "ratings", source)
        reader = RatingsReader(header, source, ids, int(time.time()))
        good = [reader.read(block)[0] for block in blocks]
    if not sum(map(len, good)):
        raise InputRejected(str(folder / FILES["ratings"]), "no good row", "ratings")
    return Tables(_latest_of_each_pair(good), movies)


def seeded(preset: str, overrides: dict[str, Any], seed: int) -> Settings:
    """A preset with overrides, split and fitted with ``seed``."""
    return Settings.load(preset, overrides=overrides | {"split.seed": seed, "train.seed": seed})


def prepare(tables: Tables, settings: Settings) -> Prepared:
    """The matrices that ``settings`` ask for."""
    users, items = build_id_maps(tables.ratings, tables.movies)
    interactions = build_interactions(tables.ratings, users, items, settings.positives)
    wanted = settings.train
    return Prepared(
        split(interactions, settings.split, users, items),
        build_item_features(tables.movies, wanted.genres, wanted.genre_weight_used),
        build_seen(tables.ratings, users, items),
    )


def _opened(stream: BinaryIO, role: str, source: SourceSettings) -> tuple[Header, Iterator[Block]]:
    """The header, and the blocks of rows after it."""
    name = FILES[role]
    blocks = read_blocks(stream, name, source.quote)
    first = next(blocks, None)
    if first is None:
        raise InputRejected(name, "the file is empty", "a header and rows")
    header = read_header(first, name, role, source)
    return header, chain([first.after(header.records)], blocks)


def _latest_of_each_pair(blocks: list[Ratings]) -> RatingTable:
    """One rating of each user and movie, the latest, in the order of both ids."""
    user, movie, half_stars, rated_at = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("user_id", "movie_id", "half_stars", "rated_at")
    )
    order = np.lexsort((rated_at, movie, user))
    user, movie = user[order], movie[order]
    last = np.append((np.diff(user) != 0) | (np.diff(movie) != 0), True)
    kept = order[last]
    stars = (half_stars[kept] / 2).astype(np.float32)
    return RatingTable(user[last], movie[last], stars, rated_at[kept])
