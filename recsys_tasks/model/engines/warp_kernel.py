"""One pass of WARP over some interactions, compiled: LightFM's update rule and random stream.

What it does differently is only where the time goes. LightFM builds a vector for each item that it
looks at; here a score is a sum over the item's features of ``user . feature + bias``, and the sums
of features that many items share (genres) are kept for the length of one example. The next draws
are known ahead, so their rows are fetched while the present one is scored.

The items' part of the model is laid out for that in one table, a row for each item and after them
one for each genre: the vector, the bias, the weights of the item itself and of each of its genres,
and as 16-bit numbers which genres these are. Rows begin at a cache line.

Source of the rule: Weston, Bengio, Usunier, "WSABIE" (2011), as LightFM 1.17 reads it; of the step:
Adagrad. Compiled at the first call, then read from numba's cache beside this file.
"""

from collections.abc import Callable
from functools import lru_cache
from math import floor, log, sqrt
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

MAX_LOSS = 10.0
"""LightFM's bound of the rank loss of one example."""

AHEAD = 8
"""Draws, and examples, whose rows are asked for before their turn."""

_SUMS_MAY_BE_REORDERED = {"reassoc", "contract", "nsz"}
"""Lets the compiler use vector sums; NaN and infinity keep their meaning, so divergence is seen."""

_inner = numba.njit(error_model="numpy", fastmath=_SUMS_MAY_BE_REORDERED)
"""A part of the kernel, for the compiler to inline."""


def _prefetch_code(typing: Any, table: Any, row: Any) -> Any:  # noqa: ARG001  (numba hands it over)
    """Asks for the row's cache lines in a two-dimensional float32 table; changes nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        size = context.get_value_type(types.intp)
        width = cgutils.unpack_tuple(builder, array.strides, 2)[0]  # type: ignore[no-untyped-call]
        start = builder.ptrtoint(array.data, size)
        row_number = context.cast(builder, arguments[1], signature.args[1], types.intp)
        start = builder.add(start, builder.mul(row_number, width))
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        fetch = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        with cgutils.for_range_slice(builder, size(0), width, size(64), size) as (offset, _):
            place = builder.inttoptr(builder.add(start, offset), byte)
            builder.call(fetch, [place, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(table, row), generate


_prefetch: Any = intrinsic(_prefetch_code)


@_inner
def _next_draw(state, n_items):  # type: ignore[no-untyped-def]
    """LightFM's generator: a linear congruence, tempered as in the Mersenne Twister, halved."""
    state = np.uint32(state * np.uint32(1103515245) + np.uint32(12345))
    x = state
    x = np.uint32(x ^ (x >> np.uint32(11)))
    x = np.uint32(x ^ (np.uint32(x << np.uint32(7)) & np.uint32(0x9D2C5680)))
    x = np.uint32(x ^ (np.uint32(x << np.uint32(15)) & np.uint32(0xEFC60000)))
    x = np.uint32(x ^ (x >> np.uint32(18)))
    return state, np.int32(np.uint32(x >> np.uint32(1)) % n_items)


@_inner
def _contains(indices, low, high, wanted):  # type: ignore[no-untyped-def]
    """Binary search in the ascending ``indices[low:high]``."""
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < wanted:
            low = middle + 1
        elif indices[middle] > wanted:
            high = middle
        else:
            return True
    return False


@_inner
def _product(left, table, row, width):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for j in range(width):
        total += left[j] * table[row, j]
    return total


@_inner
def _score(item, user_row, table, genres_of, products, width, most):  # type: ignore[no-untyped-def]
    """The item's part of the score: its own product and bias, and its genres', kept in products."""
    of_genres = np.float32(0)
    for place in range(most):
        of_genres += products[genres_of[item, place]]
    own = _product(user_row, table, item, width) + table[item, width]
    return table[item, width + 1] * own + table[item, width + 2] * of_genres


@_inner
def _add_vector(item, sign, table, genres_of, n_genres, n_items, out, width):  # type: ignore[no-untyped-def]
    """Adds ``sign`` times the item's vector, the weighted sum of its features', to ``out``."""
    weight = sign * table[item, width + 1]
    genre_weight = sign * table[item, width + 2]
    for j in range(width):
        out[j] += weight * table[item, j]
    for place in range(n_genres[item]):
        genre = n_items + genres_of[item, place]
        for j in range(width):
            out[j] += genre_weight * table[genre, j]


