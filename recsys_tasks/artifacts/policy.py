"""``<dataset>/policy.json``: what must not be shown, and what is lifted; it counts without a training.

    {"schema_version": 1, "hidden_items": ["SKU-7"], "hidden_from_users": {"ann": ["SKU-9"]},
     "allowed_items": null, "allowed_for_users": {"bob": ["SKU-1"]}, "boosts": {"SKU-3": 0.5}}

Every part but the schema version may be left out. Ids are numbers or text; one that a version does not know
is passed over. A policy that is not acceptable is refused whole.
"""

import hashlib
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.ids import Id
from recsys_tasks.artifacts.manifest import Closed
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.errors import ArtifactRefused, NotFound

MOST_BOOSTS = 1000
"""Items that one policy may lift or lower."""

Boost = Annotated[float, Field(ge=-1, le=1)]
"""In distances between the first and the tenth place of a user's list."""


class Policy(Closed):
    """What may be shown of a dataset, whatever its model says."""

    schema_version: Literal[1]

    hidden_items: list[Id] = Field(default_factory=list)
    """Shown to nobody."""

    hidden_from_users: dict[str, list[Id]] = Field(default_factory=dict)
    """By user: items that this user is not shown."""

    allowed_items: list[Id] | None = None
    """Nothing else is shown to anybody; null: everything may be."""

    allowed_for_users: dict[str, list[Id]] = Field(default_factory=dict)
    """By user: nothing else is shown to this user."""

    boosts: dict[str, Boost] = Field(default_factory=dict, max_length=MOST_BOOSTS)
    """By item: what is added to its score in recommendations."""

    @classmethod
    def from_bytes(cls, document: bytes, name: str) -> Self:
        """The policy that a document holds.

        Raises:
            ArtifactRefused: unknown fields, a value out of bounds, or not acceptable JSON.
        """
        canonical_json.from_bytes(document, name)
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            found = error.errors()[0]
            place = ".".join(map(str, found["loc"])) or "whole"
            raise ArtifactRefused(name, f"not a policy: {place}: {found['msg']}") from None


NO_POLICY: Final = Policy(schema_version=1)


def read_policy(store: ObjectStore, dataset: str) -> tuple[Policy, str | None]:
    """A dataset's policy and the sha256 of its bytes, in hex; None: there is none, and all may be shown.

    Raises:
        ArtifactRefused: it is not acceptable.
        StoreUnavailable: the store stayed away.
    """
    key = keys.policy(dataset)
    try:
        document = store.get(key)
    except NotFound:
        return NO_POLICY, None
    return Policy.from_bytes(document, key), hashlib.sha256(document).hexdigest()
