"""Rules over several settings: which values cannot hold together.

A rule is a function of the settings that gives a sentence for what it refuses, and nothing for the
rest. ``Settings`` asks them all when it is made, so that no run begins that has to fail later.
"""

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from recsys_tasks.config.metric_names import OF_SLICES, SLICES, metric_names
from recsys_tasks.config.settings.refusals import did_you_mean

if TYPE_CHECKING:
    from recsys_tasks.config.settings import Settings

Found = str | None
"""What is wrong, by the settings' names; None: nothing."""

WIDELY_LIKED = 4.0
"""The default of positives.weak_threshold. Below a lower threshold it means: no weaker positives."""


PENALTIES = {"spark-als": "spark.regularisation", "ridge-svd": "train.ridge_svd.ridge"}
"""The engines that have no epochs, and the setting that each has in the place of a penalty."""


def contradictions(settings: "Settings") -> tuple[str, ...]:
    """A sentence for each contradiction, in the order of ``RULES``."""
    return tuple(found for rule in RULES if (found := rule(settings)))


def archive_beside_files(settings: "Settings") -> Found:
    """An archive holds both files."""
    source = settings.source
    if source.archive and (source.movies or source.ratings):
        return "source.archive stands instead of source.movies and source.ratings: give one or the other"
    return None


def events_beside_ratings(settings: "Settings") -> Found:
    """A dataset is of one kind: ratings of movies, or events with items."""
    source = settings.source
    if source.names_events and (source.archive or source.movies or source.ratings):
        return (
            "source.items, source.events and source.users are for a dataset of events, source.movies, "
            "source.ratings and source.archive for one of ratings: give the one or the other"
        )
    return None


def held_out_without_weight(settings: "Settings") -> Found:
    """The type of event that is held out is one that counts."""
    wanted = settings.events
    if wanted.held_out and wanted.weights and not wanted.weights.get(wanted.held_out):
        return (
            f"events.held_out {wanted.held_out} has no weight in events.weights: choose one of "
            f"{', '.join(name for name, weight in wanted.weights.items() if weight)}"
        )
    return None


def weaker_above_full_positives(settings: "Settings") -> Found:
    """Weaker positives lie below the full ones."""
    wanted = settings.positives
    asked_for = wanted.weak_weight > 0 and wanted.weak_threshold != WIDELY_LIKED
    if asked_for and wanted.weak_threshold > wanted.threshold:
        return (
            f"positives.weak_threshold {wanted.weak_threshold:g} is above positives.threshold "
            f"{wanted.threshold:g}: no rating is a weaker positive; lower it, or set "
            "positives.weak_weight to 0"
        )
    return None


def data_floor_above_ceiling(settings: "Settings") -> Found:
    """A floor of the data checks lies at or below its ceiling."""
    wanted = settings.checks
    pairs = [("positive_share", wanted.min_positive_share, wanted.max_positive_share)]
    if wanted.max_of_champion > 0:  # 0: no ceiling
        pairs.append(("of_champion", wanted.min_of_champion, wanted.max_of_champion))
    for name, floor, ceiling in pairs:
        if floor > ceiling:
            return f"checks.min_{name} {floor:g} is above checks.max_{name} {ceiling:g}: no data passes"
    return None


def engine_without_the_loss(settings: "Settings") -> Found:
    """The engine recsys knows WARP without penalties; engines without epochs have no loss to choose."""
    wanted = settings.train
    if wanted.loss == "warp" and not wanted.item_alpha and not wanted.user_alpha:
        return None
    if wanted.engine == "recsys":
        return (
            "train.engine recsys has train.loss warp only, and no item_alpha and user_alpha: "
            "choose train.engine lightfm, or warp"
        )
    if penalty := PENALTIES.get(wanted.engine):
        return (
            f"train.engine {wanted.engine} has no train.loss, item_alpha and user_alpha (see "
            f"{penalty}): leave them at their defaults"
        )
    return None


def warm_start_that_leaks(settings: "Settings") -> Found:
    """Only the split random keeps a pair in its part from night to night."""
    if settings.train.warm_start and settings.split.method != "random":
        return (
            f"train.warm_start needs split.method random, not {settings.split.method}: with another one "
            "the champion may have been trained on what the next run tests"
        )
    return None


