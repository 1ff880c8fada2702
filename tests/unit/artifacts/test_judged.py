"""``judged.npz``: what was written comes back, and what does not fit together is refused."""

import numpy as np
import pytest

from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.judged import Judged, read_judged
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.publish.version_files import write_judged


def judged():
    rng = np.random.default_rng(1)
    users = rng.standard_normal((3, 6)).astype(np.float32)
    items = rng.standard_normal((5, 6)).astype(np.float32)
    liked = Liked(np.array([0, 1, 1, 3]), np.array([4, 0, 2], np.int32), np.ones(3, np.float32))
    history_map = HistoryMap.learn(users, items, np.ones(3, np.bool_), liked)
    features = rng.standard_normal((7, 4)).astype(np.float32)
    counts, biases = np.array([1, 0, 2], np.int32), np.zeros(7, np.float32)
    popular = np.array([4, 0, 2])
    return Judged(users, items, counts, popular, liked, history_map, features, biases)


def spoilt(folder, **arrays):
    np.savez(folder / "judged.npz", allow_pickle=False, **{**judged().to_arrays(), **arrays})
    return folder / "judged.npz"


def test_what_was_written_is_read(tmp_path):
    write_judged(tmp_path, judged())
    found = read_judged(tmp_path / "judged.npz").to_arrays()
    for name, array in judged().to_arrays().items():
        assert np.array_equal(found[name], array), name


@pytest.mark.parametrize(
    "arrays",
    [
        {"user_counts": np.zeros(2, np.int32)},
        {"popular": np.array([5])},
        {"feature_biases": np.zeros(6, np.float32)},
        {"liked.weights": np.zeros(3, np.float32)},
        {"fold_in.item_scale": np.zeros(4, np.float32)},
        {"item_embeddings": np.zeros((5, 7), np.float32)},
        {"user_embeddings": np.zeros((3, 6))},
    ],
    ids=lambda arrays: next(iter(arrays)),
)
def test_what_does_not_fit_together_is_refused(tmp_path, arrays):
    with pytest.raises(ArtifactRefused, match=r"judged\.npz"):
        read_judged(spoilt(tmp_path, **arrays))
