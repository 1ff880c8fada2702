"""A small but complete version: some users, some movies (or items with text ids), an index, golden queries, a manifest.

Its embeddings are random, with a few users untrained and one without any rating, so that every tier
of an answer has someone to answer. The same seed gives the same version.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.items import Noun
from recsys_tasks.artifacts.manifest import SCHEMA_OF, Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.publish.golden import write_golden
from recsys_tasks.publish.index import build_index
from recsys_tasks.publish.publisher import seal
from recsys_tasks.publish.version_files import Features, Items, Users, write_version
from recsys_tasks.recommend.recommender import Recommender

DATASET = "tiny"
GENRES = ("Comedy", "Drama", "Sci-Fi")


def make_users(rng: np.random.Generator, n_users: int, n_items: int, components: int) -> Users:
    vectors = rng.normal(size=(n_users, components))
    biases = rng.normal(size=n_users)
    counts = rng.integers(1, 20, n_users).astype(np.int32)
    counts[:2] = 0
    lengths = np.minimum(counts + 3, n_items)
    lengths[0] = 0
    rows = [np.sort(rng.choice(n_items, length, replace=False)) for length in lengths]
    return Users(
        ids=np.arange(n_users, dtype=np.int64) * 3 + 5,
        embeddings=np.column_stack([vectors, biases, np.ones(n_users)]).astype(np.float32),
        counts=counts,
        seen_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        seen_indices=np.concatenate(rows).astype(np.int32),
    )


def make_items(rng: np.random.Generator, n_items: int, components: int) -> Items:
    vectors = rng.normal(size=(n_items, components))
    biases = rng.normal(size=n_items)
    counts = rng.integers(0, 50, n_items).astype(np.int32)
    return Items(
        ids=np.arange(n_items, dtype=np.int64) * 7 + 2,
        embeddings=np.column_stack([vectors, np.ones(n_items), biases]).astype(np.float32),
        counts=counts,
        popular=np.argsort(-counts, kind="stable").astype(np.int32),
        titles=[f"Film №{i}, a «tale»" for i in range(n_items)],
        genres=[[GENRES[i % 3]] for i in range(n_items)],
    )


def make_features(rng: np.random.Generator, items: Items, components: int) -> Features:
    names = [f"movie:{movie}" for movie in items.ids] + [f"genre:{genre}" for genre in GENRES]
    return Features(
        names=names,
        embeddings=rng.normal(size=(len(names), components)).astype(np.float32),
        biases=rng.normal(size=len(names)).astype(np.float32),
    )


def text_ids(ids: np.ndarray, prefix: str) -> np.ndarray:
    """The same ids as text that no order of numbers has: the number backwards, behind a word."""
    return np.array([f"{prefix} é-{str(one)[::-1]}.{one}".encode() for one in ids.tolist()])


def write_files(
    folder: Path, seed: int = 7, n_users: int = 40, n_items: int = 300, noun: Noun = "movie"
) -> None:
    """Every file of a version but the index, the golden queries and the manifest."""
    rng = np.random.default_rng(seed)
    items = make_items(rng, n_items, 8)
    users, features = make_users(rng, n_users, n_items, 8), make_features(rng, items, 8)
    if noun == "item":
        users = replace(users, ids=text_ids(users.ids, "user"))
        items = replace(items, ids=text_ids(items.ids, "SKU"), noun=noun)
    write_version(folder, users, items, features)


def make_version(
    folder: Path,
    version: str = "20261124T030000Z-00000001",
    seed: int = 7,
    accepted: bool = True,
    n_users: int = 40,
    n_items: int = 300,
    noun: Noun = "movie",
) -> Manifest:
    """A whole version in a folder, ready to publish."""
    folder.mkdir(parents=True, exist_ok=True)
    write_files(folder, seed, n_users, n_items, noun)
    items = np.load(folder / "item_embeddings.npy")
    users = np.load(folder / "user_embeddings.npy")
    facts = build_index(folder / "items.ann", items, users, trees=10, seed=3).facts
    write_golden(folder, facts)
    said = sections(version, facts.model_dump(), accepted, n_users, n_items)
    return seal(folder, said | {"schema_version": SCHEMA_OF[noun]})


def put_shell(store: ObjectStore, sealed: Manifest, version: str, rival: str | None = None) -> None:
    """As much of a version as moving a pointer and cleaning up look at: one file and a manifest.

    Args:
        rival: the champion that the version was compared with.
    """
    metrics = {**sealed.metrics, "champion": {"version": rival}}
    manifest = sealed.model_copy(update={"version": version, "metrics": metrics})
    store.put(keys.version(DATASET, version) + "seen.npz", b"a shell")
    store.put(keys.manifest(DATASET, version), manifest.to_bytes())


def unchecked(*_: object) -> None:
    """In the place of a version's verification, where only the pointer is of interest."""


def load_and_ask(access: StoreAccess, cache: Path, user_id: int) -> list[int]:
    """What another process does; here, because such a process can import this module."""
    recommender = Recommender.load(ObjectStore(access), DATASET, cache=cache)
    return [item.movie_id for item in recommender.recommend(user_id).items]


def sections(
    version: str, index: dict, accepted: bool, n_users: int, n_items: int
) -> dict[str, object]:
    return {
        "dataset": DATASET,
        "version": version,
        "run": {"dag_id": "test", "run_id": version, "run_after": "2026-11-24T03:00:00Z"},
        "code": {"revision": "unknown"},
        "libraries": {"numpy": np.__version__},
        "model": {"loss": "warp", "components": 8, "epochs": 3, "seed": 1, "threads": 1},
        "index": index,
        "split": {"method": "random", "test_fraction": 0.2, "seed": 42},
        "metrics": {"test_served": {"precision_at_5": 0.1 if accepted else 0.01}},
        "gate": {
            "accepted": accepted,
            "rules": [
                {
                    "name": "min_precision",
                    "value": 0.1 if accepted else 0.01,
                    "bound": 0.05,
                    "passed": accepted,
                }
            ],
        },
        "data": {
            "users": n_users,
            "items": n_items,
            "ratings": 900,
            "positives": 300,
            "features": {"rows": n_items, "columns": n_items + 3, "elements": n_items * 2},
            "files": [],
            "as_of": "2026-11-24T03:00:00Z",
        },
    }
