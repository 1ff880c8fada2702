"""Replays past nights: trains on what was known at each moment, and tests on the window after it.

A fold reads the tables as of its moment and nothing later; the window's positives are read apart and meet
the model only when it is finished. Users and items that nobody knew at the moment are counted and not asked:
no model could have served them. A fold that is kept in a folder is not computed again.
"""

import hashlib
import logging
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import DataCheckFailed, SettingsError, TrainingRefused
from recsys_tasks.evaluation.backtest import Fold, found_of
from recsys_tasks.evaluation.evaluate import Evaluation, evaluate_all, validator
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.matrices.interactions import Csr, Interactions, build_item_features
from recsys_tasks.matrices.split import Split, hold_out
from recsys_tasks.model.engines.choice import engine_of
from recsys_tasks.model.engines.protocol import Fitted
from recsys_tasks.model.representations import with_biases as folded
from recsys_tasks.pipeline.kept_folds import keep_fold, kept_fold
from recsys_tasks.pipeline.known import KnownData, read_known
from recsys_tasks.pipeline.later import Later
from recsys_tasks.pipeline.version_facts import code_revision

log = logging.getLogger(__name__)

Known = Literal["loaded", "rated"]
"""What was known at a moment: what had been rated and loaded by then, or what had been rated."""

MOST_FOLDS = 1000


@dataclass(frozen=True)
class Plan:
    """The moments of a back-test.

    Args:
        begin, end: the first moment, and the last one at most; with a time zone.
        every: from one moment to the next.
        horizon: length of the window after each.
        known: what counts as known at a moment.
    """

    begin: datetime
    end: datetime
    every: timedelta
    horizon: timedelta
    known: Known = "loaded"

    def moments(self) -> tuple[datetime, ...]:
        """Every moment, ascending.

        Raises:
            SettingsError: there is none, or there are more than ``MOST_FOLDS``.
        """
        if self.end < self.begin:
            raise SettingsError(
                f"--from {self.begin.isoformat()} is later than --to {self.end.isoformat()}"
            )
        count = (self.end - self.begin) // self.every + 1
        if count > MOST_FOLDS:
            raise SettingsError(f"{count} moments are more than {MOST_FOLDS}: raise --every")
        return tuple(self.begin + number * self.every for number in range(count))


@dataclass(frozen=True)
class Skipped:
    """A moment without a fold, and why."""

    as_of: str
    reason: str


@dataclass(frozen=True)
class Backtest:
    """Everything that a back-test found."""

    folds: tuple[Fold, ...]
    skipped: tuple[Skipped, ...]


def last_moment(database: Database, settings: Settings, horizon: timedelta) -> datetime:
    """The latest moment whose window of ``horizon`` ends with the data.

    Raises:
        DataCheckFailed: the tables hold no ratings.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-") as home:
        newest = read_known(database, settings, Path(home)).newest
    if not newest:
        raise DataCheckFailed((f"the tables of {settings.dataset} hold no ratings",))
    return datetime.fromtimestamp(newest, UTC) - horizon


def run_backtest(
    database: Database, settings: Settings, plan: Plan, folder: Path | None = None
) -> Backtest:
    """Computes every fold, or takes those that the folder keeps.

    Args:
        database: where the tables are.
        settings: of the runs that are replayed; iALS is left out.
        plan: the moments.
        folder: where folds are kept for a repeat; None: nowhere.

    Raises:
        DataCheckFailed: no window holds a positive of a known user and item.
        SettingsError: a moment lies in the future.
    """
    moments = plan.moments()
    now = datetime.now(UTC)
    if moments[-1] > now:
        raise SettingsError(f"--to {moments[-1].isoformat()} lies in the future")
    with tempfile.TemporaryDirectory(prefix="recsys-") as home:
        until = min(moments[-1] + plan.horizon, now)
        later = Later.of(read_known(database, _until(settings, until), Path(home)))
    replay = _Replay(database, _without_ials(settings), plan, later, folder)
    folds: list[Fold] = []
    skipped: list[Skipped] = []
    began = time.monotonic()
    for number, moment in enumerate(moments, 1):
        found = replay.fold(moment)
        if isinstance(found, Fold):
            folds.append(found)
        else:
            skipped.append(found)
        _say(number, len(moments), found, time.monotonic() - began)
    if not folds:
        raise DataCheckFailed((_nothing(later, moments, plan),))
    return Backtest(tuple(folds), tuple(skipped))


@dataclass(frozen=True)
class _Replay:
    """What every fold has in common."""

    database: Database
    settings: Settings
    plan: Plan
    later: Later
    folder: Path | None

    def fold(self, moment: datetime) -> Fold | Skipped:
        """One moment's fold: kept, computed, or why there is none."""
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            known = read_known(self.database, self._at(moment), Path(home))
            print_of = self._fingerprint(moment, known)
            kept = kept_fold(self.folder, moment, print_of)
            if kept is not None:
                return kept
            try:
                return self._computed(moment, known, print_of)
            except TrainingRefused as refused:
                return Skipped(moment.isoformat(), str(refused))

    def _computed(self, moment: datetime, known: KnownData, print_of: str) -> Fold | Skipped:
        began, end = time.monotonic(), moment + self.plan.horizon
        window, unknown = self.later.window(known, int(moment.timestamp()), int(end.timestamp()))
        if not len(window):
            why = f"no positive of a known user and item up to {end.isoformat()}"
            return Skipped(moment.isoformat(), why)
        fitted, evaluation = fit_and_measure(self.settings, known, window)
        found, values = found_of(evaluation.metrics, evaluation.per_user)
        rows = evaluation.per_user["users"]
        facts = {
            "as_of": moment.isoformat(),
            "until": end.isoformat(),
            "ratings": known.ratings,
            "users": len(known.users),
            "items": len(known.items),
            "positives": len(window),
            "unknown": unknown,
            "measured": len(rows),
            "engine": fitted.chosen.engine_used,
            "seconds": round(time.monotonic() - began, 1),
            **found,
        }
        fold = Fold(facts, known.users.ids[rows], values)
        keep_fold(self.folder, moment, print_of, fold)
        return fold

    def _at(self, moment: datetime) -> Settings:
        """The settings that read what was known at a moment."""
        if self.plan.known == "rated":
            return _until(self.settings, moment)
        return _with_moment(self.settings, as_of=moment.isoformat())

    def _fingerprint(self, moment: datetime, known: KnownData) -> str:
        """Changes with everything that a fold follows from."""
        wanted = self._at(moment).flat()
        facts = {
            "settings": wanted,
            "horizon": self.plan.horizon.total_seconds(),
            "known": list(known.files),
            "later": list(self.later.files),
            "code": code_revision(),
        }
        return hashlib.sha256(canonical_json.to_bytes(facts)).hexdigest()


