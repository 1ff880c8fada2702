"""The section ``source``: the files, their columns and their format."""

from typing import Literal, Self

from pydantic import Field, model_validator

from recsys_tasks.config.settings.base import Frozen


class Columns(Frozen):
    """Names of columns. One that two roles share would be read as both: users as movies."""

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        names = [name for _, name in self if name.strip()]
        needed = self.required()
        if len(set(names)) < len(names) or not all(name.strip() for name in needed.values()):
            found = ", ".join(repr(name) for _, name in self)
            raise ValueError(f"each needs a name of its own, not {found}")
        return self

    def required(self) -> dict[str, str]:
        """Columns that every file must have, by their part."""
        return dict(self)

    def optional(self) -> dict[str, str]:
        """Columns that are read where a file has them, by their part."""
        needed = self.required()
        return {part: name for part, name in self if part not in needed and name.strip()}

    def insisted(self) -> dict[str, str]:
        """Optional columns with another name than the default: a file without one is refused."""
        usual = dict(type(self)())
        return {part: name for part, name in self.optional().items() if name != usual[part]}


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


class EventColumns(Columns):
    """What the columns of the events file are called."""

    user: str = "user_id"
    """Column of the user's id, any text of 1 to 255 bytes."""

    item: str = "item_id"
    """Column of the item's id, any text of 1 to 255 bytes."""

    type: str = "type"
    """Column of the type of event. Without it all events are of one type, event."""

    time: str = "time"
    """Column of the event's moment: ISO 8601, or a number in source.time_unit."""

    value: str = "value"
    """Column of a number that comes with the event, such as stars; read where a file has it."""

    def required(self) -> dict[str, str]:
        """User, item and time."""
        return {"user": self.user, "item": self.item, "time": self.time}


class ItemColumns(Columns):
    """What the columns of the items file are called."""

    item: str = "item_id"
    """Column of the item's id, any text of 1 to 255 bytes."""

    title: str = "title"
    """Column of the title; an item without one is shown by its id."""

    categories: str = "categories"
    """Column of the list of categories, with source.genre_separator between two."""

    available_from: str = "available_from"
    """Column of the moment from which an item may be shown; empty: always."""

    available_until: str = "available_until"
    """Column of the moment until which an item may be shown; empty: for ever."""

    def required(self) -> dict[str, str]:
        """The item's id."""
        return {"item": self.item}


class SourceSettings(Frozen):
    """Where the ratings or events come from, and how to read them."""

    movies: str = ""
    """Path, http(s):// or s3:// address of movies.csv, plain or .gz. Empty: use what the tables hold."""

    ratings: str = ""
    """Path, http(s):// or s3:// address of ratings.csv, plain or .gz. Empty: use what the tables hold."""

    archive: str = ""
    """Path or address of a .zip that holds movies.csv and ratings.csv, instead of the two above."""

    items: str = ""
    """Path or address of a CSV or Parquet file of items, for a dataset of events. Empty: none."""

    events: str = ""
    """Path or address of a CSV or Parquet file of events: who did what with which item, and when."""

    users: str = ""
    """Path or address of a CSV or Parquet file of users, for a dataset of events. Empty: none."""

    max_rejected: float = Field(default=0.05, ge=0, le=1)
    """Share of rows that may be rejected as malformed before the whole file is refused."""

    tolerated_rejected: int = Field(default=20, ge=0)
    """Rows that may be rejected whatever their share: a handful in a small file refuses nothing."""

    replace: bool = False
    """The files are a full snapshot: rows that they lack are deleted. Off: rows are added or updated."""

    rating_columns: RatingColumns = RatingColumns()
    """Names of the ratings file's columns."""

    movie_columns: MovieColumns = MovieColumns()
    """Names of the movies file's columns."""

    event_columns: EventColumns = EventColumns()
    """Names of the events file's columns; the users file has its ids under the same name."""

    item_columns: ItemColumns = ItemColumns()
    """Names of the items file's columns."""

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
    """Unit of a moment that is a number: seconds or milliseconds since 1970-01-01 UTC."""

    largest_id: int = Field(default=2**31 - 1, ge=1, le=2**63 - 1)
    """Largest id of a user or a movie; what is above is taken for a fault."""

    @property
    def names_files(self) -> bool:
        """Whether any file is named."""
        return bool(self.archive or self.movies or self.ratings) or self.names_events

    @property
    def names_events(self) -> bool:
        """Whether files of the events kind are named."""
        return bool(self.items or self.events or self.users)
