"""Divides interactions into train, validation and test.

Only positives (ratings at or above the threshold) are held back, so that models trained on graded
positives and models trained without compare on the same test part:

* ``random``: the part of a pair of user and item is a function of their ids (of events: of their rows
  in the dictionary, which never change) and the seed alone. It
  stays the same whatever else is rated, also when the rating changes: a weaker positive whose pair
  belongs to the test part is not trained on.
* ``shuffle``: positives are cut exactly as the article does; every weaker positive is trained on.
  One more rating moves most pairs to another part.
* ``time``: one moment for all. Nothing in train, weaker or not, is younger than anything held back.
* ``leave_last``: the last n positives of each user; what the user rated after the oldest of them is
  not trained on.

The validation part is cut from what the test part leaves, in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import SplitSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.ids import IdMap
from recsys_tasks.matrices.interactions import Arrays, Interactions

Places = NDArray[np.integer]
Divided = tuple[Places, Places | None, Places]

PAIR_HASH = "splitmix64 of user id, item id and seed"
"""What decides the part of a pair in the split ``random``; changes when the function does."""

KEY_HASH = "splitmix64 of user row, item row and seed"
"""The same where users and items have rows in a dictionary."""


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

    def trained_on(self, refit: bool) -> Interactions:
        """What the final model is trained on, fitted again with the validation part or not."""
        return self.train_and_validation() if refit else self.train

    def positives(self) -> dict[str, int]:
        """Positives of each part that there is."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            name: int(part.is_positive.sum()) for name, part in parts.items() if part is not None
        }


def split(interactions: Interactions, settings: SplitSettings, users: IdMap, items: IdMap) -> Split:
    """Divides interactions by the method of ``settings``.

    Args:
        interactions: to be divided.
        settings: method, shares, seed.
        users, items: the external ids of the rows; only ``random`` looks at them.

    Raises:
        TrainingRefused: a part that was asked for would be empty; the message gives the numbers.
    """
    found = divide(interactions, settings, users, items).split(interactions)
    refuse_empty(found.positives(), settings, int(interactions.is_positive.sum()))
    return found


def refuse_empty(counts: Mapping[str, int], settings: SplitSettings, positives: int) -> None:
    """Refuses a split of which a part has no positive.

    Args:
        counts: positives of each part, ``Split.positives``.
        settings: of the split.
        positives: how many there are to be divided.

    Raises:
        TrainingRefused: the message names the part.
    """
    for name, count in counts.items():
        if not count:
            raise TrainingRefused(
                f"the {name} part of the {settings.method} split is empty: there are "
                f"{positives} positives"
            )


