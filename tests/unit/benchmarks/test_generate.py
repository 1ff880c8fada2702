"""The synthetic set has MovieLens 25M's published shape, and something to learn from."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.__main__ import main
from benchmarks.generate import generate
from benchmarks.synthetic import published
from benchmarks.synthetic.activity import ratings_of_movies, ratings_of_users
from benchmarks.synthetic.check import Fact, check
from recsys_tasks.errors import SettingsError

SMALL = 0.01


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    generate(SMALL, 7, out)
    return out


@pytest.fixture(scope="module")
def facts(folder: Path) -> tuple[Fact, ...]:
    return check(folder)


@pytest.mark.parametrize(
    ("about", "number"),
    [
        ("ratings", 1),
        ("repeated pairs of user and movie", 1),
        ("ratings of a user, ", 5),
        ("ratings of ", 15),
        ("users with a 5.0", 1),
        ("share of 5.0 of a user", 2),
        ("deviation", 3),
        ("first rating", 1),
        ("last rating", 1),
        ("half stars before 2003-02-18", 1),
        ("movies in the catalogue", 1),
        ("largest movie id", 1),
        ("movies with ", 9),
        ("movies of ", 20),
    ],
)
def test_a_small_cut_keeps_the_published_fact(
    facts: tuple[Fact, ...], about: str, number: int
) -> None:
    exact = [fact for fact in facts if fact.name == about]
    found = exact or [fact for fact in facts if fact.name.startswith(about)]
    assert len(found) == number
    assert [str(fact) for fact in found if not fact.holds] == []


def test_the_full_curves_sum_to_the_published_total_and_pass_through_its_quantiles() -> None:
    for counts, quantiles in (
        (ratings_of_users(published.USERS), published.RATINGS_OF_A_USER),
        (ratings_of_movies(), published.RATINGS_OF_A_MOVIE),
    ):
        assert counts.sum() == published.RATINGS
        assert np.quantile(counts, published.QUANTILES) == pytest.approx(quantiles, rel=0.01)


def test_the_popularity_curve_has_the_published_head() -> None:
    shares = np.cumsum(ratings_of_movies()) / published.RATINGS
    assert shares[999] == pytest.approx(published.TOP_1000_SHARE, abs=0.01)
    assert shares[3999] == pytest.approx(published.TOP_4000_SHARE, abs=0.01)


def test_a_cut_draws_movies_with_the_head_shares_of_the_whole(folder: Path) -> None:
    movie = np.loadtxt(folder / "ratings.csv", np.int64, delimiter=",", skiprows=1, usecols=1)
    shares = np.cumsum(np.sort(np.bincount(movie))[::-1]) / movie.size
    assert shares[999] == pytest.approx(published.TOP_1000_SHARE, abs=0.02)
    assert shares[3999] == pytest.approx(published.TOP_4000_SHARE, abs=0.02)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for out, seed in ((one, 1), (same, 1), (other, 2)):
        generate(0.0005, seed, out)
    for name in ("movies.csv", "ratings.csv", "README.txt"):
        assert (one / name).read_bytes() == (same / name).read_bytes()
    assert (one / "ratings.csv").read_bytes() != (other / "ratings.csv").read_bytes()


def test_the_readme_says_that_the_set_is_synthetic(folder: Path) -> None:
    assert (folder / "README.txt").read_text(encoding="utf-8").startswith("SYNTHETIC")


def test_no_movie_is_younger_than_its_first_rating(folder: Path) -> None:
    rows = np.loadtxt(folder / "ratings.csv", np.int64, delimiter=",", skiprows=1, usecols=(1, 3))
    year = rows[:, 1].astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    first: dict[int, int] = {}
    for movie, rated in zip(rows[:, 0].tolist(), year.tolist(), strict=True):
        first[movie] = min(rated, first.get(movie, rated))
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as file:
        made = {int(row["movieId"]): int(row["title"][-5:-1]) for row in csv.DictReader(file)}
    assert all(made[movie] <= rated for movie, rated in first.items())


def test_the_check_notices_a_set_that_is_off(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "ratings.csv").read_text(encoding="utf-8").splitlines()
    kept = [lines[0]] + [line for line in lines[1:] if ",4.5," not in line]
    (tmp_path / "ratings.csv").write_text("\n".join(kept), encoding="utf-8")
    (tmp_path / "movies.csv").write_bytes((folder / "movies.csv").read_bytes())
    off = {fact.name for fact in check(tmp_path) if not fact.holds}
    assert {"ratings of 4.5", "ratings"} <= off


def test_the_command_checks_what_it_wrote_and_says_so_in_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ["generate", "--scale", "0.002", "--out", str(tmp_path), "--check", "--json"]
    main(call)
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert {"name", "published", "found", "tolerance", "holds"} <= facts[0].keys()
    off = Fact("largest movie id", 2, 1, 0)
    monkeypatch.setattr("benchmarks.synthetic.check.check", lambda _: (off,))
    assert main(call) == 3


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), 1e9])
def test_a_scale_out_of_bounds_is_refused(scale: float, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--scale"):
        generate(scale, 1, tmp_path)


def test_on_a_cut_of_757_users_warp_beats_the_popular_list_by_the_published_factor(
    tmp_path: Path,
) -> None:
    """Precision@10 of 30 epochs over the popular list's, both with training items left out."""
    from lightfm import LightFM
    from lightfm.cross_validation import random_train_test_split

    generate(757 / published.USERS, 1, tmp_path)
    interactions, features = _matrices(tmp_path)
    train, test = random_train_test_split(interactions, 0.2, np.random.RandomState(42))
    model = LightFM(64, loss="warp", random_state=42)
    model.fit(train, item_features=features, epochs=30)
    bias, vectors = model.get_item_representations(features)
    warp, auc = _masked(model.user_embeddings @ vectors.T + bias, train, test)
    popular, _ = _masked(np.tile(train.sum(axis=0), (train.shape[0], 1)), train, test)
    assert 1.05 <= warp / popular <= 1.6
    assert 0.88 <= auc <= 0.95


