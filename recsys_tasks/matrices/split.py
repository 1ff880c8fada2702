"""Interactions divided into what is trained on and what is held back to be found again.

Only positives (ratings at or above the threshold) are held back, so that models trained on graded
positives and models trained without compare on the same test part. The weaker positives go to
train where time allows it:

* ``random``: positives are cut exactly as the article does; every weaker positive is trained on.
  No item of a user's test part is among them, for an item has one rating.
* ``time``: one moment for all. Nothing in train, weaker or not, is younger than anything held back.
* ``leave_last``: the last n positives of each user; what the user rated after the oldest of them is
  not trained on.

The validation part is cut from train in the same way, after the test part is out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Arrays, Interactions
from recsys_tasks.settings import SplitSettings

Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Train, perhaps validation, and test: disjoint, in one shape.

    Args:
        train: positives and weaker positives.
        validation: positives held back from train to choose the number of epochs, and the weaker
            positives that are too young for train but not for the final fit; None: not asked for.
        test: positives that no choice may look at.
    """

    train: Interactions
    validation: Interactions | None
    test: Interactions

    def train_and_validation(self) -> Interactions:
        """What the final fit is trained on once the number of epochs is chosen."""
        return self.train if self.validation is None else _joined(self.train, self.validation)

    def to_arrays(self) -> Arrays:
        """Plain arrays for an .npz; ``from_arrays`` gives the same split back."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            f"{part}.{name}": array
            for part, interactions in parts.items()
            if interactions is not None
            for name, array in interactions.to_arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Split":
        """The split that ``to_arrays`` described."""
        parts = {name: _part(arrays, name) for name in ("train", "validation", "test")}
        train, test = parts["train"], parts["test"]
        if train is None or test is None:
            raise KeyError("a split has a train and a test part")
        return cls(train, parts["validation"], test)


def split(interactions: Interactions, settings: SplitSettings) -> Split:
    """Divides interactions by the method of ``settings``.

    Raises:
        TrainingRefused: a part that was asked for would be empty; the message gives the numbers.
    """
    train, held = _cut(interactions, settings, settings.test_fraction)
    test = held.positives()
    validation = None
    if settings.validation_fraction > 0:
        train, validation = _cut(train, settings, settings.validation_fraction)
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        if part is not None and not part.is_positive.any():
            raise TrainingRefused(
                f"the {name} part of the {settings.method} split is empty: there are "
                f"{int(interactions.is_positive.sum())} positives"
            )
    return Split(train, validation, test)


def _cut(
    interactions: Interactions, settings: SplitSettings, fraction: float
) -> tuple[Interactions, Interactions]:
    """What stays, and everything else."""
    if settings.method == "random":
        kept, held = _by_chance(interactions, fraction, settings.seed)
    elif settings.method == "time":
        kept, held = _by_time(interactions, fraction)
    else:
        kept, held = _by_user(interactions, settings.last_n)
    return interactions.take(kept), interactions.take(held)


def _by_chance(interactions: Interactions, fraction: float, seed: int) -> tuple[Places, Places]:
    """Positives shuffled and cut.

    Source:
        ``lightfm.cross_validation.random_train_test_split``, order included.
    """
    places = np.flatnonzero(interactions.is_positive)
    order = np.arange(len(places))
    np.random.RandomState(seed).shuffle(order)
    cut = int((1.0 - fraction) * len(places))
    weaker = np.flatnonzero(~interactions.is_positive)
    return np.concatenate((places[order[:cut]], weaker)), places[order[cut:]]


def _by_time(interactions: Interactions, fraction: float) -> tuple[Places, Places]:
    """What is older than one moment is kept: the moment of the positive that ``fraction`` points at."""
    times = np.sort(interactions.rated_at[interactions.is_positive])
    if not len(times):
        return np.arange(0), np.arange(0)
    moment = times[min(int((1.0 - fraction) * len(times)), len(times) - 1)]
    older = interactions.rated_at < moment
    return np.flatnonzero(older), np.flatnonzero(~older)


def _by_user(interactions: Interactions, last_n: int) -> tuple[Places, Places]:
    """The last positives of each user are held back, and what came after the oldest of them.

    A user with no more than ``last_n`` positives keeps them all for training.
    """
    order = np.lexsort((interactions.col, interactions.rated_at, interactions.row))
    order = order[interactions.is_positive[order]]
    users = interactions.row[order]
    counts = np.bincount(users, minlength=interactions.shape[0])
    ends = np.cumsum(counts)
    from_end = ends[users] - np.arange(len(users))
    held = order[(from_end <= last_n) & (counts[users] > last_n)]
    first_held = np.full(interactions.shape[0], np.iinfo(np.int64).max)
    np.minimum.at(first_held, interactions.row[held], interactions.rated_at[held])
    kept = interactions.rated_at <= first_held[interactions.row]
    kept[order] = True
    kept[held] = False
    return np.flatnonzero(kept), np.flatnonzero(~kept)


def _joined(first: Interactions, second: Interactions) -> Interactions:
    """Both, in the order of user and item."""
    both = Interactions(
        first.shape,
        np.concatenate((first.row, second.row)),
        np.concatenate((first.col, second.col)),
        np.concatenate((first.weight, second.weight)),
        np.concatenate((first.is_positive, second.is_positive)),
        np.concatenate((first.rated_at, second.rated_at)),
    )
    return both.take(np.lexsort((both.col, both.row)))


def _part(arrays: Arrays, part: str) -> Interactions | None:
    prefix = f"{part}."
    named = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    return Interactions.from_arrays(named) if named else None
