"""The section ``source``: the files, their columns and their format."""

from typing import Literal, Self

from pydantic import Field, model_validator

from recsys_tasks.config.settings.base import Frozen


class Columns(Frozen):
    """Names of columns. One that two roles share would be read as both: users as movies."""

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        names = [name for _, name in self]
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError(f"each needs a name of its own, not {', '.join(map(repr, names))}")
        return self


class RatingColumns(Columns):
    """What the columns of the ratings file are called in its header."""

    user: str = "userId"
    """Column of the user's id, a whole number."""

    movie: str = "movieId"
    """Column of the movie's id, a whole number."""

    rating: str = "rating"
    """Column of the rating."""

    time: str = "timestamp"
    """Column of the moment of the rating."""


class MovieColumns(Columns):
    """What the columns of the movies file are called in its header."""

    movie: str = "movieId"
    """Column of the movie's id, a whole number."""

    title: str = "title"
    """Column of the title."""

    genres: str = "genres"
    """Column of the list of genres."""


class SourceSettings(Frozen):
    """Where the ratings come from, and how to read them."""

    movies: str = ""
    """Path, http(s):// or s3:// address of movies.csv, plain or .gz. Empty: use what the tables hold."""

    ratings: str = ""
    """Path, http(s):// or s3:// address of ratings.csv, plain or .gz. Empty: use what the tables hold."""

    archive: str = ""
    """Path or address of a .zip that holds movies.csv and ratings.csv, instead of the two above."""

    max_rejected: float = Field(default=0.05, ge=0, le=1)
    """Share of rows that may be set aside as malformed before the whole file is refused."""

    tolerated_rejected: int = Field(default=20, ge=0)
    """Rows that may be set aside whatever their share: a handful in a small file refuses nothing."""

    replace: bool = False
    """The files are a full snapshot: rows that they lack are deleted. Off: rows are added or updated."""

    rating_columns: RatingColumns = RatingColumns()
    """Names of the ratings file's columns."""

    movie_columns: MovieColumns = MovieColumns()
    """Names of the movies file's columns."""

    separator: str = Field(default=",", pattern=r"^[^\d\r\n\"'-]$")
    """The one character between two fields."""

    quote: Literal['"', "'"] = '"'
    """The character around a field that holds a separator, a line end or a quote (then doubled)."""

    decimal: Literal[".", ","] = "."
    """The decimal sign of a rating."""

    genre_separator: str = Field(default="|", min_length=1, max_length=3)
    """What stands between two genres of one movie."""

    top_rating: float = Field(default=5.0, gt=0, le=1000)
    """The file's best rating; it becomes 5 stars and the others in proportion, always half stars."""

    time_unit: Literal["s", "ms"] = "s"
    """Unit of the moment of a rating: seconds or milliseconds since 1970-01-01 UTC."""

    largest_id: int = Field(default=2**31 - 1, ge=1, le=2**63 - 1)
    """Largest id of a user or a movie; what is above is taken for a fault."""
