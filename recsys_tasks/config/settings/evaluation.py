"""The sections ``evaluate`` and ``gate``: what is measured, and what a candidate must reach."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recsys_tasks.config.settings.base import Frozen


class EvaluateSettings(Frozen):
    """What is measured on the held-back part, and against what."""

    ks: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (5, 10, 20)
    """Lengths of the list that precision, recall, NDCG, MAP, hit rate and the rest are computed for,
    beside 5 and 10, which every run has."""

    block_megabytes: int = Field(default=32, ge=1, le=65536)
    """Memory of the block of scores that is worked on at a time."""

    validation_users: int = Field(default=10_000, ge=1)
    """Users of the validation part that are scored after each epoch, at most; evenly spaced."""

    ease_megabytes: int = Field(default=500, ge=0)
    """EASE is fitted beside the model where it takes no more memory than this: 8 bytes times items
    with training interactions times these or the trained users, whichever are fewer. 0: never."""

    ease_l2: float = Field(default=0.0, ge=0)
    """Penalty of EASE; 0: chosen on the validation part from 50 to 1000, or 200 without such a part."""

    ials_interactions: int = Field(default=500_000, ge=0)
    """iALS is fitted beside the model where there are no more training interactions than this: a few
    seconds for each 100,000 of them. 0: never."""

    threads: int = Field(default=2, ge=1, le=256)
    """Blocks of users that are ranked at a time; the numbers do not depend on it."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the random baseline and of the bootstrap."""


class GateRule(Frozen):
    """One more thing that a candidate must reach."""

    name: str
    """What the rule is called in the verdict."""

    metric: str
    """Dotted path into the manifest's metrics, such as test_served.recall_at_10; of a slice, its
    metric alone, such as ndcg_at_10."""

    slice: str = ""
    """Slice of the test part, such as users.1-4 or items.tail; empty: all of it."""

    comparison: Literal["at_least", "at_most"] = "at_least"
    """Which side of the bound is good."""

    bound: float
    """The bound itself, which passes."""


class GateSettings(Frozen):
    """What a candidate must reach before anyone downstream sees it."""

    min_precision: float = Field(default=0.05, ge=0, le=1)
    """Floor of precision@5 as served, mean over users with test positives."""

    min_popular_ratio: float = Field(default=1.05, ge=0, le=100)
    """Floor of precision@5 as served, as a multiple of the better of the popular and the recently
    popular list's."""

    min_effective_rank: float = Field(default=2.0, ge=0, le=1024)
    """Floor of the effective number of dimensions of the item vectors; 1 is a collapsed model."""

    max_never_shown: float = Field(default=0.999, ge=0, le=1)
    """Ceiling of the share of the catalogue that is in no test user's top 10."""

    min_index_recall: float = Field(default=0.9, ge=0, le=1)
    """Floor of the recall@10 of the search that serves, against a scan of all items."""

    max_index_latency: float = Field(default=1.0, gt=0, le=1000)
    """Ceiling of that search's time for a query, as a multiple of a scan's; medians, same run."""

    index_latency_from: int = Field(default=20_000, ge=1)
    """Items from which that ceiling is judged: a scan of fewer takes a fraction of a millisecond,
    and an index that loses to it harms nobody."""

    max_champion_loss: float = Field(default=0.01, ge=0, le=1)
    """How much less precision@5 as served than the champion's is tolerated; a candidate fails where
    the whole paired 95 % interval lies below."""

    anchor_days: int = Field(default=28, ge=0, le=3650)
    """Candidate and champion are compared once more with the version that was champion so many days
    ago: small losses, each tolerated, would add up. 0: not."""

    max_anchor_loss: float = Field(default=0.01, ge=0, le=1)
    """How much less precision@5 as served than that version's is tolerated; as max_champion_loss."""

    min_champion_users: int = Field(default=30, ge=1)
    """Users with a test positive that both know, below which candidate and champion are not compared:
    of a few, neither a pass nor a rejection says anything."""

    max_churn: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of the share of users whose top 10 changed by more than half against the champion."""

    min_finalised_rank: float = Field(default=0.8, ge=0, le=1)
    """Floor of the effective rank of the finalised model's item vectors, as a share of the judged model's."""

    min_finalised_overlap: float = Field(default=0.5, ge=0, le=1)
    """Floor of the share of a user's judged top ten that the finalised model keeps, mean over users."""

    rules: tuple[GateRule, ...] = ()
    """Further rules, judged beside those above."""

    @model_validator(mode="after")
    def _has_a_floor(self) -> Self:
        """Two floors of zero and no rule: a gate that rejects nothing is not one."""
        if not (self.min_precision > 0 or self.min_popular_ratio > 0 or self.rules):
            raise ValueError("the gate has no floor and no rule: it would let anything through")
        return self
