"""Items without a vector are measured as they are served: not at all."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from recsys_tasks.artifacts.reader import Artifacts
from recsys_tasks.evaluation.metrics import auc
from recsys_tasks.evaluation.ranking import Parts, rank
from recsys_tasks.model.representations import Embeddings
from recsys_tasks.recommend.recommender import Recommender

K = 10


def test_the_lists_that_are_measured_are_the_answers_and_an_untrained_positive_comes_last(
    artifacts: Artifacts,
) -> None:
    items = artifacts.item_embeddings.copy()
    items[::3, :-2] = items[::3, -1] = 0
    served = replace(artifacts, item_embeddings=items)
    embeddings = Embeddings(artifacts.user_embeddings, items)
    assert embeddings.untrained.tolist() == np.flatnonzero(~served.is_trained).tolist()

    users = np.flatnonzero(artifacts.user_counts > 0)
    seen = sp.csr_matrix(
        (
            np.ones(len(artifacts.seen_indices), np.int8),
            artifacts.seen_indices,
            artifacts.seen_indptr,
        )
    )
    nothing = sp.csr_matrix(seen.shape, dtype=np.int8)
    asked = sp.lil_matrix(seen.shape, dtype=np.int8)
    for user in users:
        asked[user, np.setdiff1d(embeddings.untrained, seen[user].indices)[0]] = 1
    ranking = rank(embeddings, Parts(asked.tocsr(), nothing, nothing, seen), list_length=K)

    recommender = Recommender(served)
    for user, row in zip(users, ranking.lists, strict=True):
        answer = recommender.recommend(int(artifacts.user_ids[user]), K, exact=True)
        shown = [item.movie_id for item in answer.items]
        assert artifacts.item_ids[row[: len(shown)]].tolist() == shown
        assert (row[len(shown) :] == -1).all()
    view = ranking.views["test_served"]
    assert view.values.tolist() == (seen.shape[1] - 1 - np.diff(seen.indptr)[users]).tolist()
    assert (auc(view) == 0).all()
