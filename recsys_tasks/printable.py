"""Makes invisible characters visible: the one function for text from outside in a terminal or a log."""

import logging
import unicodedata

INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of control, format (zero width, direction), surrogate and line separator."""


def printable(text: str, lines: bool = False) -> str:
    r"""The text, each character that a reader cannot see written as its number: ``\x1b``, ``\u202e``.

    Such a character can move a terminal's cursor, turn the direction of reading, or hide.

    Args:
        text: what a file, a table or a server said.
        lines: line ends and tabs stay, for a text that has several lines on purpose.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(c if c in kept or not _is_invisible(c) else _number(c) for c in text)


class PrintableFormatter(logging.Formatter):
    """Writes a log record with every invisible character made visible; line ends stay."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line or lines."""
        return printable(super().format(record), lines=True)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in INVISIBLE


def _number(character: str) -> str:
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
