"""Colour for a terminal: none where stdout is a file or a pipe, or NO_COLOR is set."""

import os
import re
import sys

GOOD, BAD = "32", "31"
"""Green and red, as a terminal numbers them."""

ENDS = {"accepted": GOOD, "passed": GOOD, "rejected": BAD, "refused": BAD, "FAILED": BAD}
"""Words that say how something ended."""

_END = re.compile(rf"\b({'|'.join(ENDS)})\b", re.IGNORECASE)


def coloured(text: str) -> str:
    """The text with the words that say how something ended in colour, where somebody would see it."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    styles = {word.lower(): style for word, style in ENDS.items()}
    return _END.sub(lambda found: f"\x1b[{styles[found[0].lower()]}m{found[0]}\x1b[0m", text)
