"""Parses the movies file: ids, titles and genres, row by row."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block
from recsys_tasks.data.csv.header import Header
from recsys_tasks.data.csv.rows import (
    Fault,
    SwallowedLinesError,
    judge_id,
    refuse_swallowed,
    row_fields,
)
from recsys_tasks.data.load.rejected_rows import RejectedRow

NO_GENRES = "(no genres listed)"
"""MovieLens's label of a movie without genres; it counts as a genre, as in the article."""

KNOWN_GENRES = (
    *("Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "IMAX", "Musical", "Mystery", "Romance", "Sci-Fi"),
    *("Thriller", "War", "Western", NO_GENRES),
)
"""The labels of MovieLens 25M; others are loaded and noted."""

IN_LOWER_CASE = {genre.lower(): genre for genre in KNOWN_GENRES}
INVISIBLE = {"Zs", "Zl", "Zp", "Cc", "Cf"}
"""Unicode's categories of blanks, controls and signs without a shape."""

TITLE_CHARACTERS = 10_000
GENRES_CHARACTERS = 65_536


@dataclass(frozen=True)
class Movie:
    """One movie of a file."""

    id: int
    title: str
    genres: tuple[str, ...]
    line: int
    notes: tuple[str, ...]
    """What deserves a look although the movie is loaded."""


class MoviesReader:
    """Reads blocks of one movies file.

    Args:
        header: where the columns are.
        source: how ids and genres are written, and their bounds.
    """

    def __init__(self, header: Header, source: SourceSettings) -> None:
        self._header, self._source = header, source

    def read(self, block: Block) -> Iterator[Movie | RejectedRow]:
        """Each record of the block as a movie or as a rejected row; blank lines are left out.

        Raises:
            InputRejected: a stray quote takes in several lines.
        """
        for index in range(len(block)):
            record, line = block.record(index), int(block.lines[index])
            if not record.strip():
                continue
            try:
                yield self._judge(record, line)
            except SwallowedLinesError as problem:
                raise refuse_swallowed(self._header.file, line, record, problem) from None
            except Fault as fault:
                yield RejectedRow(line, str(fault), record)

    def _judge(self, record: str, line: int) -> Movie:
        """One record's movie.

        Raises:
            Fault: the row is to be rejected.
        """
        source, at = self._source, self._header.positions
        fields = row_fields(record, source, self._header.width)
        identity = judge_id(fields[at["movie"]], source.movie_columns.movie, source.largest_id)
        title = _judge_title(fields[at["title"]], source.movie_columns.title)
        text = fields[at["genres"]]
        if len(text) > GENRES_CHARACTERS:
            raise Fault(f"{len(text)} characters of genres, more than {GENRES_CHARACTERS}")
        genres = genres_of(text, source.genre_separator)
        notes = (*_notes_on_title(title), *_notes(text, genres))
        return Movie(identity, title, genres, line, notes)


def genres_of(text: str, separator: str) -> tuple[str, ...]:
    """The labels of a movie: stripped, without empty ones and repeats, in the file's order.

    None left, or none but ``(no genres listed)``, is ``(no genres listed)``; beside a real genre
    that label contradicts itself and is dropped.
    """
    labels = dict.fromkeys(label.strip() for label in text.split(separator))
    genres = tuple(label for label in labels if label != NO_GENRES and shows(label))
    return genres or (NO_GENRES,)


def shows(text: str) -> bool:
    """Whether a person would see anything of it: not only blanks, controls and zero-width signs."""
    return any(unicodedata.category(character) not in INVISIBLE for character in text)


def _judge_title(title: str, column: str) -> str:
    if not shows(title):
        raise Fault(f"{column} is blank")
    if len(title) > TITLE_CHARACTERS:
        raise Fault(f"{column} has {len(title)} characters, more than {TITLE_CHARACTERS}")
    return title


def _notes_on_title(title: str) -> Iterator[str]:
    """What an earlier conversion, before the file came here, did to a title."""
    if "\ufffd" in title:
        yield f"title {title[:40]!r} has lost characters: U+FFFD stands in their place"
    if not title.isascii() and _was_read_as_windows_1252(title):
        yield f"title {title[:40]!r} seems to be UTF-8 that was read as Windows-1252"


def _was_read_as_windows_1252(title: str) -> bool:
    try:
        title.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return True


def _notes(text: str, genres: tuple[str, ...]) -> Iterator[str]:
    """What is odd about the genres of a movie that is loaded all the same."""
    if NO_GENRES in text and genres != (NO_GENRES,):
        yield f"{NO_GENRES} beside {', '.join(genres)[:80]}: dropped"
    for genre in genres:
        if genre not in KNOWN_GENRES:
            alike = IN_LOWER_CASE.get(genre.lower())
            tail = f"differs from {alike} in case only" if alike else "is no MovieLens genre"
            yield f"genre {genre[:40]!r} {tail}"
