"""The result of one of the doctor's checks."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "missing"]


@dataclass(frozen=True)
class Finding:
    """One check.

    Args:
        name: what was looked at.
        state: ``ok``; ``warning`` when it works with a loss; ``missing`` when something cannot work.
        found: what is there.
        advice: what to do about it; empty when all is well.
    """

    name: str
    state: State
    found: str
    advice: str = ""
