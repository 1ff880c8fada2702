"""What ``finalise`` measures: judged and finalised model of a night, on what its users liked afterwards."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.prepared import Tables, prepare, read, seeded
from recsys_tasks.config.settings import EvaluateSettings, Settings
from recsys_tasks.data.tables import RatingTable
from recsys_tasks.evaluation import metrics
from recsys_tasks.evaluation.contenders import block_rows
from recsys_tasks.evaluation.evaluate import validator
from recsys_tasks.evaluation.finalised import compare_finalised
from recsys_tasks.evaluation.ranking import Parts, rank
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.matrices.interactions import Csr, Interactions, build_id_maps, build_interactions
from recsys_tasks.matrices.split import Split
from recsys_tasks.model.engines.choice import engine_of
from recsys_tasks.model.engines.protocol import Engine
from recsys_tasks.model.intervals import paired
from recsys_tasks.model.representations import Embeddings, with_biases

METRICS = {"ndcg_at_10": "NDCG@10", "precision_at_5": "precision@5"}
FIRST = 0.5
"""Share of the ratings, by time, that the first night knows."""

Say = Callable[[str], None]
Values = NDArray[np.float32]


class Window(NamedTuple):
    """Of the users of one window: ids, and by metric the values of both models."""

    users: NDArray[np.int64]
    judged: dict[str, Values]
    finalised: dict[str, Values]
    overlap: float


def measured(folder: Path, windows: int, each_user: bool, say: Say) -> dict[str, Any]:
    """Means of both models and the paired interval of the difference, by metric; ``overlap`` of top tens."""
    found, tables = [], read(folder)
    nights = [_own_last(tables)] * windows if each_user else _nights(tables, windows)
    for number, (known, later) in enumerate(nights, start=1):
        window = _window(known, later, seeded("nightly", {}, number))
        found.append(window)
        say(f"{folder.name}, window {number}: {len(window.users)} users, {_means(window)}")
    judged, finalised = (_by_user(found, name) for name in ("judged", "finalised"))
    return {
        "users": len(judged["ndcg_at_10"]),
        "overlap": [window.overlap for window in found],
        **{metric: _compared(judged[metric], finalised[metric]) for metric in METRICS},
    }


def table(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Markdown: a row for each folder and metric."""
    lines = ["| ratings | users | metric | judged | finalised | difference, 95 % interval |"]
    lines.append("|---" * 6 + "|")
    for name, of in found.items():
        for metric, label in METRICS.items():
            one = of[metric]
            lines.append(
                f"| {Path(name).name} | {of['users']} | {label} | {one['judged']:.4f} | {one['finalised']:.4f} "
                f"| {one['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f}) |"
            )
    return lines


def _nights(tables: Tables, windows: int) -> Iterator[tuple[Tables, RatingTable]]:
    """What each night knows, and what its window brings."""
    times = np.sort(tables.ratings.rated_at)
    shares = np.linspace(FIRST, 1.0, windows + 1)
    moments = [times[min(int(share * len(times)), len(times) - 1)] for share in shares]
    moments[-1] += 1
    for begin, end in itertools.pairwise(moments):
        at = tables.ratings.rated_at
        later = _rows(tables.ratings, (at >= begin) & (at < end))
        yield Tables(_rows(tables.ratings, at < begin), tables.movies), later


def _own_last(tables: Tables) -> tuple[Tables, RatingTable]:
    """All but each user's last tenth of ratings, and that tenth; of fewer than ten ratings none."""
    ratings = tables.ratings
    order = np.lexsort((ratings.movie_id, ratings.rated_at, ratings.user_id))
    _, counts = np.unique(ratings.user_id, return_counts=True)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    later = np.zeros(len(order), np.bool_)
    later[order] = place >= np.repeat(counts - counts // 10, counts)
    return Tables(_rows(ratings, ~later), tables.movies), _rows(ratings, later)


def _rows(ratings: RatingTable, chosen: NDArray[np.bool_]) -> RatingTable:
    return RatingTable(*(getattr(ratings, field.name)[chosen] for field in fields(ratings)))


def _window(known: Tables, later: RatingTable, settings: Settings) -> Window:
    given = prepare(known, settings)
    engine = _chosen(given.parts, given.features, given.seen, settings)
    users, items = build_id_maps(known.ratings, known.movies)
    everything = build_interactions(known.ratings, users, items, settings.positives)
    later = _rows(later, users.known(later.user_id))
    asked = build_interactions(later, users, items, settings.positives)
    question = Parts.of(asked.take(np.arange(0)), asked, given.seen)
    values: dict[str, dict[str, Values]] = {}
    vectors: dict[str, Embeddings] = {}
    train = given.parts.train_and_validation()
    for name, on in (("judged", train), ("finalised", everything)):
        fitted = engine.fit(on, given.features)
        vectors[name] = with_biases(fitted.model, given.features)
        served = Audience.of(on).served(vectors[name], fitted.sums)
        ranks = rank(served, question, 0, _block(settings.evaluate, on), settings.evaluate.threads)
        view = ranks.views["test_served"]
        values[name] = {
            metric: metrics.measure(view, (5, 10))[metric].astype(np.float32) for metric in METRICS
        }
    of = users.ids[view.users].astype(np.int64)
    trained = np.flatnonzero(Audience.of(train).counts > 0)
    both = compare_finalised(vectors["judged"], vectors["finalised"], trained, given.seen)
    return Window(of, values["judged"], values["finalised"], both.overlap or 0.0)


def _chosen(parts: Split, features: Csr, seen: Csr, settings: Settings) -> Engine:
    """The engine with everything in its settings that validation chose."""
    validate = validator(parts, features, seen, settings.evaluate, settings.train.validate_on)
    chosen = engine_of(settings).fit(parts.train, features, validate).chosen
    return engine_of(settings.model_copy(update={"train": chosen}))


def _block(settings: EvaluateSettings, train: Interactions) -> int:
    return block_rows(settings, train.shape[1])


def _by_user(windows: list[Window], model: str) -> dict[str, Values]:
    """Each user's mean over their windows, in the order of their ids, by metric."""
    found: dict[str, dict[int, list[float]]] = {metric: defaultdict(list) for metric in METRICS}
    for window in windows:
        for metric, values in getattr(window, model).items():
            for user, value in zip(window.users.tolist(), values.tolist(), strict=True):
                found[metric][user].append(value)
    return {
        metric: np.array([np.mean(of[user]) for user in sorted(of)], np.float32)
        for metric, of in found.items()
    }


def _compared(judged: Values, finalised: Values) -> dict[str, float]:
    means = {"judged": float(judged.mean()), "finalised": float(finalised.mean())}
    return means | paired(finalised, judged, seed=42).document()


def _means(window: Window) -> str:
    judged, finalised = (of["ndcg_at_10"].mean() for of in (window.judged, window.finalised))
    return f"NDCG@10 judged {judged:.4f}, finalised {finalised:.4f}; overlap {window.overlap:.2f}"
