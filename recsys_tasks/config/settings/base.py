"""What all sections share: a frozen model, names of datasets, moments in time."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Name of a dataset: its schema in Postgres and its prefix in the bucket."""


_Value = TypeVar("_Value")
Values = Annotated[tuple[_Value, ...], Field(min_length=1, max_length=100)]
"""Values to choose from: at least one."""


class Frozen(BaseModel):
    """A value: cannot change, refuses unknown keys, documents each field by the string under it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


def moment(text: str) -> datetime:
    """An ISO 8601 time, in UTC where it names no zone.

    Raises:
        ValueError: it is no time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not a time such as 2026-11-24T03:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
