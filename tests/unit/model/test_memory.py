"""The estimate is an upper bound that is not far off, and a run beyond it is refused with numbers.

The peak is read from /proc: ru_maxrss of a child begins with what its parent had taken.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from recsys_tasks.config.settings import EvaluateSettings, TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.memory import estimate_memory

MEASURE = """
import re
from pathlib import Path
import numpy as np
from recsys_tasks.data.tables import MovieTable, RatingTable
from recsys_tasks.matrices.interactions import *
from recsys_tasks.matrices.split import split
from recsys_tasks.evaluation.evaluate import evaluate_all, validator
from recsys_tasks.model.fit import fit
from recsys_tasks.model.representations import with_biases
from recsys_tasks.config.settings import *

generator = np.random.default_rng(0)
cells = np.unique(generator.integers(0, 9000, 300_000) * 4000 + generator.integers(0, 4000, 300_000))
stars = generator.integers(1, 6, len(cells)).astype(np.float32)
ratings = RatingTable(cells // 4000, cells % 4000, stars, np.zeros(len(cells), dtype=np.int64))
movies = MovieTable(np.arange(4000), ("",) * 4000, (("Drama",),) * 4000)
settings = Settings.load("nightly", overrides={"train.epochs": 1, "evaluate.ease_megabytes": 0})
users, items = build_id_maps(ratings, movies)
interactions = build_interactions(ratings, users, items, settings.positives)
seen, features = build_seen(ratings, users, items), build_item_features(movies).matrix
parts = split(interactions, settings.split, users, items)
validate = validator(parts, features, seen, settings.evaluate)
model = fit(parts.train, features, settings.train, validate).model
evaluate_all(with_biases(model, features), parts, seen, settings.evaluate)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
print(len(users), len(items), features.shape[1], len(interactions), len(ratings), peak)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="NOT TESTED: needs Linux's /proc"
)
def test_the_estimate_is_above_what_a_run_takes_and_below_twice_that():
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True
    )
    n_users, n_items, n_features, n_interactions, n_ratings, peak = map(
        int, measured.stdout.split()
    )
    estimate = estimate_memory(
        (n_users, n_items),
        n_features,
        n_interactions,
        n_ratings,
        TrainSettings(),
        EvaluateSettings(ease_megabytes=0),
    )
    assert peak < estimate.total < 2 * peak


def test_a_run_that_cannot_fit_is_refused_with_the_numbers():
    huge = estimate_memory(
        (10**6, 10**6), 10**6, 10**8, 10**9, TrainSettings(components=1024), EvaluateSettings()
    )
    huge.refuse_beyond(huge.total)
    with pytest.raises(TrainingRefused, match=r"about [\d,]+ MB and 8,000 MB are free.*components"):
        huge.refuse_beyond(8_000_000_000)
