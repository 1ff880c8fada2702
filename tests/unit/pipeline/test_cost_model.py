"""The cost model's lines are those of its file, grow with the data, and leave training to its estimate."""

import math

from recsys_tasks.pipeline.cost_model import (
    MEGABYTES_BY,
    SECONDS_BY,
    Size,
    coefficients,
    predict,
    training_bytes,
)


def test_every_step_has_a_line_and_no_coefficient_is_negative():
    found = coefficients()
    assert set(found["seconds"]) == set(SECONDS_BY)
    assert set(found["megabytes"]) == set(MEGABYTES_BY)
    numbers = [number for kind in found.values() for line in kind.values() for number in line]
    assert all(math.isfinite(number) and number >= 0 for number in numbers)


def test_forty_times_the_ratings_cost_more_in_every_step_that_passes_over_them():
    small = {cost.name: cost for cost in predict(Size.like_movielens(25_000_095))}
    large = {cost.name: cost for cost in predict(Size.like_movielens(1_000_000_000))}
    for name in ("ingest", "fit_dataset", "train", "evaluate"):
        assert large[name].seconds > 10 * small[name].seconds
    assert large["fit_dataset"].megabytes > 10 * small["fit_dataset"].megabytes


def test_memory_of_training_is_the_estimate_that_refuses_a_run():
    size = Size.like_movielens(25_000_095)
    train = next(cost for cost in predict(size) if cost.name == "train")
    assert train.megabytes == training_bytes(size) / 1e6


def test_a_number_of_ratings_has_movielens_users_and_positives():
    size = Size.like_movielens(25_000_095)
    assert (size.users, size.items) == (162_541, 62_423)
    assert abs(size.interactions - 12_452_811) < 0.01 * size.ratings
