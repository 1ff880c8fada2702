"""Divides a run's parts into train, validation and test, each by itself where the method allows it."""

from collections import Counter
from collections.abc import Iterator

from recsys_tasks.config.settings import SplitSettings
from recsys_tasks.matrices.ids import IdMaps
from recsys_tasks.matrices.parts import Part
from recsys_tasks.matrices.split import Division, divide, refuse_empty
from recsys_tasks.pipeline.run_files import SPLIT
from recsys_tasks.pipeline.run_parts import RunParts, put_division

BY_PART = ("random", "leave_last")
"""Methods that look at one user at a time; the others hold all interactions in memory."""


def divide_parts(parts: RunParts, settings: SplitSettings, ids: IdMaps) -> dict[str, int]:
    """Writes where each interaction belongs, part by part; returns how many train, validation and test hold.

    Raises:
        TrainingRefused: a part that was asked for would be empty.
    """
    sizes, positives = Counter[str](), Counter[str]()
    divisions = _each(parts, settings, ids) if settings.method in BY_PART else _all(parts, settings)
    for number, division in enumerate(divisions):
        put_division(parts.files, number, division)
        part = parts.read(number)
        for name, places in division.to_arrays().items():
            sizes[name] += len(places)
            positives[name] += int(part.is_positive[places].sum())
    refuse_empty(positives, settings, sum(one.positives for one in parts.facts))
    SPLIT.write(parts.files, dict(positives))
    return {name: sizes[name] for name in ("train", "validation", "test")}


def _each(parts: RunParts, settings: SplitSettings, ids: IdMaps) -> Iterator[Division]:
    for number in range(len(parts)):
        yield divided(parts.read(number), settings, ids)


def divided(part: Part, settings: SplitSettings, ids: IdMaps) -> Division:
    """Where the interactions of a part belong, by a method of ``BY_PART``."""
    return divide(part.interactions(), settings, ids.users.range(part.users), ids.items)


def _all(parts: RunParts, settings: SplitSettings) -> Iterator[Division]:
    """Divided as one, then cut at the parts' ends; the order of the whole stays within a part."""
    whole, first = divide(parts.interactions(), settings), 0
    for facts in parts.facts:
        yield whole.within(first, first + facts.interactions)
        first += facts.interactions
