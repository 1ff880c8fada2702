"""Numbers and names as a person reads them."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeGuard

NOTHING = "\u2013"
"""What stands where there is no number."""

NAMES = {
    "auc": "AUC",
    "mrr": "MRR",
    "ndcg": "NDCG",
    "map": "MAP",
    "hit_rate": "hit rate",
    "precision": "precision",
    "recall": "recall",
    "gini": "Gini",
}

VIEWS = {
    "test_served": "test, as served: everything the user has rated left out",
    "test": "test, training items left out",
    "test_unmasked": "test, nothing left out (the article's)",
    "train": "on the training items themselves",
}

SHARES = ("density", "positive_share")
"""Facts of the data that are shares of one."""

KINDS = {"users.": "Users, by training positives", "items.": "Movies"}
"""What the groups of a slice are groups of, by the first part of their names."""

GROUPS = {
    "items.head": "head: best known, half of all positives",
    "items.tail": "tail: the rest that were trained",
    "items.cold": "cold: no training positive",
    "items.newest": "newest: first liked of late",
}

RULES = {
    "finite_embeddings": "Vectors are finite",
    "min_effective_rank": "Vectors have not collapsed",
    "min_precision": "Precision@5, as served",
    "min_popular_ratio": "Precision@5 over the popular list's",
    "max_never_shown": "Share of the catalogue never shown",
    "max_champion_loss": "No worse than the champion",
    "max_anchor_loss": "No worse than the champion of weeks ago",
    "finite_finalised": "Vectors of the finalised model are finite",
    "min_finalised_rank": "Finalised model has not collapsed",
    "min_finalised_overlap": "Finalised model keeps the lists",
    "max_churn": "Users whose list changed by half",
    "min_index_recall": "Recall@10 of the search",
    "max_index_latency": "Time of the search over a scan's",
}


def metric(name: str) -> str:
    """``ndcg_at_10`` as ``NDCG@10``."""
    base, _, k = name.partition("_at_")
    said = NAMES.get(base, base.replace("_", " "))
    return f"{said}@{k}" if k else said


def view(name: str) -> str:
    """What a view of the test part leaves out."""
    return VIEWS.get(name, name.replace("_", " "))


def group(name: str) -> str:
    """``users.1-4`` as ``1-4``, ``items.head`` in words."""
    return GROUPS.get(name, name.partition(".")[2])


def rank(name: str) -> tuple[int, int]:
    """Where a group stands among its kind: by its lower bound, or in the order of ``GROUPS``."""
    bound = re.search(r"\d+", name)
    known = list(GROUPS).index(name) if name in GROUPS else len(GROUPS)
    return int(bound[0]) if bound else 0, known


def value_order(name: str) -> tuple[int, float, str]:
    """Where a bar of a histogram stands: stars by their number, types of event after them by name."""
    try:
        return 0, float(name), ""
    except ValueError:
        return 1, 0.0, name


def moved_share(moved: float, names: Iterable[str]) -> str:
    """How much of one distribution would have to change to become the other, in one sentence.

    Args:
        moved: a share of 1.
        names: the values that are counted: stars, or types of event.
    """
    of_types = any(value_order(name)[0] for name in names)
    what = (
        "events would have to be of another type"
        if of_types
        else ("ratings would have to get other stars")
    )
    return f"{share(moved)} of the {what} for both to have the same distribution."


def rule(name: str) -> str:
    """What a rule of the gate looks at."""
    return RULES.get(name, sentence(name))


def sentence(name: str) -> str:
    """``unrated_movies`` as ``Unrated movies``."""
    words = re.sub(r"[_\s]+", " ", name).strip()
    return words[:1].upper() + words[1:]


def count(value: Any) -> str:
    """A whole number with a comma at each thousand."""
    return f"{value:,.0f}" if is_number(value) else NOTHING


def measure(value: Any, interval: float | None = None) -> str:
    """A measurement to three digits, or to the two digits of its interval that mean something."""
    if not is_number(value):
        return NOTHING
    if interval is None or not is_number(interval) or interval <= 0:
        return f"{value:.3g}" if abs(value) < 1000 else count(value)
    decimals = min(max(1 - math.floor(math.log10(interval)), 0), 3)
    return f"{value:.{decimals}f} ± {interval:.{decimals}f}"


def signed(value: Any) -> str:
    """A difference to four decimals, with its sign."""
    return f"{value:+.4f}" if is_number(value) else NOTHING


def fact(name: str, value: Any) -> str:
    """A fact of the data by its name: a date, a share, a number or words."""
    if not is_number(value):
        return setting(value)
    if name.endswith("_rating"):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")
    return share(value) if name in SHARES else count(value)


def change(before: Any, now: Any) -> str:
    """What was gained or lost, and how much that is of what was there."""
    if not (is_number(before) and is_number(now)):
        return NOTHING
    gained = f"{now - before:+,.0f}" if now != before else "0"
    return f"{gained} ({100 * (now / before - 1):+.1f} %)" if before and now != before else gained


def share(value: Any) -> str:
    """A share of one, in per cent."""
    if not is_number(value):
        return NOTHING
    percent = 100 * value
    if 10 <= percent < 90 or percent == 0:
        return f"{percent:.0f} %"
    return f"{percent:.3g} %" if percent >= 90 else f"{percent:.2g} %"


def duration(seconds: Any) -> str:
    """Seconds in the largest unit that still says something."""
    if not is_number(seconds):
        return NOTHING
    if 0 < seconds < 0.0000995:
        return f"{1e6 * seconds:.2g} µs"
    if seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def memory(megabytes: Any) -> str:
    """Megabytes, or gigabytes from a thousand on."""
    if not is_number(megabytes):
        return NOTHING
    return f"{megabytes:.0f} MB" if megabytes < 999.5 else f"{megabytes / 1000:.1f} GB"


def setting(value: Any) -> str:
    """A setting's value, an empty one included."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(setting(part) for part in value) or NOTHING
    return NOTHING if value in ("", None) else str(value)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number, and no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
