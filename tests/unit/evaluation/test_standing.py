"""One sentence says where the model stands against every baseline, and agrees with the intervals."""

import pytest

from recsys_tasks.evaluation.standing import FEWEST_USERS, findings, standing


def interval(difference, half=0.01):
    low, high = difference - half, difference + half
    return {"ndcg_at_10": {"difference": difference, "low": low, "high": high, "users": 600}}


def measured(**values):
    model = 0.30
    return {
        "test_served": {"ndcg_at_10": model},
        "baselines": {name: {"test_served": {"ndcg_at_10": at}} for name, at in values.items()},
        "intervals": {name: interval(model - at) for name, at in values.items()},
    }


@pytest.mark.parametrize(
    ("ease", "said"), [(0.28, "ahead of"), (0.295, "level with"), (0.32, "behind")]
)
def test_the_best_baseline_is_named_with_its_interval(ease, said):
    found = standing(measured(popular=0.15, random=0.001, ease=ease))
    assert found["best"] == "ease"
    assert found["sentence"].startswith(
        f"The model is {said} EASE, the best of 3 baselines: NDCG@10 as served 0.3000 against {ease:.4f}"
    )
    assert f"{found['low']:+.4f} to {found['high']:+.4f}, 600 users" in found["sentence"]
    assert found["sentence"].endswith("it is ahead of the popular list and random order.")


def test_every_other_baseline_is_on_its_side():
    sentence = standing(measured(popular=0.15, recent=0.30, ials=0.305, ease=0.35))["sentence"]
    assert sentence.endswith(
        "it is ahead of the popular list; level with the recently popular list and iALS."
    )


def test_of_nobody_nothing_is_said():
    assert (
        standing({"test_served": {"users": 0}, "baselines": {}, "intervals": {"ease": {}}}) is None
    )


@pytest.mark.parametrize("users", [1, FEWEST_USERS - 1])
def test_of_a_few_users_nothing_is_said_to_beat_or_to_lead(users):
    found = measured(popular=0.15, ease=0.35)
    for name, gaps in found["intervals"].items():
        gaps["ndcg_at_10"]["users"] = users
        gaps["precision_at_5"] = gaps["ndcg_at_10"]
        found["baselines"][name]["test_served"]["precision_at_5"] = 0.1
    found["test_served"]["precision_at_5"] = 0.2
    said = [standing(found)["sentence"], *findings(found)]
    for sentence in said:
        assert "not compared with" in sentence
        assert f"{users} users: too few, it takes {FEWEST_USERS}" in sentence
        assert not any(word in sentence for word in ("beats", "ahead", "behind", "falls short"))
