"""Golden queries: questions with their answers, stored in a version and repeated by whoever verifies it.

They are answered from the files before publishing and compared after, on any machine and by any
later reader. So they ask only what the files alone decide: exact scores of trained users, the
popular list, cosines. Scores may differ by rounding, and two items that rounding cannot tell apart
may change places. annoy may be searched harder or less hard than it was; most of what it found must
be found again.
"""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from recsys_tasks.artifacts import canonical_json
from recsys_tasks.artifacts.histories import HISTORIES
from recsys_tasks.artifacts.ids import Id, id_at
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.artifacts.manifest import IndexFacts
from recsys_tasks.artifacts.reader import READ, Artifacts, open_files
from recsys_tasks.errors import ArtifactRefused, SettingsError
from recsys_tasks.recommend.recommender import Recommendations, Recommender

NAME = "golden.json"
K = 10
TOLERANCE = 1e-4
"""Scores are sums of some hundred float32 products; another order of adding moves them by less."""

FOUND_AGAIN = 0.7
"""Share of what the index found that a later search of it must find again."""


def write_golden(folder: Path, facts: IndexFacts) -> None:
    """Asks the files of a version some questions and writes the answers beside them.

    Args:
        folder: every file of the version but the golden queries and the manifest.
        facts: how the index was built, as the manifest will say.

    Raises:
        ArtifactRefused: the files do not open as a version.
    """
    names = (name for name in (*READ, *HISTORIES) if name != NAME)
    paths = {name: folder / name for name in names if name in READ or (folder / name).exists()}
    recommender = Recommender(open_files("", "", facts, paths))
    answers = [
        {"ask": question, **_plain(_ask(recommender, question), recommender.artifacts.noun)}
        for question in _questions(recommender.artifacts)
    ]
    (folder / NAME).write_bytes(canonical_json.to_bytes(answers))


def replay(recommender: Recommender, path: Path) -> int:
    """Asks the golden queries again.

    Returns:
        how many there were.

    Raises:
        ArtifactRefused: an answer differs, or the file is not one of golden queries.
    """
    expected = canonical_json.from_bytes(path.read_bytes(), NAME)
    if not isinstance(expected, list) or not expected:
        raise ArtifactRefused(NAME, "holds no queries")
    noun = recommender.artifacts.noun
    served_exactly = recommender.artifacts.index_facts.search == "exact"
    for answer in expected:
        try:
            found = _plain(_ask(recommender, answer["ask"]), noun)
            exact = answer["ask"]["exact"] or served_exactly
            same = _same(found, answer, f"{noun}_ids", exact)
        except (KeyError, TypeError, ValueError, SettingsError):
            raise ArtifactRefused(NAME, f"not a query: {str(answer)[:80]}") from None
        if not same:
            raise ArtifactRefused(NAME, f"{answer['ask']} is answered otherwise: {found}")
    return len(expected)


def _questions(artifacts: Artifacts) -> list[dict[str, Any]]:
    """Trained users, exactly and as they are served; a stranger; some items."""
    trained = np.flatnonzero(artifacts.user_counts > 0)
    asked = [id_at(artifacts.user_ids, user) for user in _spread(trained, 5)]
    popular = artifacts.popular[artifacts.is_trained[artifacts.popular]]
    items = [id_at(artifacts.item_ids, row) for row in _spread(popular, 3)]
    return [
        *({"about": "user", "id": user, "exact": True} for user in asked),
        *({"about": "user", "id": user, "exact": False} for user in asked),
        {"about": "user", "id": _stranger(artifacts), "exact": True},
        *({"about": artifacts.noun, "id": item, "exact": True} for item in items),
    ]


def _stranger(artifacts: Artifacts) -> Id:
    """An id that no user has."""
    if artifacts.noun == "movie":
        return int(artifacts.user_ids[-1]) + 1
    names = (f"nobody-{number}" for number in count())
    return next(name for name in names if artifacts.users_by_id.row(name) < 0)


def _spread(rows: Any, n: int) -> list[int]:
    return [
        int(rows[i]) for i in np.unique(np.linspace(0, len(rows) - 1, n).astype(int)) if len(rows)
    ]


def _ask(recommender: Recommender, question: Mapping[str, Any]) -> Recommendations:
    asked, exact = question["id"], bool(question["exact"])
    ask: dict[str, Callable[[], Recommendations]] = {
        "user": lambda: recommender.recommend(asked, K, exact=exact),
        recommender.artifacts.noun: lambda: recommender.similar(asked, K),
    }
    return ask[question["about"]]()


def _plain(answer: Recommendations, noun: Noun) -> dict[str, Any]:
    return {
        "tier": answer.tier,
        f"{noun}_ids": [item.item_id for item in answer.items],
        "scores": [round(item.score, 6) for item in answer.items],
    }


def _same(found: Mapping[str, Any], expected: Mapping[str, Any], ids: str, exact: bool) -> bool:
    if found["tier"] != expected["tier"] or len(found[ids]) != len(expected[ids]):
        return False
    again = len({*found[ids]} & {*expected[ids]})
    if not exact:
        return again >= FOUND_AGAIN * len(expected[ids])
    return again >= len(expected[ids]) - 1 and np.allclose(
        found["scores"], expected["scores"], rtol=TOLERANCE, atol=TOLERANCE
    )
