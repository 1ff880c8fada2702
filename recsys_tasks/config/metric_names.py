"""The names that a rule of the gate may measure: every number of a run's metrics, by its dotted path."""

from collections.abc import Iterable, Iterator

VIEWS = ("test_served", "test", "test_unmasked", "train")
BASELINES = ("popular", "random", "recent", "ials", "ease")
AT_LENGTHS = ("precision", "recall", "ndcg", "map", "hit_rate")
"""Means over users, at each length of the list."""

OF_LISTS = (
    "coverage",
    "gini",
    "novelty",
    "popularity_lift",
    "intra_list_similarity",
    "miscalibration",
)
"""What lists are measured by, as served, at each length."""

ONCE = ("mrr", "auc")
COMPARED = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "auc")
"""Metrics with a paired interval against each baseline."""

INTERVAL = ("difference", "low", "high", "users")
SLICES = (
    *("users.0", "users.1-4", "users.5-19", "users.20+"),
    *("items.head", "items.tail", "items.cold", "items.newest"),
)
OF_SLICES = ("precision_at_5", "recall_at_10", "ndcg_at_10", "users", "positives")


def metric_names(lengths: Iterable[int]) -> tuple[str, ...]:
    """Every dotted path of a number, for lists of these lengths beside 5 and 10."""
    ks = sorted({5, 10, *lengths})
    return (*_of_scorer("", ks), *_of_baselines(ks), *_of_slices(), *_of_comparisons())


def _of_scorer(prefix: str, ks: Iterable[int]) -> Iterator[str]:
    means = [*(f"{name}_at_{k}" for name in AT_LENGTHS for k in ks), *ONCE]
    for view in VIEWS:
        yield f"{prefix}{view}.users"
        yield from (f"{prefix}{view}.{name}" for name in means)
        yield from (f"{prefix}{view}.standard_errors.{name}" for name in means)
    yield from (f"{prefix}test_served.{name}_at_{k}" for name in OF_LISTS for k in ks)


def _of_baselines(ks: Iterable[int]) -> Iterator[str]:
    for name in BASELINES:
        yield from _of_scorer(f"baselines.{name}.", ks)
        for metric in COMPARED:
            yield from (f"intervals.{name}.{metric}.{end}" for end in INTERVAL)


def _of_slices() -> Iterator[str]:
    yield from (f"slices.{name}.{metric}" for name in SLICES for metric in OF_SLICES)


def _of_comparisons() -> Iterator[str]:
    yield from (f"standing.{name}" for name in ("model", "baseline", *INTERVAL))
    for other in ("champion", "anchor"):
        yield from (f"{other}.precision_at_5.{end}" for end in INTERVAL)
        yield f"{other}.churn"
