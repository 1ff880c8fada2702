"""Merges two sets of pins: the Airflow image's own win, this project's lock decides the rest.

    python constraints.py IMAGE_CONSTRAINTS REQUIREMENTS > CONSTRAINTS

Airflow is released with one tested set of versions, and so is this project; in one image, what
both name stays as Airflow has it. Needs nothing but Python.
"""

import re
import sys
from pathlib import Path

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==")


def merge(image: str, lock: str) -> list[str]:
    """Pins of ``image``, then those pins of ``lock`` whose package ``image`` does not name."""
    first = _pins(image)
    named = {_package(pin) for pin in first}
    return first + [pin for pin in _pins(lock) if _package(pin) not in named]


def _pins(text: str) -> list[str]:
    """Lines that pin a package; comments, options and hashes left out."""
    lines = (line.split(" #")[0].rstrip(" \\") for line in text.splitlines())
    return [line for line in lines if PIN.match(line)]


def _package(pin: str) -> str:
    """The package's name in the one spelling that PEP 503 gives it."""
    return re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower()


if __name__ == "__main__":
    image, lock = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])
    print("\n".join(merge(image, lock)))
