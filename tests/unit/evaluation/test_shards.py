"""Users counted in shards: put together, they are what one pass over everyone gives."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.errors import SettingsError
from recsys_tasks.evaluation.ranking import Counts, Parts, Shard, count
from recsys_tasks.model.representations import Embeddings


@st.composite
def questions(draw: st.DrawFn) -> tuple[Embeddings, Parts]:
    """Any small data, users and items without anything among them."""
    n_users, n_items = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    role = np.array(
        draw(st.lists(st.integers(0, 3), min_size=n_users * n_items, max_size=n_users * n_items))
    ).reshape(n_users, n_items)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    embeddings = Embeddings(
        random.standard_normal((n_users, 2), dtype=np.float32),
        random.standard_normal((n_items, 2), dtype=np.float32),
    )
    test, train, rated = (sp.csr_matrix((role == one).astype(np.int8)) for one in (1, 2, 3))
    return embeddings, Parts(test, train, train, sp.csr_matrix(train + rated))


@given(questions(), st.integers(1, 9), st.integers(1, 4))
def test_shards_joined_are_the_whole_to_the_last_bit(asked, n_shards, block):
    embeddings, parts = asked
    whole = count(embeddings, parts, list_length=3, block=block)
    shards = [count(embeddings, parts, 3, block, 1, Shard(i, n_shards)) for i in range(n_shards)]
    joined = Counts.join(shards)
    for name, values in vars(whole).items():
        np.testing.assert_array_equal(getattr(joined, name), values)


def test_a_shard_that_is_not_there_is_refused():
    for number, of in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(SettingsError, match="there is no shard"):
            Shard(number, of)
