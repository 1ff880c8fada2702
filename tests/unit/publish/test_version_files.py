"""Files are functions of their content, and nonsense is not written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_version import make_features, make_items, make_users

from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.evaluation.baselines import popular_order
from recsys_tasks.matrices.interactions import Interactions
from recsys_tasks.publish.version_files import Features, Items, Users, popular_list, write_version

RNG = np.random.default_rng(1)
ITEMS = make_items(RNG, 30, 4)
USERS = make_users(RNG, 12, 30, 4)
FEATURES = make_features(RNG, ITEMS, 4)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_version(tmp_path / name, USERS, ITEMS, FEATURES)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 9
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_every_array_opens_without_pickle_in_the_promised_dtype(tmp_path: Path) -> None:
    write_version(tmp_path, USERS, ITEMS, FEATURES)
    promised = {
        "user_embeddings.npy": "float32",
        "item_embeddings.npy": "float32",
        "user_ids.npy": "int64",
        "item_ids.npy": "int64",
        "user_counts.npy": "int32",
    }
    for name, dtype in promised.items():
        assert np.load(tmp_path / name, allow_pickle=False).dtype == dtype
    with np.load(tmp_path / "features.npz", allow_pickle=False) as features:
        assert features["names"].tolist() == list(FEATURES.names)


def test_the_popular_list_is_published_in_the_order_that_is_measured() -> None:
    """Films of equal positives: more of the weaker ones first, then the lower id."""
    col = np.array([0, 1, 2, 2, 3, 3], dtype=np.int32)
    positive = np.array([True, True, True, False, False, False])
    zeros = np.zeros(6, dtype=np.int32)
    trained_on = Interactions((1, 4), zeros, col, np.ones(6, np.float32), positive, zeros)
    items = replace(ITEMS, popular=popular_order(trained_on))
    listed = [entry["movie_id"] for entry in popular_list(items)]
    assert listed == [int(items.ids[row]) for row in (2, 0, 1, 3)]


def test_liked_items_are_written_where_they_are_known(tmp_path: Path) -> None:
    n_users = len(USERS.ids)
    weights = np.array([1, 0.5], np.float32)
    liked = Liked(np.array([0, 2] + [2] * (n_users - 1)), np.array([3, 5], np.int32), weights)
    write_version(tmp_path, replace(USERS, liked=liked), ITEMS, FEATURES)
    with np.load(tmp_path / "liked.npz", allow_pickle=False) as found:
        dtypes = {name: found[name].dtype for name in found}
        assert dtypes == {"indptr": "i8", "indices": "i4", "weights": "f4"}
        assert found["indices"].tolist() == [3, 5]
        assert found["weights"].tolist() == [1, 0.5]


def bent(users: Users, items: Items, features: Features, how: str) -> tuple[Users, Items, Features]:
    nan = np.full_like(items.embeddings, np.nan)
    return {
        "nan items": (users, replace(items, embeddings=nan), features),
        "inf users": (replace(users, embeddings=users.embeddings * np.inf), items, features),
        "nan features": (users, items, replace(features, biases=features.biases * np.nan)),
        "unsorted ids": (replace(users, ids=users.ids[::-1]), items, features),
        "ids twice": (users, replace(items, ids=items.ids * 0), features),
        "short counts": (replace(users, counts=users.counts[1:]), items, features),
        "other width": (users, replace(items, embeddings=items.embeddings[:, 1:]), features),
    }[how]


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("nan items", "item_embeddings.npy"),
        ("inf users", "user_embeddings.npy"),
        ("nan features", "features.npz"),
        ("unsorted ids", "user_ids.npy"),
        ("ids twice", "item_ids.npy"),
        ("short counts", "user_counts.npy"),
        ("other width", "item_embeddings.npy"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_nonsense_is_refused_before_a_file_is_written(tmp_path: Path, how: str, name: str) -> None:
    with pytest.raises(ArtifactRefused) as refused:
        write_version(tmp_path, *bent(USERS, ITEMS, FEATURES, how))
    assert refused.value.name == name
    assert list(tmp_path.iterdir()) == []