def _matrices(folder: Path) -> tuple[sp.coo_matrix, sp.csr_matrix]:
    """5.0 ratings as interactions, identity and genres as row-normalised features."""
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as file:
        movies = [(int(row["movieId"]), row["genres"].split("|")) for row in csv.DictReader(file)]
    ids = np.array([movie for movie, _ in movies])
    user, movie, stars = np.loadtxt(
        folder / "ratings.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2)
    )[:].T
    fives = stars == 5
    rows, cols = user[fives].astype(np.int32) - 1, np.searchsorted(ids, movie[fives])
    shape = (int(user.max()), ids.size)
    interactions = sp.coo_matrix((np.ones(rows.size, np.float32), (rows, cols)), shape)
    genres = np.array(
        [[g in labels for g in published.MOVIES_OF_A_GENRE] for _, labels in movies], np.float32
    )
    features = sp.hstack([sp.identity(ids.size, np.float32), sp.csr_matrix(genres)]).tocsr()
    return interactions, sp.csr_matrix(features.multiply(1 / features.sum(axis=1)), dtype="f4")


def _masked(scores: np.ndarray, train: sp.coo_matrix, test: sp.coo_matrix) -> tuple[float, float]:
    """Precision@10 and AUC, mean over users with a test positive; ties count against."""
    scores = np.array(scores, np.float64)
    scores[train.row, train.col] = -np.inf
    precisions, aucs = [], []
    for user in np.unique(test.row):
        of_user = scores[user]
        positives = of_user[test.col[test.row == user]]
        ranks = np.sort([(of_user >= score).sum() - 1 for score in positives])
        others = np.isfinite(of_user).sum() - ranks.size
        precisions.append((ranks < 10).sum() / 10)
        aucs.append(np.mean(1 - (ranks - np.arange(ranks.size)) / others))
    return float(np.mean(precisions)), float(np.mean(aucs))
