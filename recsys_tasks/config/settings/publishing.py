"""The sections ``index`` and ``publish``: the search over items, and where a version goes."""

from typing import Literal

from pydantic import Field

from recsys_tasks.config.settings.base import Frozen


class IndexSettings(Frozen):
    """The annoy index over the item embeddings. Where it finds too few, exact search serves."""

    metric: Literal["angular", "dot"] = "angular"
    """angular with one more dimension keeps the order of scores; annoy's own dot loses recall."""

    trees: int = Field(default=50, ge=0, le=1000)
    """Trees in the index: more let a query inspect fewer nodes, and take more space and time to build.
    0: the build tries 10, 25, 50, 100 and takes what needs the least search_k."""

    search_k: int = Field(default=0, ge=0)
    """Nodes inspected by a query; 0: chosen at build time for the recall below."""

    min_recall: float = Field(default=0.98, ge=0, le=1)
    """Recall@10 against a scan of all items that the choice of search_k aims at. Where annoy does not
    reach it, or in a large catalogue only by inspecting more than a tenth of it, exact search serves."""

    seed: int = Field(default=42, ge=1, le=2**31 - 1)
    """Seed of the index; with one build thread the same seed gives the same bytes."""


class PublishSettings(Frozen):
    """Where a promoted version goes besides the object store."""

    write_postgres: bool = False
    """Also write the champion's embeddings to user_embeddings and movie_embeddings in Postgres."""

    write_lists: bool = False
    """Also write every user's list of the champion to recommendations in Postgres; about a millisecond
    a user to make them."""

    list_length: int = Field(default=10, ge=1, le=1000)
    """Places of those lists."""

    backfill_promotes: bool = False
    """A backfill's runs are compared with the champion and promote, as other runs do; off: they publish
    only, know nothing of the champion, and wake nobody."""
