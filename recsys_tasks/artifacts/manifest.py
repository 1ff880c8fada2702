"""The manifest: what a version is, what it was made from, and the sha256 of every file in it.

A value: the same content gives the same bytes. On reading, unknown fields, repeated keys, NaN,
hostile file names and any other schema version are refused. The sections ``model``, ``index``, ``split``,
``data`` and ``metrics`` may carry more keys than those named here; the others may not.
"""

import hashlib
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from recsys_tasks.artifacts import canonical_json, keys
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.errors import ArtifactRefused

NOUN_OF: Final[dict[int, Noun]] = {1: "movie", 2: "item"}
"""The schema versions that this reader knows, and what each calls an item: ids of movies are ascending
numbers, ids of items numbers or text in any order."""

SCHEMA_OF: Final[dict[Noun, Literal[1, 2]]] = {"movie": 1, "item": 2}

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""A file of a version: no folder, no leading dot, so that it can only land where it belongs."""

DatasetName = Annotated[str, StringConstraints(pattern=keys.DATASET)]
VersionName = Annotated[str, StringConstraints(pattern=keys.VERSION)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

REQUIRED = (
    "user_embeddings.npy",
    "item_embeddings.npy",
    "user_ids.npy",
    "item_ids.npy",
    "user_counts.npy",
    "items.ann",
    "items.jsonl",
    "seen.npz",
    "features.npz",
    "popular.json",
    "golden.json",
)
"""Files without which a version cannot answer."""


class Closed(BaseModel):
    """A section whose keys are all known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Open(BaseModel):
    """A section that may carry more keys, any JSON value each."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, strict=True)
    __pydantic_extra__: dict[str, JsonValue]


class RunFacts(Closed):
    """The Airflow run, or what stands in for it on the command line."""

    dag_id: str
    run_id: str
    run_after: str


class CodeFacts(Closed):
    """The code that made the version."""

    revision: str


class FileFacts(Closed):
    """What a file must be; dtype and shape only for ``.npy``."""

    sha256: Sha256
    bytes: int = Field(ge=0, le=2**40)
    dtype: str | None = None
    shape: list[Annotated[int, Field(ge=0, le=2**34)]] | None = None


class ModelFacts(Open):
    """The fitted model and how it was fitted."""

    loss: str
    components: int = Field(ge=1, le=4096)
    epochs: int = Field(ge=0)
    seed: int
    threads: int = Field(ge=1)


class SearchPoint(Closed):
    """What one value of search_k gives: recall@10 against exact search, mean over the sample."""

    search_k: int = Field(ge=1)
    recall_at_10: float = Field(ge=0, le=1)


class ExactFacts(Open):
    """Exact search over the items of a version, measured when its index was built."""

    recall_at_10: float = Field(ge=0, le=1)
    """Against a scan of all items; less than 1 would be a defect."""

    looked_at: float = Field(ge=0, le=1)
    """Share of the items that it scores for a query, median; two digits."""


class IndexFacts(Open):
    """How to search a version's items: how ``items.ann`` was built, how to ask it, and whether to."""

    metric: Literal["angular", "dot"]
    transform: Literal["extra_dimension", "none"]
    """``extra_dimension``: rows are [vector, bias, sqrt(M² - |vector|² - bias²)]; none: [vector, bias]."""

    width: int = Field(ge=2, le=8192)
    trees: int = Field(ge=1, le=10_000)
    search_k: int = Field(ge=1, le=2**31 - 1)
    seed: int = Field(ge=0, le=2**32 - 1)
    recall_at_10: float = Field(ge=0, le=1)
    format: Sha256
    """sha256 of a tiny index that the same annoy wrote: builds of one version number differ in layout."""

    curve: list[SearchPoint] = []
    """Recall against search_k, as measured when the index was built."""

    search: Literal["annoy", "exact"] = "annoy"
    """What a consumer searches with: ``items.ann``, or every item from the longest on until none that
    is left can be better. Versions from before there was a choice say nothing."""

    exact: ExactFacts | None = None

    @property
    def served_recall(self) -> float:
        """Recall@10 of what a consumer searches with."""
        if self.search == "exact" and self.exact is not None:
            return self.exact.recall_at_10
        return self.recall_at_10


class SplitFacts(Open):
    """How the interactions were divided."""

    method: str
    test_fraction: float
    seed: int


class RuleFacts(Closed):
    """One rule of the gate and how it went; a missing value failed its rule."""

    name: str
    value: float | None
    bound: float | None
    passed: bool
    reason: str = ""


class GateFacts(Closed):
    """The gate's verdict."""

    accepted: bool
    rules: list[RuleFacts]


class FeatureFacts(Closed):
    """Size of the item-feature matrix."""

    rows: int = Field(ge=0)
    columns: int = Field(ge=0)
    elements: int = Field(ge=0)


class DataFacts(Open):
    """What the version was made from."""

    users: int = Field(ge=1)
    items: int = Field(ge=1)
    ratings: int = Field(ge=0)
    positives: int = Field(ge=0)
    features: FeatureFacts
    files: list[dict[str, JsonValue]]
    as_of: str


class Manifest(Closed):
    """A version, whole. ``files`` names everything beside the manifest itself."""

    schema_version: Literal[1, 2] = 1
    dataset: DatasetName
    version: VersionName
    run: RunFacts
    code: CodeFacts
    libraries: dict[str, str]
    files: dict[FileName, FileFacts]
    model: ModelFacts
    index: IndexFacts
    split: SplitFacts
    metrics: dict[str, JsonValue]
    gate: GateFacts
    data: DataFacts

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := [name for name in REQUIRED if name not in self.files]:
            raise ValueError(f"files that a version must have are missing: {', '.join(missing)}")
        if keys.MANIFEST in self.files:
            raise ValueError("a manifest cannot hold its own sha256")
        return self

    def to_bytes(self) -> bytes:
        """The canonical bytes: what was read, without what this reader takes for granted where it is missing."""
        return canonical_json.to_bytes(self.model_dump(mode="json", exclude_unset=True))

    def sha256(self) -> str:
        """The sha256 of the canonical bytes, in hex: what a pointer carries."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, document: bytes, name: str = keys.MANIFEST) -> Self:
        """The manifest that a document holds.

        Raises:
            ArtifactRefused: another schema version, an unknown or missing field, a value out of
                bounds, a hostile name, or a document that is not acceptable JSON.
        """
        tree = canonical_json.from_bytes(document, name)
        found = tree.get("schema_version") if isinstance(tree, dict) else None
        if type(found) is not int or found not in NOUN_OF:
            known = " and ".join(map(str, NOUN_OF))
            raise ArtifactRefused(name, f"schema version {found!r}; this reader knows {known}")
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            raise ArtifactRefused(name, _explain(error)) from None


def _explain(error: ValidationError) -> str:
    found = [f"{'.'.join(map(str, e['loc'])) or 'whole'}: {e['msg']}" for e in error.errors()[:5]]
    return "; ".join(found)