def going_on_without_state(settings: "Settings") -> Found:
    """Engines without epochs always begin from nothing."""
    if settings.train.engine in PENALTIES and settings.train.warm_start:
        return f"train.engine {settings.train.engine} has no train.warm_start: turn it off"
    return None


def weights_for_kos(settings: "Settings") -> Found:
    """k-OS WARP takes no sample weights."""
    if settings.train.loss != "warp-kos":
        return None
    if settings.positives.half_life_days or settings.events.weights:
        return (
            "train.loss warp-kos takes no sample weights: leave positives.half_life_days and "
            "events.weights out"
        )
    if 0 < settings.positives.weak_weight < 1:
        return (
            "train.loss warp-kos takes no sample weights: set positives.weak_weight to 0 or 1, not "
            f"{settings.positives.weak_weight:g}"
        )
    return None


def grid_above_bound(settings: "Settings") -> Found:
    """A grid is tried whole."""
    space = settings.tune
    if space.method != "grid":
        return None
    points = prod(map(len, space.lists(settings.train.engine).values()))
    if points > space.trials:
        return (
            f"tune.method grid has {points} points and tune.trials allows {space.trials}: shorten a "
            "list, raise the bound, or search at random"
        )
    return None


def rank_above_width(settings: "Settings") -> Found:
    """Vectors have no more effective dimensions than components."""
    floor, width = settings.gate.min_effective_rank, settings.train.width
    if floor > width:
        return f"gate.min_effective_rank {floor:g} is above the vectors' {width} components: no model passes"
    return None


def index_below_gate(settings: "Settings") -> Found:
    """The index aims at what the gate demands, at least."""
    index, floor = settings.index, settings.gate.min_index_recall
    if index.search_k == 0 and index.min_recall < floor:
        return (
            f"index.min_recall {index.min_recall:g} is below gate.min_index_recall {floor:g}: the "
            "index would be built to fail; raise the one or lower the other"
        )
    return None


def rules_of_unknown_metrics(settings: "Settings") -> Found:
    """Each rule of the gate measures something that a run's metrics have."""
    known = metric_names(settings.evaluate.ks)
    for rule in settings.gate.rules:
        if rule.slice and rule.slice not in SLICES:
            near = did_you_mean(rule.slice, SLICES)
            return f"gate.rules {rule.name}: there is no slice {rule.slice}{near}"
        names, place = (OF_SLICES, f" in slice {rule.slice}") if rule.slice else (known, "")
        if rule.metric not in names:
            near = did_you_mean(rule.metric, names)
            return f"gate.rules {rule.name}: there is no metric {rule.metric}{place}{near}"
    return None


def rules_that_exclude_each_other(settings: "Settings") -> Found:
    """A floor of one metric lies at or below its ceiling, among the gate's own rules and the others."""
    for floor, ceiling in product(_floors(settings), _ceilings(settings)):
        (name, metric, low), (other, same, high) = floor, ceiling
        if metric == same and low > high:
            return f"{name} asks for at least {low:g} and {other} for at most {high:g}: no model passes"
    return None


Bound = tuple[str, tuple[str, str], float]
"""A name, the metric with its slice, the bound."""


def _floors(settings: "Settings") -> Iterator[Bound]:
    served = ("test_served.precision_at_5", "")
    yield "gate.min_precision", served, settings.gate.min_precision
    yield from _rules(settings, "at_least")


def _ceilings(settings: "Settings") -> Iterator[Bound]:
    yield from _rules(settings, "at_most")


def _rules(settings: "Settings", comparison: str) -> Iterator[Bound]:
    for rule in settings.gate.rules:
        if rule.comparison == comparison:
            yield f"gate.rules {rule.name}", (rule.metric, rule.slice), rule.bound


RULES: tuple[Callable[["Settings"], Found], ...] = (
    archive_beside_files,
    events_beside_ratings,
    held_out_without_weight,
    weaker_above_full_positives,
    data_floor_above_ceiling,
    engine_without_the_loss,
    going_on_without_state,
    warm_start_that_leaks,
    weights_for_kos,
    grid_above_bound,
    rank_above_width,
    index_below_gate,
    rules_of_unknown_metrics,
    rules_that_exclude_each_other,
)
"""Every rule; a new one needs its line in the test's table."""
