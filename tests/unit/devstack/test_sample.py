"""The sample is GroupLens' own files, byte for byte where that can be known."""

import csv
import hashlib

import pytest

from recsys_tasks.devstack.sample import make_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp("sample"))


def test_ratings_have_the_published_md5(sample):
    _, ratings = sample
    md5 = hashlib.md5(ratings.read_bytes(), usedforsecurity=False).hexdigest()
    assert md5 == "8864480f98416ccecaf17aa5263bbea1"


def test_every_rated_movie_has_its_title_and_genres(sample):
    with sample[0].open(encoding="utf-8", newline="") as lines:
        movies = {int(row["movieId"]): row for row in csv.DictReader(lines)}
    assert len(movies) == 9_066
    assert not [m for m in movies.values() if m["title"] in ("", "nan (nan)")]
    assert sum(1 + len(row["genres"].split("|")) for row in movies.values()) == 29_298
    assert movies[108583]["title"] == "Fawlty Towers (1975-1979)"
    assert movies[11]["title"] == "American President, The (1995)"


def test_a_damaged_file_is_made_again(sample):
    movies, ratings = sample
    ratings.write_text("userId,movieId,rating,timestamp\n")
    make_sample(movies.parent)
    assert ratings.stat().st_size == 2_438_266


def test_nothing_but_the_two_files_is_left(sample):
    assert sorted(path.name for path in sample[0].parent.iterdir()) == ["movies.csv", "ratings.csv"]
