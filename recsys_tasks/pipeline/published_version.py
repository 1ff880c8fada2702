"""Reads a published version for the current run: for the comparison and for a warm start."""

import logging
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys_tasks.artifacts import judged as judged_file
from recsys_tasks.artifacts.arrays import IDS as ID_TYPE
from recsys_tasks.artifacts.arrays import read_npy, read_npz
from recsys_tasks.artifacts.histories import HISTORIES, SEEN_ARRAYS, read_histories
from recsys_tasks.artifacts.history_map import HistoryMap
from recsys_tasks.artifacts.ids import IdLookup, Ids
from recsys_tasks.artifacts.items import read_popular
from recsys_tasks.artifacts.judged import Judged, read_judged
from recsys_tasks.artifacts.liked import Liked
from recsys_tasks.artifacts.manifest import Manifest
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.reader import fetch
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.evaluation.paired import ScoredVersion
from recsys_tasks.evaluation.served import Audience, in_order
from recsys_tasks.matrices.ids import IdMap, IdMaps
from recsys_tasks.matrices.interactions import Arrays, Csr
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import Embeddings
from recsys_tasks.model.warm_start import NamedModel
from recsys_tasks.pipeline.run import Run, RunFiles
from recsys_tasks.pipeline.run_files import PARAMETERS, PARAMETERS_BEFORE_REFIT, SPLIT
from recsys_tasks.pipeline.run_parts import open_split

log = logging.getLogger(__name__)

ROWS = {
    "user_ids.npy": ID_TYPE,
    "item_ids.npy": ID_TYPE,
    "user_embeddings.npy": "<f4",
    "item_embeddings.npy": "<f4",
}
COUNTS = {"user_counts.npy": "<i4"}
IDS = {"user_ids.npy": ID_TYPE}
ROW_IDS = IDS | {"item_ids.npy": ID_TYPE}
FEATURES = {"names": "U", "embeddings": "<f4", "biases": "<f4"}