def fit_and_measure(
    settings: Settings, known: KnownData, window: Interactions
) -> tuple[Fitted, Evaluation]:
    """Fits as a run does on all that is known, and measures on the window.

    Args:
        settings: of the run.
        known: a reading of the tables.
        window: positives of its users and items, which no fit and no choice sees.
    """
    users, items, seen = known.users, known.items, known.seen
    wanted = settings.train
    features = build_item_features(known.movies, wanted.genres, wanted.genre_weight_used)
    train, validation = hold_out(known.interactions, settings.split, users, items)
    parts = Split(train, validation, window)
    fitted = _fitted(settings, parts, features.matrix, seen)
    embeddings = folded(fitted.model, features.matrix)
    refit = wanted.refit
    history_map = Audience.of(parts.trained_on(refit)).learn(embeddings, fitted.sums)
    return fitted, evaluate_all(
        embeddings,
        parts,
        seen,
        settings.evaluate,
        refit=refit,
        history_map=history_map,
    )


def _fitted(settings: Settings, parts: Split, features: Csr, seen: Csr) -> Fitted:
    """As a run fits: chosen by the validation part, then fitted once more on that part too."""
    engine, refit = engine_of(settings), settings.train.refit
    if parts.validation is None or (refit and not engine.chooses):
        return engine.fit(parts.train_and_validation(), features)
    blind = Split(parts.train, parts.validation, parts.test.take(np.arange(0)))
    validate = validator(blind, features, seen, settings.evaluate, settings.train.validate_on)
    fitted = engine.fit(parts.train, features, validate)
    if not refit:
        return fitted
    engine = engine_of(settings.model_copy(update={"train": fitted.chosen}))
    return engine.fit(parts.train_and_validation(), features)


def _until(settings: Settings, moment: datetime) -> Settings:
    return _with_moment(settings, rated_until=moment.isoformat())


def _with_moment(settings: Settings, **moment: str) -> Settings:
    update = {"as_of": "", "rated_until": ""} | moment
    positives = settings.positives.model_copy(update=update)
    return settings.model_copy(update={"positives": positives})


def _without_ials(settings: Settings) -> Settings:
    """No iALS, which takes longer than everything else that a fold fits."""
    evaluate = settings.evaluate.model_copy(update={"ials_interactions": 0, "ks": (5, 10)})
    return settings.model_copy(update={"evaluate": evaluate})


def _say(number: int, of: int, found: Fold | Skipped, elapsed: float) -> None:
    left = elapsed / number * (of - number)
    then = f"; about {left / 60:.0f} min left" if left >= 60 else ""
    if isinstance(found, Skipped):
        log.info("fold %d of %d, %s: left out, %s%s", number, of, found.as_of, found.reason, then)
        return
    facts = found.facts
    means = ", ".join(f"{name} {of['ndcg_at_10']:.4f}" for name, of in facts["metrics"].items())
    said = f"{facts['positives']} positives of {facts['measured']} users; NDCG@10 {means}"
    log.info("fold %d of %d, %s: %s%s", number, of, facts["as_of"], said, then)


def _nothing(later: Later, moments: tuple[datetime, ...], plan: Plan) -> str:
    """Why no fold could be made."""
    first, last = moments[0].isoformat(), (moments[-1] + plan.horizon).isoformat()
    said = f"no window between {first} and {last} has a positive of a known user and item"
    return f"{said}; {later.span()}"
