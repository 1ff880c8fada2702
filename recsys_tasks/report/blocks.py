"""The parts of a section: text, plots and tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows of words; the first column names the row, the others are numbers unless ``wordy``."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    wordy: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether it needs the page's whole width."""
        return len(self.head) > 4 or (self.wordy and len(self.head) > 2)


@dataclass(frozen=True)
class Figure:
    """A drawing and what it shows, in a sentence."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it; ``folded`` ones open on a click."""

    title: str
    text: str = ""
    points: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: bool = False

    @property
    def is_even(self) -> bool:
        """Whether figures, points and narrow tables fill two columns without the text."""
        narrow = sum(not table.is_wide for table in self.tables)
        return (len(self.figures) + bool(self.points) + narrow) % 2 == 0

    @property
    def anchor(self) -> str:
        """What an address inside the page calls it."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def flat(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings by their dotted names."""
    leaves: list[tuple[str, Any]] = []
    for name, value in (tree or {}).items():
        inner = isinstance(value, Mapping)
        leaves += flat(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]
    return leaves
