"""MovieLens 25M as GroupLens published it, in numbers: the target of the generator and of its check."""

from datetime import UTC, datetime
from typing import Final

USERS: Final = 162_541
RATINGS: Final = 25_000_095
MOVIES: Final = 62_423
RATED_MOVIES: Final = 59_047
LARGEST_MOVIE_ID: Final = 209_171

STARS: Final = tuple(half / 2 for half in range(1, 11))
HISTOGRAM: Final = (
    393_068,
    776_815,
    399_490,
    1_640_868,
    1_262_797,
    4_896_928,
    3_177_318,
    6_639_798,
    2_200_539,
    3_612_474,
)
"""Ratings of each value of ``STARS``."""

USERS_WITH_FIVE: Final = 155_002
MOVIES_WITH_FIVE: Final = 27_133

QUANTILES: Final = (0.0, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
RATINGS_OF_A_USER: Final = (20, 36, 71, 162, 554, 1_228, 32_202)
RATINGS_OF_A_MOVIE: Final = (1, 2, 6, 36, 1_504, 9_943, 81_491)
"""Ratings of a user, and of a movie that has any, at ``QUANTILES``."""

TOP_1000_SHARE: Final = 0.605
TOP_4000_SHARE: Final = 0.90
ITEM_GINI: Final = 0.942

FIRST_RATING: Final = int(datetime(1995, 1, 9, 11, 46, 49, tzinfo=UTC).timestamp())
LAST_RATING: Final = int(datetime(2019, 11, 21, 9, 15, 3, tzinfo=UTC).timestamp())
HALF_STARS_SINCE: Final = int(datetime(2003, 2, 18, tzinfo=UTC).timestamp())
"""Epoch seconds, UTC."""

GENRE_COUNTS: Final = {
    1: 30_631,
    2: 18_326,
    3: 9_852,
    4: 2_784,
    5: 680,
    6: 123,
    7: 24,
    8: 2,
    10: 1,
}
"""Movies that carry so many genre labels."""

NO_GENRE: Final = "(no genres listed)"
MOVIES_OF_A_GENRE: Final = {
    "Drama": 25_606,
    "Comedy": 16_870,
    "Thriller": 8_654,
    "Romance": 7_719,
    "Action": 7_348,
    "Horror": 5_989,
    "Documentary": 5_605,
    "Crime": 5_319,
    NO_GENRE: 5_062,
    "Adventure": 4_145,
    "Sci-Fi": 3_595,
    "Children": 2_935,
    "Animation": 2_929,
    "Mystery": 2_925,
    "Fantasy": 2_731,
    "War": 1_874,
    "Western": 1_399,
    "Musical": 1_054,
    "Film-Noir": 353,
    "IMAX": 195,
}

USER_MEAN_SD: Final = 0.47
MOVIE_MEAN_SD: Final = 0.41
RESIDUAL_SD: Final = 0.83
FIVE_SHARE_MEAN: Final = 0.22
FIVE_SHARE_SD: Final = 0.18
"""In stars; the share of 5.0 among a user's ratings, over users."""
