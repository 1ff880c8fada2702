"""Every user's recommendations in one file, streamed as they are made."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recsys_tasks.recommend.recommender import Recommender

Progress = Callable[[int, int], None]


def write_jsonl(
    recommender: Recommender, path: Path, k: int = 10, progress: Progress | None = None
) -> int:
    """One line for each user: user_id, tier, movie_ids and scores, best first, seen items left out.

    Args:
        recommender: an open version.
        path: the file, which takes its name only when it is complete.
        k: length of each list.
        progress: called now and then with users done and users in all.

    Returns:
        the number of users.
    """
    total = len(recommender.artifacts.user_ids)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        for done, line in enumerate(_lines(recommender, k), start=1):
            file.write(json.dumps(line, allow_nan=False) + "\n")
            if progress and (done % 10_000 == 0 or done == total):
                progress(done, total)
    partial.replace(path)
    return total


def _lines(recommender: Recommender, k: int) -> Iterator[dict[str, Any]]:
    for user_id in recommender.artifacts.user_ids.tolist():
        answer = recommender.recommend(user_id, k)
        yield {
            "user_id": user_id,
            "tier": answer.tier,
            "movie_ids": [item.movie_id for item in answer.items],
            "scores": [round(item.score, 6) for item in answer.items],
        }
