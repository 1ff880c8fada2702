"""The files that the steps of a run hand to each other, each declared once: its name, its step, its type.

``METRICS.write(files, value)`` and ``METRICS.read(files)``: a misspelt name is an error of types.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.errors import NotFound
from recsys_tasks.matrices.ids import IdMaps
from recsys_tasks.matrices.interactions import ItemFeatures
from recsys_tasks.model.parameters import Model
from recsys_tasks.pipeline.run import Array, RunFiles

T = TypeVar("T")
Arrays = dict[str, Array]
Document = dict[str, Any]


@dataclass(frozen=True)
class RunFile(Generic[T]):
    """One file of a run.

    Args:
        name: below the run's prefix.
        step: that writes it.
        save: writes a value under a name and returns its key.
        load: reads the value under a name.
    """

    name: str
    step: str
    save: Callable[[RunFiles, str, T], str]
    load: Callable[[RunFiles, str], T]

    def write(self, files: RunFiles, value: T) -> str:
        """Writes the value and returns its key; the same value gives the same bytes."""
        return self.save(files, self.name, value)

    def read(self, files: RunFiles) -> T:
        """The value that the step left.

        Raises:
            NotFound: the step has not run.
            ArtifactRefused: the file is damaged.
        """
        return self.load(files, self.name)

    def read_if_there(self, files: RunFiles) -> T | None:
        """The value that the step left; None: it left none."""
        try:
            return self.read(files)
        except NotFound:
            return None

    def is_there(self, files: RunFiles) -> bool:
        """Whether the step, in this or an earlier try, left it."""
        return files.has(self.name)


class _Stored(Protocol):
    def to_arrays(self) -> Mapping[str, Array]: ...

    @classmethod
    def from_arrays(cls, arrays: Any) -> Self: ...


S = TypeVar("S", bound=_Stored)


def _document(name: str, step: str) -> RunFile[Document]:
    return RunFile(name, step, RunFiles.put_json, RunFiles.get_json)


def _list(name: str, step: str) -> RunFile[list[Any]]:
    return RunFile(name, step, RunFiles.put_json, RunFiles.get_json)


def _arrays(name: str, step: str) -> RunFile[Arrays]:
    return RunFile(name, step, RunFiles.put_arrays, RunFiles.get_arrays)


def _stored(name: str, step: str, kind: type[S]) -> RunFile[S]:
    """Arrays that a type of the core makes of itself and reads back."""

    def save(files: RunFiles, name: str, value: S) -> str:
        return files.put_arrays(name, value.to_arrays())

    def load(files: RunFiles, name: str) -> S:
        return kind.from_arrays(files.get_arrays(name))

    return RunFile(name, step, save, load)


def _bytes(name: str, step: str) -> RunFile[bytes]:
    return RunFile(name, step, RunFiles.put_bytes, RunFiles.get_bytes)


# The pipeline's hand-overs, in the order of the steps.
INGEST = _document("ingest.json", "ingest")
IDS = _stored("ids.npz", "fit_dataset", IdMaps)
PARTS = _list("parts.json", "fit_dataset")
"""``PartFacts`` of each part; the parts themselves: ``run_parts``."""

FEATURES = _stored("features.npz", "fit_dataset", ItemFeatures)
MOVIES = _document("movies.json", "fit_dataset")
DATA = _document("data.json", "fit_dataset")
CHECKS = _list("checks.json", "fit_dataset")
SPLIT = _document("split.json", "split")
"""Positives of each part of the split; where each interaction belongs: ``run_parts``."""

PARAMETERS = _stored("model.npz", "train", Model)
PARAMETERS_BEFORE_REFIT = _stored("model_before_refit.npz", "train", Model)
"""The model before the validation part was trained on, for the next warm start."""

FOLD_IN = _stored("fold_in.npz", "train", HistoryMap)
TRAINING = _document("training.json", "train")
CHAMPION = _document("champion.json", "train")
METRICS = _document("metrics.json", "evaluate")
EMBEDDING_FACTS = _document("embedding_facts.json", "evaluate")
PER_USER = _arrays("per_user.npz", "evaluate")
EXAMPLES = _document("examples.json", "evaluate")
GATE = _document("gate.json", "gate")
FINALISED = _stored("finalised_model.npz", "finalise", Model)
FINALISED_FOLD_IN = _stored("finalised_fold_in.npz", "finalise", HistoryMap)
FINALISED_FACTS = _document("finalised.json", "finalise")
INDEX = _document("index.json", "build_index")
INDEX_SECONDS = _list("index_seconds.json", "build_index")
INDEX_FOUND = _document("index_found.json", "build_index")
TRIALS = _list("trials.json", "tune")
TUNED = _bytes("tuned.toml", "train")
REPORT = _bytes("report.html", "report")
OUTCOME = _document("outcome.json", "report")
