"""Any table that Python's csv writes comes back unchanged; any bytes end in one of three outcomes."""

import csv
import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block, read_blocks
from recsys_tasks.data.csv.header import read_header
from recsys_tasks.data.csv.movies import Movie, MoviesReader, shows
from recsys_tasks.data.csv.ratings import RatingsReader
from recsys_tasks.data.load.rejected_rows import RejectedRow
from recsys_tasks.errors import InputRejected

MOVIELENS = SourceSettings()
LATEST = 1_900_000_000
CATALOGUE = np.array([1, 2, 3, 70_000, 2**31 - 1], np.int64)
COLUMNS = ("userId", "movieId", "rating", "timestamp")

Row = tuple[int, int, float, int]
rows = st.tuples(
    st.integers(1, 2**31 - 1),
    st.sampled_from(CATALOGUE.tolist()),
    st.integers(1, 10).map(lambda half: half / 2),
    st.integers(788_918_400, LATEST),
)
dialects = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|", ":", "^"]),
        "quotechar": st.sampled_from(['"', "'"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "lineterminator": st.sampled_from(["\r\n", "\n", "\r"]),
    }
)


def blocks_of(content: bytes, role: str, source: SourceSettings, size: int) -> tuple:  # type: ignore[type-arg]
    """The header and the blocks of rows."""
    blocks = read_blocks(io.BytesIO(content), "f", source.quote, size)
    first = next(blocks, None)
    if first is None:
        raise InputRejected("f", "empty")
    header = read_header(first, "f", role, source)
    return header, _chained(first.after(header.records), blocks)


def _chained(first: Block, others: Iterator[Block]) -> Iterator[Block]:
    yield first
    yield from others


def read_ratings(
    content: bytes, source: SourceSettings = MOVIELENS, size: int = 1 << 22
) -> tuple[list[tuple[int, ...]], list[RejectedRow]]:
    """Good rows as (user, movie, half stars, time, line), and the rejected rows."""
    header, blocks = blocks_of(content, "ratings", source, size)
    reader = RatingsReader(header, source, CATALOGUE, LATEST)
    good: list[tuple[int, ...]] = []
    rejected: list[RejectedRow] = []
    for block in blocks:
        table, odd, _ = reader.read(block)
        columns = (table.user_id, table.movie_id, table.half_stars, table.rated_at, table.line)
        good += zip(*(column.tolist() for column in columns), strict=True)
        rejected += odd
    return good, rejected


@given(
    table=st.lists(rows, min_size=1, max_size=30),
    dialect=dialects,
    order=st.permutations(range(4)),
    decimal=st.sampled_from([".", ","]),
    size=st.integers(64, 4096),
    bom=st.booleans(),
)
def test_ratings_of_any_dialect_come_back_unchanged(
    table: list[Row],
    dialect: dict[str, str],
    order: list[int],
    decimal: str,
    size: int,
    bom: bool,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, **dialect)  # type: ignore[arg-type]
    writer.writerow([COLUMNS[i] for i in order])
    for user, movie, stars, time in table:
        written = (user, movie, str(stars).replace(".", decimal), time)
        writer.writerow([written[i] for i in order])
    source = SourceSettings(
        separator=dialect["delimiter"], quote=dialect["quotechar"], decimal=decimal
    )
    content = b"\xef\xbb\xbf" * bom + text.getvalue().encode()
    good, rejected = read_ratings(content, source, size)
    assert rejected == []
    assert good == [
        (user, movie, round(stars * 2), time, line)
        for line, (user, movie, stars, time) in enumerate(table, start=2)
    ]


titles = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(
    table=st.lists(st.tuples(st.integers(1, 2**31 - 1), titles.filter(shows)), min_size=1),
    dialect=dialects,
    size=st.integers(64, 4096),
)
def test_movies_of_any_dialect_come_back_unchanged(
    table: list[tuple[int, str]], dialect: dict[str, str], size: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, **{**dialect, "quoting": csv.QUOTE_ALL})  # type: ignore[arg-type]
    writer.writerow(["movieId", "title", "genres"])
    writer.writerows([movie, title, "Drama"] for movie, title in table)
    source = SourceSettings(separator=dialect["delimiter"], quote=dialect["quotechar"])
    header, blocks = blocks_of(text.getvalue().encode(), "movies", source, size)
    found = [row for block in blocks for row in MoviesReader(header, source).read(block)]
    assert [(row.id, row.title) for row in found if isinstance(row, Movie)] == table


LINES = [
    f"{user},{movie},{user % 10 / 2 + 0.5},12000000{user:02}"
    for user in range(10, 30)
    for movie in (1, 70_000)
]
GOOD = ("\r\n".join([",".join(COLUMNS), *LINES]) + "\r\n").encode()


@given(
    at=st.integers(0, len(GOOD) - 1),
    byte=st.integers(0, 127),
    kind=st.sampled_from(["replace", "insert", "delete", "cut"]),
)
def test_any_mutation_is_refused_set_aside_or_read(at: int, byte: int, kind: str) -> None:
    ends = {"replace": at + 1, "insert": at, "delete": at + 1, "cut": len(GOOD)}
    mutated = GOOD[:at] + bytes([byte]) * (kind in ("replace", "insert")) + GOOD[ends[kind] :]
    try:
        good, rejected = read_ratings(mutated)
    except InputRejected:
        return
    assert all(row.reason for row in rejected)
    untouched = [row for row in LINES if row.encode() in mutated]
    assert len(good) >= len(untouched) - 1
    assert len(good) + len(rejected) <= len(LINES) + 1


@given(content=st.binary(max_size=300))
def test_any_bytes_of_a_row_end_in_an_outcome(content: bytes) -> None:
    text = content.decode("utf-8", "ignore").encode()
    try:
        good, rejected = read_ratings(GOOD + text)
    except InputRejected:
        return
    assert len(good) >= len(LINES)
    assert {line for *_, line in good}.isdisjoint(row.line for row in rejected)


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_lines_are_counted_as_an_editor_does(size: int) -> None:
    header = ",".join([*COLUMNS, "note"])
    content = (
        f'{header}\r1,1,4.0,1200000000,"a\r\nb"\n\r\n2,x,4.0,1200000000,c\r3,1,4.0,1200000000,d'
    )
    good, rejected = read_ratings(content.encode(), size=size)
    assert [line for *_, line in good] == [2, 6]
    assert [row.line for row in rejected] == [5]


def test_a_record_without_end_is_refused_before_it_fills_the_memory() -> None:
    endless = GOOD + b'9,"' + b"1\n" * (5 << 20)
    with pytest.raises(InputRejected, match="line 42"):
        read_ratings(endless)
