"""Events read a column at a time are those that the rules for single fields make of them."""

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import read_blocks
from recsys_tasks.data.csv.header import read_header
from recsys_tasks.data.csv.integers import read_decimals
from recsys_tasks.data.csv.rows import Fault
from recsys_tasks.data.events import fields
from recsys_tasks.data.events.csv_events import EventsReader
from recsys_tasks.data.events.moments import read_moments
from recsys_tasks.data.events.rows import EventRows, Taken
from recsys_tasks.errors import InputRejected

LATEST = 1_780_000_000 * 1_000_000
HEADER = ("user_id", "item_id", "type", "time", "value")
TYPES = frozenset({"view", "buy"})

ids = st.sampled_from(
    ["u1", "", " ", " a", "a ", "a,b", 'a"b', '"', "é", "🛒", "x" * 255, "x" * 256, "n\0l", "a\tb"]
)
types = st.sampled_from(["view", "buy", " buy", "Buy", "", "clik"])
MOMENTS = [
    *("2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "2026-01-01", "2026-02-30T00:00:00Z", ""),
    *("1767225600", "1767225600.5", "20260101", "-1", "99999999999999999999", "2026-1-1"),
    *("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:60Z", "2026-01-01T24:00:00Z"),
]
times = st.one_of(st.sampled_from(MOMENTS), st.integers(0, 2_000_000_000).map(str))
values = st.sampled_from(["", "5", "4.5", "19.99", "nan", "1e3", "-1", "1.", ".5", " 3", "\u0661"])
rows = st.lists(st.tuples(ids, ids, types, times, values), max_size=8)


def taken(text: str, slowly: bool, types: frozenset[str], **settings: str) -> Taken | str:
    """What is read of a file; what refuses it, in words."""
    source = SourceSettings.model_validate(settings)
    block = next(read_blocks(io.BytesIO(text.encode()), "f", source.quote))
    header = read_header(block, "f", "events", source)
    reader = EventsReader(header, source, types, LATEST)
    if slowly:
        nothing = EventRows([], [], [], np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
        reader._read_plain = lambda block: (nothing, np.arange(len(block)))  # type: ignore[method-assign]
    try:
        return reader.read(block.after(header.records))
    except InputRejected as refusal:
        return str(refusal)


@given(rows, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from(["s", "ms"]),
       st.sampled_from([TYPES, frozenset()]))  # fmt: skip
def test_both_ways_take_and_reject_the_same_rows(events, quoting, unit, known):
    text = io.StringIO()
    csv.writer(text, quoting=quoting).writerows([HEADER, *events])
    quick, slow = (taken(text.getvalue(), way, known, time_unit=unit) for way in (False, True))
    if isinstance(quick, str) or isinstance(slow, str):
        assert quick == slow
        return
    assert [vars(row) for row in quick.rejected] == [vars(row) for row in slow.rejected]
    for name, column in vars(quick.good).items():
        assert np.array_equal(
            np.asarray(column), np.asarray(vars(slow.good)[name]), equal_nan=name == "value"
        ), name


@given(st.from_regex(r"[0-9]{0,8}(\.[0-9]{0,7})?", fullmatch=True))
def test_a_decimal_read_out_of_bytes_is_what_float_makes_of_it(text):
    octets = np.frombuffer(f"x{text}x".encode(), np.uint8)
    [value], [good] = read_decimals(
        octets, np.array([1]), np.array([1 + len(text)]), ord(".")
    )  # fmt: skip
    if good:
        assert value == float(text)


@given(st.datetimes(), st.sampled_from(["T", " "]), st.sampled_from(["", "Z"]))
def test_a_moment_read_out_of_bytes_is_what_the_library_makes_of_it(moment, between, zone):
    text = moment.replace(microsecond=0).isoformat(between) + zone
    octets = np.frombuffer(text.encode(), np.uint8)
    [value], [good] = read_moments(octets, np.array([0]), np.array([len(text)]), 1, LATEST)
    try:
        assert (value, good) == (fields.judge_time(text, "time", 1, LATEST), True)
    except Fault:
        assert not good


def test_a_stray_quote_that_takes_in_rows_is_refused():
    text = ",".join(HEADER) + '\n"u,i,view,1767225600,\nv,i,view,1767225600,"\nw,i,view,1,\n'
    assert "takes in" in taken(text, slowly=False, types=TYPES)