@_inner
def _step(row, slope, scale, vectors, biases, squares, bias_squares, rate, width):  # type: ignore[no-untyped-def]
    """Adagrad on one row: ``scale * slope`` is the gradient, ``squares`` the sum of squares so far."""
    for j in range(width):
        gradient = scale * slope[j]
        vectors[row, j] -= rate / np.float32(sqrt(squares[row, j])) * gradient
        squares[row, j] += gradient * gradient
    biases[row] -= rate / np.float32(sqrt(bias_squares[row])) * scale
    bias_squares[row] += scale * scale


@lru_cache
def kernel_of(width: int, most: int) -> Callable[..., None]:
    """The kernel for vectors of this width and items of so many genres at most.

    Both are constants for the compiler; the function's own text says what it takes.
    """

    @numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_SUMS_MAY_BE_REORDERED)
    def train(  # type: ignore[no-untyped-def]
        order, user_of, item_of, weight_of, positives, users, items, rate, max_sampled, seed
    ):
        """Passes over the examples in the given order and changes the parameters in place.

        Args:
            order: int32, positions in the next three arrays.
            user_of, item_of, weight_of: int32, int32, float32; the positives to learn.
            positives: ``(indptr, indices)`` of every positive, indices ascending in each user.
            users: ``(vectors, biases, vector squares, bias squares)``, float32; the squares are
                Adagrad's sums, all > 0.
            items: ``(table, genres, numbers of genres, vector squares, bias squares)``; genres
                uint16 ``(n_items, most)`` lie within the table, the number of all genres stands
                for none.
            rate: float32, Adagrad's initial step.
            max_sampled: negatives drawn at most for one positive.
            seed: uint32, state of the generator of negatives.
        """
        liked_from, liked = positives
        user_vectors, user_biases, user_squares, user_bias_squares = users
        table, genres_of, n_genres, squares, bias_squares = items
        biases = table[:, width]
        n_items = n_genres.size
        divisor = np.uint32(n_items)
        all_genres = table.shape[0] - n_items
        products = np.zeros(all_genres + 1, np.float32)
        user_row, slope = np.empty(width, np.float32), np.empty(width, np.float32)
        draws = np.empty(AHEAD, np.int32)
        drawn = 0
        for place in range(AHEAD):
            seed, draws[place] = _next_draw(seed, divisor)
        for example in range(order.size):
            if example + AHEAD < order.size:
                coming = order[example + AHEAD]
                _prefetch(user_vectors, user_of[coming])
                _prefetch(user_squares, user_of[coming])
                _prefetch(table, item_of[coming])
                _prefetch(squares, item_of[coming])
            user, positive = user_of[order[example]], item_of[order[example]]
            for j in range(width):
                user_row[j] = user_vectors[user, j]
            for genre in range(all_genres):
                row = n_items + genre
                products[genre] = _product(user_row, table, row, width) + biases[row]
            bar = _score(positive, user_row, table, genres_of, products, width, most)
            bar -= np.float32(1)
            for sampled in range(1, max_sampled + 1):
                negative = draws[drawn % AHEAD]
                seed, coming = _next_draw(seed, divisor)
                draws[drawn % AHEAD] = coming
                drawn += 1
                _prefetch(table, coming)
                score = _score(negative, user_row, table, genres_of, products, width, most)
                if not score > bar:
                    continue
                if _contains(liked, liked_from[user], liked_from[user + 1], negative):
                    continue
                _prefetch(squares, negative)
                loss = weight_of[order[example]] * log(max(1.0, floor((n_items - 1) // sampled)))
                loss = np.float32(min(loss, MAX_LOSS))
                for j in range(width):
                    slope[j] = 0
                _add_vector(
                    negative, np.float32(1), table, genres_of, n_genres, n_items, slope, width
                )
                _add_vector(
                    positive, np.float32(-1), table, genres_of, n_genres, n_items, slope, width
                )
                for item, sign in ((positive, -loss), (negative, loss)):
                    scale = sign * table[item, width + 1]
                    genre_scale = sign * table[item, width + 2]
                    _step(item, user_row, scale, table, biases, squares, bias_squares, rate, width)
                    for place in range(n_genres[item]):
                        row = n_items + genres_of[item, place]
                        _step(
                            row,
                            user_row,
                            genre_scale,
                            table,
                            biases,
                            squares,
                            bias_squares,
                            rate,
                            width,
                        )
                _step(
                    user,
                    slope,
                    loss,
                    user_vectors,
                    user_biases,
                    user_squares,
                    user_bias_squares,
                    rate,
                    width,
                )
                break

    return train