@dataclass(frozen=True)
class PublishedVersion:
    """A published version, and what its run left behind as long as that has not expired.

    Of a finalised version it reads the judged model: the published one was trained on what the next run tests.

    Args:
        store: the bucket.
        manifest: of the version.
    """

    store: ObjectStore
    manifest: Manifest

    @classmethod
    def of(cls, store: ObjectStore, dataset: str, version: str) -> "PublishedVersion":
        """The version, by its manifest.

        Raises:
            NotFound: there is no such version.
            ArtifactRefused: its manifest is not acceptable, of another schema for instance.
        """
        return cls(store, read_manifest(store, dataset, version))

    @property
    def warm_starts(self) -> int:
        """How many warm starts in a row led to this version since the last full training."""
        return int(self.manifest.model.model_dump().get("warm_starts", 0))

    def ids(self) -> IdMaps:
        """The external ids of its users and items.

        Raises:
            ArtifactRefused: a file is missing or not what the manifest says.
        """
        rows = self._published(ROW_IDS)
        return IdMaps(IdMap(rows["user_ids.npy"]), IdMap(rows["item_ids.npy"]))

    def contender(self) -> ScoredVersion:
        """The version, as it was judged, as something that scores.

        Raises:
            ArtifactRefused: a file is missing or not what the manifest says.
        """
        if (judged := self._judged()) is not None:
            return self._scored(judged)
        rows = self._published(ROWS | COUNTS)
        users, items = rows["user_embeddings.npy"], rows["item_embeddings.npy"]
        liked, history_map = self._histories((len(users), len(items)), users.shape[1] - 2)
        audience = Audience(
            rows["user_counts.npy"],
            liked,
            in_order(self._popular(rows["item_ids.npy"]), len(rows["item_ids.npy"])),
        )
        served = audience.served(Embeddings(users, items), history_map)
        return ScoredVersion(IdMap(rows["user_ids.npy"]), IdMap(rows["item_ids.npy"]), served)

    def trained(self) -> Csr:
        """What the version, as it was judged, may have been trained on, in its rows.

        Exactly, while its run's files are there or where the version keeps it; everything that its users
        had rated, else.
        """
        files = self._run_files()
        if SPLIT.is_there(files):
            with open_split(files) as parts:
                return parts.whole().train_and_validation().csr()
        judged = self._judged()
        if judged is not None and self.manifest.model.model_dump().get("refit"):
            kept = np.ones_like(judged.liked.weights), judged.liked.indices, judged.liked.indptr
            return sp.csr_matrix(kept, shape=(len(judged.users), len(judged.items)))
        seen = self._archive("seen.npz", SEEN_ARRAYS)
        n_users, n_items = (
            len(self._published(ROWS)[name]) for name in ("user_ids.npy", "item_ids.npy")
        )
        ones = np.ones(len(seen["indices"]), dtype=np.int8)
        return sp.csr_matrix((ones, seen["indices"], seen["indptr"]), shape=(n_users, n_items))

    def named_model(self) -> NamedModel:
        """The version's parameters by id, with Adagrad's state while its run's files are there.

        Raises:
            ArtifactRefused: a file is missing or not what the manifest says, or the model is of an
                engine whose vectors are no start for WARP.
        """
        self._refuse_without_state()
        rows, features = self._published(ROWS), self._archive("features.npz", FEATURES)
        files = self._run_files()
        if PARAMETERS.is_there(files):
            model = PARAMETERS.read(files)
        else:
            log.info("the champion's run has expired: going on without its Adagrad state")
            model = self._without_state(rows["user_embeddings.npy"], features)
        return NamedModel(model, IdMap(rows["user_ids.npy"]), tuple(features["names"].tolist()))

    def model_before_refit(self) -> NamedModel:
        """The version's parameters as they were before its validation part was trained on, by id.

        Raises:
            ArtifactRefused: as ``named_model``, or the version's run has not kept them.
        """
        facts = self.manifest.model.model_dump()
        validated = self.manifest.split.model_dump().get("validation_fraction", 0) > 0
        if not (validated and facts.get("refit")):
            return self.named_model()
        self._refuse_without_state()
        files = self._run_files()
        if not PARAMETERS_BEFORE_REFIT.is_there(files):
            raise ArtifactRefused(
                PARAMETERS_BEFORE_REFIT.name,
                "the champion's run did not keep it, or has expired; its published model was "
                "trained on what this run validates",
            )
        model = PARAMETERS_BEFORE_REFIT.read(files)
        rows, features = self._published(IDS), self._archive("features.npz", FEATURES)
        return NamedModel(model, IdMap(rows["user_ids.npy"]), tuple(features["names"].tolist()))

    def _refuse_without_state(self) -> None:
        engine = self.manifest.model.model_dump().get("engine")
        if engine in ("spark-als", "ridge-svd"):
            raise ArtifactRefused("model.npz", f"made by {engine}, no start for another engine")

    def _judged(self) -> Judged | None:
        """The judged model of a finalised version; None of others: what they published was judged.

        Raises:
            ArtifactRefused: it is not what the manifest says, or the manifest names none although it should.
        """
        if self.manifest.model.model_dump().get("metrics_of") != "judged":
            return None
        if judged_file.NAME not in self.manifest.files:
            raise ArtifactRefused(judged_file.NAME, "missing in a finalised version")
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            paths = fetch(self.store, self.manifest, Path(home), (judged_file.NAME,))
            return read_judged(paths[judged_file.NAME])

    def _scored(self, judged: Judged) -> ScoredVersion:
        ids = self._published(ROW_IDS)
        popular = in_order(judged.popular, len(judged.items))
        audience = Audience(judged.counts, judged.liked, popular)
        served = audience.served(Embeddings(judged.users, judged.items), judged.history_map)
        return ScoredVersion(IdMap(ids["user_ids.npy"]), IdMap(ids["item_ids.npy"]), served)

    def _without_state(self, users: NDArray[np.float32], features: Arrays) -> Model:
        """The judged model's vectors, Adagrad's sums as at the beginning."""
        judged = self._judged()
        if judged is None:
            return _without_state(users, features["embeddings"], features["biases"])
        return _without_state(judged.users, judged.feature_embeddings, judged.feature_biases)

    def _run_files(self) -> RunFiles:
        run = self.manifest.run
        moment = datetime.fromisoformat(run.run_after)
        return RunFiles(self.store, Run(self.manifest.dataset, run.dag_id, run.run_id, moment))

    def _published(self, dtypes: dict[str, str]) -> Arrays:
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            paths = fetch(self.store, self.manifest, Path(home), tuple(dtypes))
            return {name: np.array(read_npy(paths[name], name, dtypes[name])) for name in dtypes}

    def _popular(self, item_ids: Ids) -> NDArray[np.int64]:
        """Rows of the popular list, most popular first."""
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            path = fetch(self.store, self.manifest, Path(home), ("popular.json",))["popular.json"]
            return read_popular(path, IdLookup(item_ids))

    def _histories(
        self, shape: tuple[int, int], components: int
    ) -> tuple[Liked, HistoryMap | None]:
        """What its users like, and what makes vectors of it."""
        names = ("seen.npz", *(name for name in HISTORIES if name in self.manifest.files))
        with tempfile.TemporaryDirectory(
            prefix="recsys-"
        ) as home:  # a mapping outlives its file's name
            return read_histories(
                fetch(self.store, self.manifest, Path(home), names), shape, components
            )

    def _archive(self, name: str, dtypes: dict[str, str]) -> Arrays:
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            path = fetch(self.store, self.manifest, Path(home), (name,))[name]
            return {key: np.array(array) for key, array in read_npz(path, name, dtypes).items()}


def _without_state(
    users: NDArray[np.float32], features: NDArray[np.float32], feature_biases: NDArray[np.float32]
) -> Model:
    """A model from vectors alone, Adagrad's sums as at the beginning."""
    vectors, biases = users[:, :-2].copy(), users[:, -2].copy()
    return Model(
        user_embeddings=vectors,
        user_biases=biases,
        feature_embeddings=np.array(features),
        feature_biases=np.array(feature_biases),
        user_embedding_gradients=np.ones_like(vectors),
        user_bias_gradients=np.ones_like(biases),
        feature_embedding_gradients=np.ones_like(features),
        feature_bias_gradients=np.ones_like(feature_biases),
    )
