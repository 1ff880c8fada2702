"""Makes rows of events of the batches of a Parquet file: whole columns, and rejected rows one by one."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.rows import Fault
from recsys_tasks.data.events import fields
from recsys_tasks.data.events.rows import ONE_TYPE, EventRows, Taken
from recsys_tasks.data.load.rejected_rows import RejectedRow
from recsys_tasks.errors import InputRejected

TEXT_OR_WHOLE = "text or whole numbers"
A_MOMENT = "a timestamp, a date, text in ISO 8601, or whole numbers"

Mask = NDArray[np.bool_]


class ParquetEvents:
    """Reads batches of one file.

    Args:
        name: the file's, for a refusal.
        columns: its columns by their part.
        source: how fields are written.
        types: the types of event that have a weight; empty: any.
        latest: microseconds of the load; no event is later.
    """

    def __init__(
        self,
        name: str,
        columns: dict[str, str],
        source: SourceSettings,
        types: frozenset[str],
        latest: int,
    ) -> None:
        import pyarrow
        import pyarrow.compute

        self._arrow, self._compute = pyarrow, pyarrow.compute
        self._name, self._columns, self._types, self._latest = name, columns, types, latest
        self._per_second = 1000 if source.time_unit == "ms" else 1

    def read(self, batch: Any, first: int) -> Taken:
        """One batch; ``first`` is the 1-based row of its first one.

        Raises:
            InputRejected: a column is of another kind.
        """
        user, item = self._texts(batch, "user"), self._texts(batch, "item")
        kind = self._types_of(batch) if "type" in self._columns else None
        at, good = self._moments(batch)
        value, good_value = self._values(batch)
        good = good & good_value & self._are_ids(user) & self._are_ids(item)
        if kind is not None:
            good &= self._are_types(kind)
        line = np.arange(first, first + len(batch), dtype=np.int64)
        rejected = [
            RejectedRow(int(line[place]), self._why(batch, place), self._raw(batch, place))
            for place in np.flatnonzero(~good).tolist()
        ]
        count = int(good.sum())
        rows = EventRows(
            user=self._octets(user, good),
            item=self._octets(item, good),
            type=[ONE_TYPE.encode()] * count if kind is None else self._octets(kind, good),
            value=value[good],
            at=at[good],
            line=line[good],
        )
        return Taken(rows, rejected)

    def _texts(self, batch: Any, part: str) -> Any:
        """A column as texts; empty where there is none."""
        field = batch.schema.field(self._columns[part])
        types = self._arrow.types
        if not (is_text(types, field.type) or types.is_integer(field.type)):
            expected = A_MOMENT if part == "time" else TEXT_OR_WHOLE
            raise refused_type(self._name, field, expected)
        return batch.column(field.name).cast(self._arrow.string()).fill_null("")

    def _types_of(self, batch: Any) -> Any:
        return self._compute.utf8_trim_whitespace(self._texts(batch, "type"))

    def _octets(self, texts: Any, good: Mask) -> list[bytes]:
        chosen = texts.filter(self._arrow.array(good)).cast(self._arrow.binary())
        found: list[bytes] = chosen.to_pylist()
        return found

    def _are_ids(self, texts: Any) -> Mask:
        """Which texts ``fields.judge_id`` takes."""
        compute = self._compute
        length = np.asarray(compute.binary_length(texts))
        shows = np.asarray(compute.binary_length(compute.utf8_trim_whitespace(texts))) > 0
        clean = ~np.asarray(compute.match_substring(texts, "\0"))
        return np.asarray(shows & clean & (length <= fields.MAX_ID_BYTES))

    def _are_types(self, texts: Any) -> Mask:
        """Which texts ``fields.judge_type`` takes, each different one asked once."""
        found = texts.dictionary_encode()
        good = [self._is_type(name) for name in found.dictionary.to_pylist()]
        places = np.asarray(found.indices, dtype=np.intp)
        return np.array([*good, False], np.bool_)[places]

    def _is_type(self, name: str) -> bool:
        try:
            fields.judge_type(name, "", self._types)
        except Fault:
            return False
        return True

    def _moments(self, batch: Any) -> tuple[NDArray[np.int64], Mask]:
        """Microseconds, and which of them are of the past."""
        arrow, column = self._arrow, batch.column(self._columns["time"])
        kind = column.type
        if arrow.types.is_timestamp(kind) or arrow.types.is_date(kind):
            zone = None if arrow.types.is_date(kind) else kind.tz
            micros = column.cast(arrow.timestamp("us", zone), safe=False).cast(arrow.int64())
            at = np.asarray(micros.fill_null(-1), dtype=np.int64)
            return at, (at >= fields.EARLIEST) & (at <= self._latest)
        moments = [self._moment(text) for text in self._texts(batch, "time").to_pylist()]
        at = np.array(moments, np.int64)
        return at, at >= fields.EARLIEST

    def _moment(self, text: str) -> int:
        """Microseconds of a text; -1 where it is none of the past."""
        try:
            return fields.judge_time(text, "", self._per_second, self._latest)
        except Fault:
            return -1

    def _values(self, batch: Any) -> tuple[NDArray[np.float64], Mask]:
        """Values, NaN where there is none, and which are none or finite."""
        if "value" not in self._columns:
            return np.full(len(batch), np.nan), np.ones(len(batch), np.bool_)
        arrow, field = self._arrow, batch.schema.field(self._columns["value"])
        types = arrow.types
        is_number = types.is_integer(field.type) or types.is_floating(field.type)
        if not (is_number or types.is_decimal(field.type) or types.is_null(field.type)):
            raise refused_type(self._name, field, "numbers")
        column = batch.column(field.name)
        value = np.asarray(column.cast(arrow.float64(), safe=False).fill_null(math.nan))
        return value, np.isfinite(value) | np.asarray(column.is_null())

    def _why(self, batch: Any, place: int) -> str:
        """Why a row is rejected, by the same rules as a row of CSV."""
        text = {part: self._cell(batch, part, place) for part in self._columns}
        names = self._columns
        try:
            fields.judge_id(text["user"], names["user"])
            fields.judge_id(text["item"], names["item"])
            if "type" in names:
                fields.judge_type(text["type"], names["type"], self._types)
            if "value" in names:
                fields.judge_value(text["value"], names["value"], ".")
            fields.judge_time(text["time"], names["time"], self._per_second, self._latest)
        except Fault as fault:
            return str(fault)
        raise AssertionError(f"row {place} of a batch is rejected without a reason: {text}")

    def _cell(self, batch: Any, part: str, place: int) -> str:
        """What stands in a row's column, as text."""
        value = batch.column(self._columns[part])[place].as_py()
        return "" if value is None else str(value)

    def _raw(self, batch: Any, place: int) -> str:
        return ",".join(self._cell(batch, part, place) for part in self._columns)


def is_text(types: Any, kind: Any) -> bool:
    """Whether a column of this Arrow type holds text, or nothing; ``types`` is ``pyarrow.types``."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    views = hasattr(types, "is_string_view") and types.is_string_view(kind)
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind) or views
    )


def refused_type(name: str, field: Any, expected: str) -> InputRejected:
    """The refusal of a column of another kind."""
    advice = "Cast it before the export, or name another column"
    return InputRejected(
        name, f"the column is {field.type}", expected, advice, column=f"column {field.name}"
    )
