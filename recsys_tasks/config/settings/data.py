"""The sections ``positives``, ``checks`` and ``split``: what is learnt from, and what is held out."""

from typing import Literal

from pydantic import Field, field_validator

from recsys_tasks.config.settings.base import Frozen, moment


class PositiveSettings(Frozen):
    """Which ratings count as a positive interaction, and how much."""

    threshold: float = Field(default=5.0, ge=0.5, le=5)
    """A rating, in stars, at or above this is a positive of the test part, and of training at weight 1."""

    weak_threshold: float = Field(default=4.0, ge=0.5, le=5)
    """Ratings, in stars, from here up to the threshold are weaker positives, in training only."""

    weak_weight: float = Field(default=0.5, ge=0, le=1)
    """Sample weight of the weaker positives; 0 trains on the threshold's ratings alone."""

    half_life_days: float = Field(default=0.0, ge=0, le=100_000)
    """Days after which a positive counts half, measured back from the newest one; 0: age is ignored."""

    as_of: str = ""
    """Train on what was rated and loaded up to this UTC time (ISO 8601); empty: everything. A backfill
    sets it to each night's moment."""

    rated_until: str = ""
    """Train on what was rated up to this UTC time, whenever it was loaded; empty: everything. A
    scheduled run sets it to the end of its data interval."""

    @field_validator("as_of", "rated_until")
    @classmethod
    def _is_amoment(cls, text: str) -> str:
        """Refuses what is no time."""
        if text:
            moment(text)
        return text


class CheckSettings(Frozen):
    """What the tables must hold before anything is trained on them."""

    min_ratings: int = Field(default=1, ge=0)
    """Floor of the number of ratings."""

    min_users: int = Field(default=1, ge=0)
    """Floor of the number of users."""

    min_movies: int = Field(default=1, ge=0)
    """Floor of the number of movies in the catalogue."""

    min_positives: int = Field(default=1, ge=0)
    """Floor of the number of ratings at or above the threshold."""

    min_of_champion: float = Field(default=0.5, ge=0, le=1)
    """Floor of ratings, users, movies and positives, each as a share of the champion's; 0: none."""

    max_of_champion: float = Field(default=0.0, ge=0)
    """Ceiling of the same four, as a multiple of the champion's; 0: none."""

    max_rating_drift: float = Field(default=1.0, ge=0)
    """Ceiling of the population stability index of the ratings by stars against the champion's; equal
    shares have 0, above 0.25 is by custom a great change."""

    max_weekday_drift: float = Field(default=0.5, ge=0)
    """Ceiling of the same index of the ratings by day of the week (UTC): a day that is missing altogether
    makes it about 1. Looked at from 1,000 ratings on."""

    min_daily_of_champion: float = Field(default=0.0, ge=0)
    """Floor of ratings a day, over the 28 days up to the newest one, as a share of the champion's; 0: none."""

    max_silent_days: int = Field(default=28, ge=0, le=28)
    """Ceiling of the days without a rating among the 28 up to the newest one; 28: none."""

    min_new_ratings: int = Field(default=0, ge=0)
    """Floor of the ratings that the tables hold more than the champion's did: 1 refuses a feed that
    brings the same again under another name; 0: none."""

    min_known: float = Field(default=0.5, ge=0, le=1)
    """Floor of the champion's users, and of its items, that are still there, as a share; 0: none."""

    min_density: float = Field(default=0.0, ge=0, le=1)
    """Floor of ratings as a share of all pairs of user and movie."""

    min_positive_share: float = Field(default=0.0, ge=0, le=1)
    """Floor of positives as a share of the ratings."""

    max_positive_share: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of positives as a share of the ratings."""

    max_age_days: float = Field(default=0.0, ge=0)
    """Days that the newest rating may be older than the moment of training; 0: any age."""

    max_unrated_movies: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of movies without a rating, as a share of the catalogue."""

    max_single_rating_users: float = Field(default=1.0, ge=0, le=1)
    """Ceiling of users with one rating, as a share of the users."""


class SplitSettings(Frozen):
    """How interactions are divided into train, validation and test."""

    method: Literal["random", "shuffle", "time", "leave_last"] = "random"
    """random: a function of user id, item id and seed, so that a pair is in the same part every night;
    shuffle: the article's, another cut with each new rating; time: one moment for all; leave_last:
    the last n of each user."""

    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the interactions in the test part (random, shuffle, time)."""

    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the remaining interactions held out to choose the number of epochs; 0: none."""

    last_n: int = Field(default=1, ge=1, le=100)
    """Interactions of each user in the test part (leave_last)."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the split (random, shuffle)."""
