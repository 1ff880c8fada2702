"""Sections as plain text for a terminal: the same words and numbers as on the page."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from recsys_tasks.report.blocks import Section, Table

WIDTH = 100
"""Columns of a paragraph; a table takes what it needs."""

CELL = 44
"""Columns of a cell; what is longer goes on in the next line."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def sections_text(sections: Iterable[Section]) -> str:
    """Headings, paragraphs and tables, one below the other; drawings are left out."""
    return "\n\n".join(paragraph for section in sections for paragraph in _section(section))


def table_text(table: Table) -> str:
    """Columns side by side, long cells over several lines: words to the left, numbers to the right."""
    rows = [tuple(map(_wrapped, row)) for row in (table.head, *table.rows)]
    widths = [
        max(len(line) for cell in column for line in cell) for column in zip(*rows, strict=True)
    ]
    head, *lines = ["\n".join(_lines(row, widths, table.wordy)) for row in rows]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    caption = [_clean(table.caption)] if table.caption else []
    return "\n".join([*caption, head, rule, *lines])


def _section(section: Section) -> Iterator[str]:
    yield f"{section.title}\n{'=' * len(section.title)}"
    for paragraph in (section.text, *(f"- {point}" for point in section.points)):
        if paragraph:
            yield textwrap.fill(_clean(paragraph), WIDTH)
    yield from map(table_text, section.tables)


def _lines(row: Sequence[Sequence[str]], widths: Sequence[int], wordy: bool) -> Iterator[str]:
    for parts in zip_longest(*row, fillvalue=""):
        cells = [
            part.ljust(width) if wordy or not place else part.rjust(width)
            for place, (part, width) in enumerate(zip(parts, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _wrapped(cell: str) -> list[str]:
    return textwrap.wrap(_clean(cell), CELL) or [""]


def _clean(text: str) -> str:
    """Without control characters, which a title may carry into a terminal."""
    return _CONTROLS.sub(" ", text)
