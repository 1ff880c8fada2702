"""What must not be shown is shown on no path; filters as data; boosts; a broken policy changes nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys_tasks.artifacts.items import Item
from recsys_tasks.artifacts.policy import Policy
from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.recommend.batch import write_part
from recsys_tasks.recommend.filters import ItemFilter
from recsys_tasks.recommend.recommender import Recommendations, Recommender
from recsys_tasks.recommend.rules import Rules

UNRATED, UNTRAINED, TRAINED = 5, 8, 35
NOW = 1_000_000


def ids(answer: Recommendations) -> list[int | str]:
    return [item.item_id for item in answer.items]


def under(artifacts: Artifacts, **policy: object) -> Recommender:
    rules = Rules(
        artifacts, Policy(schema_version=1, **policy), "the sha256", now=lambda: float(NOW)
    )
    return Recommender(artifacts, rules)


def by(artifacts: Artifacts, search: str) -> Artifacts:
    facts = artifacts.index_facts.model_copy(update={"search": search})
    return replace(artifacts, index_facts=facts)


PATHS: dict[str, Callable[[Recommender], Recommendations]] = {
    "model": lambda r: r.recommend(TRAINED, 5),
    "exact": lambda r: r.recommend(TRAINED, 5, exact=True),
    "since": lambda r: r.recommend(TRAINED, 5, since=[2, 9, 16]),
    "seen too": lambda r: r.recommend(TRAINED, 5, exclude_seen=False),
    "fold_in": lambda r: r.recommend(UNTRAINED, 5),
    "for items": lambda r: r.recommend_for([2, 9], 5),
    "features": lambda r: r.recommend_for_features(["Drama"], 5),
    "no feature": lambda r: r.recommend_for_features(["no such"], 5),
    "popular": lambda r: r.recommend(UNRATED, 5),
    "stranger": lambda r: r.recommend(6, 5),
    "no items": lambda r: r.recommend_for([], 5),
    "similar": lambda r: r.similar(2, 5),
    "filter": lambda r: r.recommend(TRAINED, 5, filter=ItemFilter(("Comedy", "Drama"))),
    "function": lambda r: r.recommend(TRAINED, 5, filter=lambda item: "Drama" in item.genres),
}
"""Every way of being shown an item."""


@pytest.mark.parametrize("search", ["annoy", "exact"])
@pytest.mark.parametrize("way", PATHS)
def test_a_hidden_item_is_on_no_path(artifacts: Artifacts, search: str, way: str) -> None:
    opened, ask = by(artifacts, search), PATHS[way]
    shown = ids(ask(Recommender(opened)))
    expected = [one for one in ids(_more(ask, Recommender(opened))) if one not in shown[:3]]
    found = ask(under(opened, hidden_items=shown[:3]))
    assert len(found.items) == 5
    assert found.policy_sha256 == "the sha256"
    assert not set(shown[:3]) & set(ids(found))
    if search == "exact":
        assert ids(found) == expected[:5]


def _more(
    ask: Callable[[Recommender], Recommendations], recommender: Recommender
) -> Recommendations:
    """The same question with a longer list: what moves up when the first are hidden."""

    class Longer(Recommender):
        def __getattribute__(self, name: str) -> object:
            found = super().__getattribute__(name)
            if name not in ("recommend", "recommend_for", "recommend_for_features", "similar"):
                return found
            return lambda about, k, **more: found(about, k + 3, **more)

    return ask(Longer(recommender.artifacts))


def test_a_hidden_item_is_in_no_batch_and_not_among_the_titles(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    hidden = artifacts.item_ids[::2].tolist()
    recommender = under(artifacts, hidden_items=hidden)
    write_part(recommender, tmp_path / "top.jsonl", range(len(artifacts.user_ids)), 10)
    for line in (tmp_path / "top.jsonl").read_text().splitlines():
        assert not set(hidden) & set(json.loads(line)["movie_ids"])
    assert [item.item_id for item in recommender.shown()] == artifacts.item_ids[1::2].tolist()


@pytest.mark.parametrize("way", PATHS)
def test_an_item_is_shown_from_its_first_second_to_before_its_last(
    artifacts: Artifacts, way: str
) -> None:
    ask = PATHS[way]
    first = ids(ask(Recommender(artifacts)))[0]
    for period, shown in (
        ((None, None), True),
        ((NOW, NOW + 1), True),
        ((NOW + 1, None), False),
        ((None, NOW), False),
    ):
        items = tuple(
            replace(item, available=period) if item.item_id == first else item
            for item in artifacts.items
        )
        asked = under(replace(artifacts, items=items))
        assert (first in ids(ask(asked))) == shown
        assert first in ids(ask(Recommender(replace(artifacts, items=items))))  # without rules: all


def test_what_is_hidden_from_one_user_is_shown_to_others(artifacts: Artifacts) -> None:
    best = ids(Recommender(artifacts).recommend(TRAINED, 3, exact=True))
    recommender = under(artifacts, hidden_from_users={str(TRAINED): best})
    assert not set(best) & set(ids(recommender.recommend(TRAINED, 50)))
    for user in artifacts.user_ids.tolist():
        if user != TRAINED:
            assert ids(recommender.recommend(user)) == ids(Recommender(artifacts).recommend(user))


def test_nothing_but_allowed_items_is_shown(artifacts: Artifacts) -> None:
    some = artifacts.item_ids[10:40].tolist()
    for_all = under(artifacts, allowed_items=some)
    for_one = under(artifacts, allowed_for_users={str(TRAINED): some[:4]})
    nothing = under(artifacts, allowed_for_users={str(TRAINED): []})
    for ask in PATHS.values():
        assert set(ids(ask(for_all))) <= set(some)
    assert set(ids(for_one.recommend(TRAINED, 50, exclude_seen=False))) == set(some[:4])
    assert len(for_one.recommend(UNTRAINED, 50).items) == 50
    assert nothing.recommend(TRAINED).items == ()


@pytest.mark.parametrize("search", ["annoy", "exact"])
def test_a_boost_of_one_lifts_the_tenth_to_the_first_score(
    artifacts: Artifacts, search: str
) -> None:
    opened = by(artifacts, search)
    best = Recommender(opened).recommend(TRAINED, 30, exact=True).items
    tenth, last = best[9], best[25]
    lifted = under(opened, boosts={str(tenth.item_id): 1, str(last.item_id): 0.1, "nobody": 1})
    found = {item.item_id: item.score for item in lifted.recommend(TRAINED, 40).items}
    assert found[tenth.item_id] == pytest.approx(best[0].score)
    distance = best[0].score - tenth.score
    assert found[last.item_id] == pytest.approx(last.score + 0.1 * distance)
    lowered = under(opened, boosts={str(best[0].item_id): -1}).recommend(TRAINED, 10)
    assert ids(lowered)[:8] == [item.item_id for item in best[1:9]]
    scores = [item.score for item in lowered.items]
    assert scores == sorted(scores, reverse=True)
    hidden = under(opened, boosts={str(tenth.item_id): 1}, hidden_items=[tenth.item_id])
    assert tenth.item_id not in ids(hidden.recommend(TRAINED, 40))


@pytest.mark.parametrize("search", ["annoy", "exact"])
@pytest.mark.parametrize("size", [0, 1, 7, 60, 250])
def test_a_filter_finds_what_a_scan_of_its_items_finds(
    artifacts: Artifacts, search: str, size: int
) -> None:
    rng = np.random.default_rng(size)
    rows = rng.choice(len(artifacts.item_ids), size, replace=False)
    wanted = ItemFilter(items=tuple(artifacts.item_ids[rows].tolist()))
    recommender = Recommender(by(artifacts, search))
    for user in artifacts.user_ids[2:].tolist():
        answer = recommender.recommend(user, 10, filter=wanted)
        every = Recommender(artifacts).recommend(user, 300, exact=True).items
        chosen = [one for one in every if one.item_id in (wanted.items or ())]
        assert answer.items == tuple(chosen[:10])


def test_categories_filter_by_any_and_none(recommender: Recommender) -> None:
    both = recommender.recommend(TRAINED, 300, filter=ItemFilter(("Comedy", "Drama")))
    assert {item.categories[0] for item in both.items} == {"Comedy", "Drama"}
    rest = recommender.recommend(TRAINED, 300, filter=ItemFilter(categories_none=("Comedy",)))
    assert {item.categories[0] for item in rest.items} == {"Drama", "Sci-Fi"}
    assert recommender.recommend(TRAINED, filter=ItemFilter(("no such",))).items == ()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"{}", "schema_version"),
        (b'{"schema_version": 2}', "schema_version"),
        (b'{"schema_version": 1, "hiden_items": []}', "hiden_items"),
        (b'{"schema_version": 1, "hidden_items": [1.5]}', "hidden_items.0"),
        (b'{"schema_version": 1, "hidden_items": [true]}', "hidden_items.0"),
        (b'{"schema_version": 1, "hidden_items": "SKU-1"}', "hidden_items"),
        (b'{"schema_version": 1, "boosts": {"a": 1.01}}', "boosts.a"),
        (b'{"schema_version": 1, "boosts": {"a": NaN}}', "NaN"),
        (b'{"schema_version": 1, "boosts": {"a": 1, "a": 0}}', "twice"),
        (b'{"schema_version": 1', "JSON"),
        (b"\xff", "JSON"),
    ],
)
def test_a_policy_that_is_not_acceptable_is_refused_by_the_place(
    document: bytes, reason: str
) -> None:
    with pytest.raises(ArtifactRefused, match=reason):
        Policy.from_bytes(document, "policy.json")


def test_an_item_without_a_period_takes_no_room(artifacts: Artifacts) -> None:
    assert Rules(artifacts).mask() is None
    assert Item(1, "", (), 0).available == (None, None)
