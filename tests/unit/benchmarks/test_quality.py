"""``python -m benchmarks quality`` measures every engine and baseline on any folder of ratings."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.prepared import read
from benchmarks.quality_tables import document, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 users who like either the odd or the even of 40 movies, a movie of no known id, one rated twice."""
    home, generator = tmp_path_factory.mktemp("folder"), np.random.default_rng(1)
    movies = [f"{i},Movie {i} (2000),{'Drama' if i % 2 else 'Comedy|Drama'}" for i in range(1, 41)]
    (home / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies]) + "\n")
    rows = ["userId,movieId,rating,timestamp", "1,999,5.0,1000000000"]
    for user in range(1, 121):
        for movie in generator.choice(np.arange(1, 41), 20, replace=False):
            stars = 5.0 if movie % 2 == user % 2 else 2.5
            rows.append(f"{user},{movie},{stars},{1_000_000_000 + int(generator.integers(10**7))}")
    rows += ["7,3,0.5,1100000000", "7,3,4.5,1200000000"]
    (home / "ratings.csv").write_text("\n".join(rows) + "\n")
    return home


def test_a_folder_is_read_by_the_rules_of_ingest(folder: Path) -> None:
    tables = read(folder)
    assert len(tables.movies) == 40
    assert 999 not in tables.ratings.movie_id
    pairs = tables.ratings.user_id * 1000 + tables.ratings.movie_id
    assert (np.diff(pairs) > 0).all()
    assert tables.ratings.rating[pairs == 7003].tolist() == [4.5]


def test_every_engine_and_baseline_has_a_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quality", str(folder), "--seeds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["folders"][str(folder)]
    engines = {"nightly WARP", "blend", *(f"ridge-svd {width}" for width in (64, 128, 192, 256))}
    baselines = {"the popular list", "the recently popular list", "random order", "iALS", "EASE"}
    assert engines | baselines <= set(found)
    assert found["EASE"]["ndcg_at_10"]["mean"] > found["random order"]["ndcg_at_10"]["mean"]
    assert "minus_ease" not in found["EASE"]["ndcg_at_10"]


def test_differences_to_ease_are_paired_by_seed() -> None:
    found = {
        "EASE": [{"ndcg_at_10": value, "precision_at_5": 0.1} for value in (0.2, 0.4)],
        "blend": [{"ndcg_at_10": value, "precision_at_5": 0.1} for value in (0.21, 0.41)],
    }
    gap = document(found)["blend"]["ndcg_at_10"]["minus_ease"]
    assert gap["mean"] == pytest.approx(0.01)
    assert gap["half_width"] == pytest.approx(0, abs=1e-9)
    assert table(found)[-1].startswith("| blend | 0.310 ± 1.271 | +0.010 ± 0.000 |")


def test_a_folder_without_ratings_is_refused_before_anything_is_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n")
    assert main(["quality", str(tmp_path)]) == 2
    assert "has no ratings.csv" in capsys.readouterr().err
