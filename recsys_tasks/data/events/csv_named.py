"""Reads the rows of an items or a users file in CSV, one by one."""

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import Block
from recsys_tasks.data.csv.header import Header
from recsys_tasks.data.csv.rows import Fault, SwallowedLinesError, refuse_swallowed, row_fields
from recsys_tasks.data.events.named import NamedRows
from recsys_tasks.data.events.rows import NamedRow, Taken
from recsys_tasks.data.load.rejected_rows import RejectedRow


class NamedReader:
    """Reads blocks of one items or users file.

    Args:
        role: ``items`` or ``users``.
        header: where the columns are.
        source: how fields are written.
    """

    def __init__(self, role: str, header: Header, source: SourceSettings) -> None:
        self._header, self._source, self._rows = header, source, NamedRows(role, source)

    def read(self, block: Block) -> Taken:
        """The block's good rows and those that are rejected; blank lines are neither.

        Raises:
            InputRejected: a stray quote takes in several lines.
        """
        good: list[NamedRow] = []
        rejected: list[RejectedRow] = []
        for index in range(len(block)):
            record, line = block.record(index), int(block.lines[index])
            if not record.strip():
                continue
            try:
                found = row_fields(record, self._source, self._header.width)
                row = dict(zip(self._header.names, found, strict=True))
                good.append(self._rows.judge(row, line))
            except SwallowedLinesError as problem:
                raise refuse_swallowed(self._header.file, line, record, problem) from None
            except Fault as fault:
                rejected.append(RejectedRow(line, str(fault), record))
        return Taken(tuple(good), rejected)
