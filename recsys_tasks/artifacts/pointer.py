"""The pointer of a channel: which version consumers follow, who moved it there, and from where."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.manifest import Closed, Sha256, VersionName
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.errors import ArtifactRefused, NotFound

Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
"""UTC, ISO 8601, to the second."""


class Pointer(Closed):
    """What a channel's file holds."""

    version: VersionName
    manifest_sha256: Sha256
    promoted_by: str
    previous: VersionName | None
    """The version to go back to."""

    move: int = Field(ge=1)
    """1 for the first promotion, one more each time the pointer moves."""

    moved_at: Moment

    reason: str = ""
    forced: bool = False
    """Promoted against the gate's verdict."""

    @classmethod
    def from_bytes(cls, document: bytes, name: str) -> Self:
        """The pointer that a document holds.

        Raises:
            ArtifactRefused: unknown or missing fields, or not acceptable JSON.
        """
        canonical_json.from_bytes(document, name)
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            raise ArtifactRefused(name, f"not a pointer: {error.errors()[0]['msg']}") from None


def read_pointer(store: ObjectStore, dataset: str, channel: str = "champion") -> Pointer | None:
    """Where a channel points; nothing before the first promotion."""
    key = keys.pointer(dataset, channel)
    try:
        return Pointer.from_bytes(store.get(key), key)
    except NotFound:
        return None
