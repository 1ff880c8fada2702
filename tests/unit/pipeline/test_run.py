"""A run's version comes from its names alone; its files come back as they went in."""

import os
import signal
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_tasks.config.interruption import held, interruptible
from recsys_tasks.errors import ArtifactRefused, NotFound, SettingsError
from recsys_tasks.pipeline import run
from recsys_tasks.pipeline.run import Checkpoint, Run, RunFiles, checked_version
from recsys_tasks.pipeline.run_files import MOVIES

RUN = Run("movielens", "recsys_train", "manual__1", datetime(2026, 11, 24, 3, tzinfo=UTC))


class Shelf:
    """A store in a dict."""

    def __init__(self):
        self.objects = {}

    def get(self, key):
        if key not in self.objects:
            raise NotFound(key)
        return self.objects[key]

    def put(self, key, data):
        self.objects[key] = data
        return key

    def upload_file(self, path, key):
        return self.put(key, path.read_bytes())

    def download_file(self, key, path):
        path.write_bytes(self.get(key))

    def exists(self, key):
        return key in self.objects


def test_the_same_run_has_the_same_version_in_any_time_zone():
    cet = timezone(timedelta(hours=1))
    same = Run("movielens", "recsys_train", "manual__1", RUN.run_after.astimezone(cet))
    assert same.version == RUN.version == checked_version(RUN.version)


def test_another_run_at_the_same_moment_has_another_version():
    other = Run("movielens", "recsys_train", "manual__2", RUN.run_after)
    assert other.version != RUN.version


@pytest.mark.parametrize("version", ["", "../x", "20261124T030000Z-1a2b3c4", "latest"])
def test_what_is_not_a_version_is_refused(version):
    with pytest.raises(SettingsError):
        checked_version(version)


def test_arrays_come_back_equal_and_the_same_arrays_give_the_same_bytes():
    files = RunFiles(Shelf(), RUN)
    arrays = {"row": np.arange(3, dtype=np.int32), "weight": np.ones(3, np.float32)}
    key = files.put_arrays("train.npz", arrays)
    first = files.store.get(key)
    files.put_arrays("train.npz", arrays)
    again = files.get_arrays("train.npz")
    assert key == f"movielens/runs/{RUN.version}/train.npz"
    assert files.store.get(key) == first
    assert all(np.array_equal(again[name], array) for name, array in arrays.items())


def test_a_pickled_object_is_neither_written_nor_read():
    files = RunFiles(Shelf(), RUN)
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        files.put_arrays("bad.npz", {"x": np.array([object()])})


def test_a_damaged_file_is_refused_by_name():
    files = RunFiles(Shelf(), RUN)
    files.put_bytes("train.npz", b"PK\x03\x04 cut short")
    with pytest.raises(ArtifactRefused, match=r"train\.npz"):
        files.get_arrays("train.npz")


def test_mapped_arrays_outlive_the_file_and_cannot_be_written_to():
    files, arrays = RunFiles(Shelf(), RUN), {"indices": np.arange(5, dtype=np.int32)}
    files.put_arrays("seen.npz", arrays)
    mapped = files.map_arrays("seen.npz", {"indices": "<i4"})["indices"]
    assert mapped.tolist() == [0, 1, 2, 3, 4]
    assert not mapped.flags.writeable
    with pytest.raises(ArtifactRefused, match="expected <i8"):
        files.map_arrays("seen.npz", {"indices": "<i8"})


def kept(seconds=0.0):
    """A checkpoint's place and the bytes that a fit left there."""
    files = RunFiles(Shelf(), RUN)
    place = Checkpoint(files, "checkpoint.npz", seconds)
    place.save(1, {"history": np.zeros((2, 3)), "fingerprint": np.array("abc")})
    return place, files


@given(st.data())
def test_a_checkpoint_damaged_at_any_byte_is_as_good_as_none(data):
    place, files = kept()
    whole = bytearray(files.get_bytes("checkpoint.npz"))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    files.put_bytes("checkpoint.npz", bytes(whole))
    found = place.load()  # a flipped byte may be one that nothing reads, such as a file's time
    assert found is None or np.array_equal(found.get("history", np.zeros((2, 3))), np.zeros((2, 3)))


def test_a_checkpoint_that_is_too_early_is_written_all_the_same_when_the_fit_is_to_stop():
    def stop_and_save(place):
        with interruptible(), held():
            os.kill(os.getpid(), signal.SIGTERM)
            place.save(1, {"history": np.zeros((2, 3))})

    place, _ = kept(seconds=3600)
    assert place.load() is None
    with pytest.raises(KeyboardInterrupt):
        stop_and_save(place)
    assert set(place.load()) == {"history"}


def test_a_whole_checkpoint_comes_back():
    place, _ = kept()
    assert set(place.load()) == {"history", "fingerprint"}


def test_titles_of_two_million_movies_are_read_as_they_were_written():
    files, titles = (
        RunFiles(Shelf(), RUN),
        ["A movie with a title of some length (1995)"] * 2_000_000,
    )
    MOVIES.write(files, {"titles": titles, "genres": []})
    assert MOVIES.read(files)["titles"] == titles


def test_a_file_that_could_not_be_read_back_is_never_written(monkeypatch):
    monkeypatch.setattr(run, "MAX_JSON_BYTES", 20)
    files = RunFiles(Shelf(), RUN)
    with pytest.raises(ArtifactRefused, match="more than 20"):
        files.put_json("movies.json", {"titles": ["x" * 20]})
    assert not files.has("movies.json")
