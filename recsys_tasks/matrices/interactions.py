"""Ratings and genres as the sparse matrices that a model takes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys_tasks.artifacts.ids import Ids, id_list
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.config.settings import PositiveSettings
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.matrices.ids import IdMap

Arrays = dict[str, NDArray[Any]]
"""What is stored as one .npz: plain arrays by name, readable without pickle."""

Csr: TypeAlias = sp.csr_matrix[Any]
"""A sparse matrix by rows, indices sorted within each row."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Positive ratings as coordinates: what is trained on, or what is to be found again.

    Args:
        shape: ``(n_users, n_items)``.
        row, col: int32, shape ``(n,)``; user's and item's row. As built: ordered by user, then item.
        weight: float32, shape ``(n,)``, in (0, 1]; sample weight in training.
        is_positive: bool, shape ``(n,)``; rated at or above the threshold. The others are weaker
            positives: trained on with their weight, never drawn as negatives, never tested.
        rated_at: int64, shape ``(n,)``; epoch seconds, UTC.
    """

    shape: tuple[int, int]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    weight: NDArray[np.float32]
    is_positive: NDArray[np.bool_]
    rated_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, places: NDArray[np.integer | np.bool_] | slice) -> "Interactions":
        """The interactions at ``places`` (indices, a mask or a range), in that order, same shape."""
        return Interactions(
            self.shape,
            self.row[places],
            self.col[places],
            self.weight[places],
            self.is_positive[places],
            self.rated_at[places],
        )

    def positives(self) -> "Interactions":
        """Those rated at or above the threshold."""
        return self.take(self.is_positive)

    def coo(self) -> "sp.coo_matrix[np.float32]":
        """A one for each interaction, in their order: LightFM's ``interactions``."""
        return self._coo(np.ones(len(self), dtype=np.float32))

    def weights(self) -> "sp.coo_matrix[np.float32]":
        """The sample weights, in the same order: LightFM's ``sample_weight``."""
        return self._coo(self.weight)

    def csr(self) -> Csr:
        """A one for each interaction, indices sorted within each user."""
        return self.coo().tocsr()

    def to_arrays(self) -> Arrays:
        """Plain arrays for an .npz; ``from_arrays`` gives the same interactions back."""
        return {
            "shape": np.array(self.shape, dtype=np.int64),
            "row": self.row,
            "col": self.col,
            "weight": self.weight,
            "is_positive": self.is_positive,
            "rated_at": self.rated_at,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Interactions":
        """The interactions that ``to_arrays`` described."""
        n_users, n_items = arrays["shape"].tolist()
        names = ("row", "col", "weight", "is_positive", "rated_at")
        return cls((n_users, n_items), **{name: arrays[name] for name in names})

    def _coo(self, data: NDArray[np.float32]) -> "sp.coo_matrix[np.float32]":
        return sp.coo_matrix((data, (self.row, self.col)), shape=self.shape)


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """What is known of each item: itself and, where asked for, its genres.

    Args:
        matrix: CSR float32, ``(n_items, n_items + n_genres)``; each row sums to 1; identity columns
            first, genre columns after them in the order of their names.
        movie_id: shape ``(n_items,)``; external id of each item, int64 or bytes of fixed width.
        genres: ascending; a name for each genre column.
        noun: what the dataset calls an item; names of columns begin with it.
    """

    matrix: Csr
    movie_id: Ids
    genres: tuple[str, ...]
    noun: Noun = "movie"

    @property
    def categories(self) -> Csr:
        """Which item is of which genre: CSR ``(n_items, n_genres)``; elements may be of no weight."""
        return self.matrix[:, len(self.movie_id) :]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each column: ``movie:<id>`` or ``genre:<name>``; else ``item:`` or ``category:``."""
        category = "genre" if self.noun == "movie" else "category"
        return (
            *(f"{self.noun}:{one}" for one in id_list(self.movie_id)),
            *(f"{category}:{name}" for name in self.genres),
        )

    def to_arrays(self) -> Arrays:
        """Plain arrays for an .npz; ``from_arrays`` gives the same features back."""
        genres = np.array(self.genres, dtype=np.str_)
        ids = {f"{self.noun}_id": self.movie_id}
        return {**csr_to_arrays(self.matrix), **ids, "genres": genres}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ItemFeatures":
        """The features that ``to_arrays`` described."""
        noun: Noun = "item" if "item_id" in arrays else "movie"
        ids, genres = arrays[f"{noun}_id"], tuple(arrays["genres"].tolist())
        return cls(csr_from_arrays(arrays), ids, genres, noun)


def build_id_maps(ratings: RatingTable, movies: MovieTable) -> tuple[IdMap, IdMap]:
    """Users with a rating of any value, and every movie of the table, rated or not."""
    starts = np.flatnonzero(np.diff(ratings.user_id, prepend=-1))
    return IdMap(ratings.user_id[starts]), IdMap(movies.movie_id)


def build_interactions(
    ratings: RatingTable, users: IdMap, items: IdMap, positives: PositiveSettings
) -> Interactions:
    """The ratings that count as positive, as coordinates, in the table's order.

    Raises:
        NotFound: a user or movie of the table that the id maps lack.

    Source:
        ``lightfm.data.Dataset.build_interactions`` for users and items in ascending order, with
        weight 1 for the threshold's ratings and ``weak_weight`` for the weaker ones.
    """
    floor = positives.weak_threshold if positives.weak_weight > 0 else positives.threshold
    counts = ratings.rating >= min(floor, positives.threshold)
    chosen = slice(None) if counts.all() else np.flatnonzero(counts)
    is_positive = ratings.rating[chosen] >= positives.threshold
    weight = np.ones(len(is_positive), dtype=np.float32)
    if not is_positive.all():
        weight[~is_positive] = positives.weak_weight
    return Interactions(
        shape=(len(users), len(items)),
        row=users.rows_of(ratings.user_id[chosen]),
        col=items.rows_of(ratings.movie_id[chosen]),
        weight=weight,
        is_positive=is_positive,
        rated_at=ratings.rated_at[chosen],
    )


def build_seen(ratings: RatingTable, users: IdMap, items: IdMap) -> Csr:
    """Every item that a user has rated, whatever the rating: CSR of ones, indices sorted."""
    row, col = users.rows_of(ratings.user_id), items.rows_of(ratings.movie_id)
    indptr = np.searchsorted(row, np.arange(len(users) + 1))
    return seen_csr(indptr, col, len(items))


def seen_csr(indptr: NDArray[np.int64], indices: NDArray[np.int32], n_items: int) -> Csr:
    """CSR of ones; the indices are not copied while there are fewer than 2^31 of them."""
    ones = np.ones(len(indices), dtype=np.int8)
    return sp.csr_matrix((ones, indices, indptr), shape=(len(indptr) - 1, n_items))


def build_item_features(
    movies: MovieTable, genres: bool = True, genre_weight: float = 1.0, noun: Noun = "movie"
) -> ItemFeatures:
    """Identity and genres of each movie, rows normalised to sum to 1.

    Args:
        movies: ids ascending; genres without repeats within a movie.
        genres: False leaves the identity alone, ``(n_items, n_items)``.
        genre_weight: of each genre, where the item itself has 1, before rows are normalised;
            0 keeps which item is of which genre, as elements of no weight.
        noun: what the dataset calls an item.

    Source:
        with weight 1, ``lightfm.data.Dataset.build_item_features`` with its defaults, the genres
        fitted in the order of their names. ``(no genres listed)`` is a genre like any other, as in
        the article.
    """
    n_items = len(movies.movie_id)
    which, unordered = _numbered(movies.genres if genres else ((),) * n_items)
    lists = [sorted(tags) for tags in unordered]
    flat, lengths = tuple(chain.from_iterable(lists)), np.array([len(tags) for tags in lists])
    labels = sorted(set(flat))
    column = {label: n_items + place for place, label in enumerate(labels)}
    columns = np.array([0, *(column[label] for label in flat)], dtype=np.int32)
    counts = lengths[which]
    indptr = np.concatenate(([0], np.cumsum(counts + 1)))
    own = indptr[:-1]
    begins = (np.cumsum(lengths) - lengths)[which]
    indices = columns[np.arange(indptr[-1]) + np.repeat(begins - own, counts + 1)]
    indices[own] = np.arange(n_items)
    share = 1.0 / (1.0 + genre_weight * counts)
    data = np.repeat((share * genre_weight).astype(np.float32), counts + 1)
    data[own] = share
    matrix = sp.csr_matrix((data, indices, indptr), shape=(n_items, n_items + len(labels)))
    matrix.has_sorted_indices = True  # the item itself, then its genres in the order of their names
    return ItemFeatures(matrix, movies.movie_id, tuple(labels), noun)


def _numbered(
    lists: Sequence[tuple[str, ...]],
) -> tuple[NDArray[np.intp], tuple[tuple[str, ...], ...]]:
    """The different lists in the order in which they come up, and the number of each list."""
    numbers: defaultdict[tuple[str, ...], int] = defaultdict()
    numbers.default_factory = numbers.__len__
    which = np.fromiter(map(numbers.__getitem__, lists), dtype=np.intp, count=len(lists))
    return which, tuple(numbers)


def csr_to_arrays(matrix: Csr) -> Arrays:
    """The four arrays of a CSR matrix; ``csr_from_arrays`` gives the same matrix back."""
    return {
        "shape": np.array(matrix.shape, dtype=np.int64),
        "indptr": matrix.indptr,
        "indices": matrix.indices,
        "data": matrix.data,
    }


def csr_from_arrays(arrays: Arrays) -> Csr:
    """The matrix that ``csr_to_arrays`` described."""
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    n_rows, n_columns = arrays["shape"].tolist()
    return sp.csr_matrix(parts, shape=(n_rows, n_columns))