@dataclass(frozen=True, eq=False)
class Division:
    """Where the interactions of a matrix belong, in the order that each part has.

    Args:
        train, validation, test: places (rows of the coordinates); no validation: None. What none of them
            holds is left out.
    """

    train: Places
    validation: Places | None
    test: Places

    def within(self, first: int, last: int) -> "Division":
        """What lies between two places, counted from the first of them; the order stays."""
        return Division(
            _within(self.train, first, last),
            None if self.validation is None else _within(self.validation, first, last),
            _within(self.test, first, last),
        )

    def to_arrays(self) -> Arrays:
        """int32 arrays for an .npz; ``from_arrays`` gives the same places back."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            name: places.astype(np.int32) for name, places in named.items() if places is not None
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Division":
        """The places that ``to_arrays`` described."""
        return cls(arrays["train"], arrays.get("validation"), arrays["test"])

    def split(self, interactions: Interactions) -> Split:
        """The parts of the matrix that was divided."""
        validation = None if self.validation is None else interactions.take(self.validation)
        return Split(interactions.take(self.train), validation, interactions.take(self.test))


def _within(places: Places, first: int, last: int) -> Places:
    return places[(places >= first) & (places < last)] - first


def divide(
    interactions: Interactions,
    settings: SplitSettings,
    users: IdMap | None = None,
    items: IdMap | None = None,
) -> Division:
    """The places of train, validation and test; the arguments are those of ``split``.

    Raises:
        ValueError: the method ``random`` without ids.
    """
    if settings.method == "random":
        if users is None or items is None:
            raise ValueError("the split random needs the ids of users and items")
        train, validation, held = _by_pair(interactions, settings, users, items)
    else:
        train, validation, held = _by_order(interactions, settings)
    return Division(train, validation, held[interactions.is_positive[held]])


def hold_out(
    interactions: Interactions, settings: SplitSettings, users: IdMap, items: IdMap
) -> tuple[Interactions, Interactions | None]:
    """Train and validation alone, for a model whose test is what comes later.

    Args:
        interactions, users, items: as for ``split``.
        settings: ``validation_fraction`` is the share of the validation part, by the method; 0: none.

    Returns:
        the second is None where no positive would be in it.
    """
    if settings.validation_fraction == 0:
        return interactions, None
    wanted = {"test_fraction": settings.validation_fraction, "validation_fraction": 0.0}
    alone = settings.model_copy(update=wanted)
    if settings.method == "random":
        train, _, held = _by_pair(interactions, alone, users, items)
    else:
        train, _, held = _by_order(interactions, alone)
    if not interactions.is_positive[held].any():
        return interactions, None
    return interactions.take(train), interactions.take(held)


def redrawn(parts: Split, number: int) -> Split:
    """The same with another validation part: as many positives, at random of train and validation together.

    Weaker positives all stay in train.

    Args:
        parts: with a validation part.
        number: of the draw; the same number gives the same draw of the same parts.

    Raises:
        ValueError: the split has no validation part.
    """
    if parts.validation is None:
        raise ValueError("the split has no validation part")
    known = parts.train_and_validation()
    held = np.zeros(len(known), np.bool_)
    n_held = int(parts.validation.is_positive.sum())
    generator = np.random.default_rng(number)
    held[generator.choice(np.flatnonzero(known.is_positive), n_held, replace=False)] = True
    return Split(known.take(~held), known.take(held), parts.test)


def split_facts(settings: SplitSettings, by_keys: bool = False) -> dict[str, Any]:
    """The manifest's ``split``: two versions with equal facts put each pair into the same part.

    That holds for ``random`` only, whose facts name the function; of the other methods the data decides too.

    Args:
        settings: of the split.
        by_keys: users and items have rows in a dictionary.
    """
    decides = KEY_HASH if by_keys else PAIR_HASH
    membership = {"membership": decides} if settings.method == "random" else {}
    return settings.model_dump(mode="json") | membership


def pair_hash(
    interactions: Interactions, users: IdMap, items: IdMap, seed: int
) -> NDArray[np.uint64]:
    """A number for each interaction, uniform over all uint64, from its pair's keys and the seed alone.

    Source:
        the finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
        generators", 2014), applied to the seed, then with the user's id, then with the item's.
    """
    start = _mixed(np.array([seed], dtype=np.uint64))
    of_users = _mixed(users.split_keys.astype(np.uint64) ^ start)
    return _mixed(of_users[interactions.row] ^ items.split_keys.astype(np.uint64)[interactions.col])


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64's step: each bit of a number changes each bit of the result with probability one half."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _by_pair(
    interactions: Interactions, settings: SplitSettings, users: IdMap, items: IdMap
) -> Divided:
    """Train, validation and what is held back for the test: each pair where its own hash puts it."""
    drawn = pair_hash(interactions, users, items, settings.seed)
    tested = settings.test_fraction
    held = drawn < _share(tested)
    chosen_by = drawn < _share(tested + (1 - tested) * settings.validation_fraction)
    validation = np.flatnonzero(chosen_by & ~held) if settings.validation_fraction > 0 else None
    return np.flatnonzero(~chosen_by), validation, np.flatnonzero(held)


def _share(fraction: float) -> np.uint64:
    """The bound below which this share of all uint64 lies; ``fraction`` below 1."""
    return np.uint64(min(int(fraction * 2.0**64), 2**64 - 1))


def _by_order(interactions: Interactions, settings: SplitSettings) -> Divided:
    """Train, validation and what is held back, by the methods that look at all interactions at once."""
    train, held = _cut(interactions, settings, settings.test_fraction)
    if settings.validation_fraction == 0:
        return train, None, held
    kept, chosen_by = _cut(interactions.take(train), settings, settings.validation_fraction)
    return train[kept], train[chosen_by], held


def _cut(
    interactions: Interactions, settings: SplitSettings, fraction: float
) -> tuple[Places, Places]:
    """The places of what stays, and of everything else."""
    if settings.method == "shuffle":
        return _shuffled(interactions, fraction, settings.seed)
    if settings.method == "time":
        return _by_time(interactions, fraction)
    return _by_user(interactions, settings.last_n)


def _shuffled(interactions: Interactions, fraction: float, seed: int) -> tuple[Places, Places]:
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
