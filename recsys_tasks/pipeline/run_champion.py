"""Compares the run's candidate with the champion: start of training, metrics, changed lists.

Each has a stated answer where there is no champion, or none that can be read: the run goes on
without it and says so in the log, the metrics and the report.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.config.settings import Settings
from recsys_tasks.errors import ArtifactRefused, NotFound
from recsys_tasks.evaluation.contenders import block_rows
from recsys_tasks.evaluation.paired import PairedEvaluation
from recsys_tasks.evaluation.ranking import WHOLE, Counts, Shard
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import Embeddings
from recsys_tasks.model.warm_start import NamedModel, Start, carry_over, refuse_another_split
from recsys_tasks.pipeline.published_version import PublishedVersion
from recsys_tasks.pipeline.run_data import RunData
from recsys_tasks.pipeline.run_files import CHAMPION
from recsys_tasks.report.examples import beside_champion, example_facts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunChampion:
    """The run and the champion that it met.

    Args:
        store: the bucket.
        data: of the run.
        settings: of the run.
        alone: the run knows of no champion: one of later nights would tell a backfill of its future.
    """

    store: ObjectStore
    data: RunData
    settings: Settings
    alone: bool = False

    def champion(self) -> PublishedVersion | None:
        """The champion that this run met; None: there was none.

        Raises:
            ArtifactRefused, NotFound: it cannot be read.
        """
        version = self._version()
        return (
            PublishedVersion.of(self.store, self.data.files.run.dataset, version)
            if version
            else None
        )

    def manifest(self) -> dict[str, Any] | None:
        """The champion's manifest; None: there is no champion, or none that can be read."""
        try:
            champion = self.champion()
        except (ArtifactRefused, NotFound) as error:
            log.warning("going on as without a champion: %s", error)
            return None
        return champion.manifest.model_dump(mode="json") if champion else None

    def start(self) -> Start:
        """What the run's fits go on from: the champion where it was split alike, else nothing."""
        wanted = self.settings.train
        try:
            champion = self.champion() if wanted.warm_start else None
            if champion is None:
                return Start()
            if champion.warm_starts + 1 >= wanted.full_retrain_every:
                log.info("%d warm starts in a row: training from nothing", champion.warm_starts)
                return Start()
            by_keys = self.data.ids().have_keys
            refuse_another_split(champion.manifest.split.model_dump(), self.settings.split, by_keys)
            chosen = self._carried(champion.model_before_refit())
            published = self._carried(champion.named_model()) if self._refits() else None
        except (ArtifactRefused, NotFound) as error:
            log.warning("training from nothing, no warm start from the champion: %s", error)
            return Start()
        return Start(chosen, published, champion.warm_starts + 1) if chosen else Start()

    def _carried(self, previous: NamedModel) -> Model | None:
        names, wanted = self.data.features().names, self.settings.train
        return carry_over(previous, self.data.users(), names, wanted)

    def _refits(self) -> bool:
        return self.settings.train.refit and self.settings.split.validation_fraction > 0

    def count(self, embeddings: Embeddings, shard: Shard) -> dict[str, Counts]:
        """For a shard of the users, what the comparison is made of; empty where there is none."""
        try:
            match = self._match(embeddings)
        except (ArtifactRefused, NotFound) as error:
            log.warning("not compared with the champion: %s", error)
            return {}
        return self._count(match, shard) if match else {}

    def comparison(
        self, embeddings: Embeddings, counted: Mapping[str, Counts] | None = None
    ) -> dict[str, Any]:
        """The champion's version and the comparison with it, or why there is none.

        Args:
            embeddings: the candidate's.
            counted: what ``count`` gave for all shards, joined; None: counted here.
        """
        version = {"version": self._version()}
        if version["version"] is None:
            why = "a backfill knows of no champion" if self.alone else "there is no champion yet"
            return version | {"not_compared": why}
        try:
            match = self._match(embeddings)
        except (ArtifactRefused, NotFound) as error:
            log.warning("not compared with the champion: %s", error)
            return version | {"not_compared": str(error)}
        if match is None:
            return version | {"not_compared": "no test positive is new to the champion"}
        enough = self.settings.gate.min_champion_users
        if not match.n_users >= enough:
            few = f"only {match.n_users} users to compare on, gate.min_champion_users is {enough}"
            return version | {"not_compared": few}
        counts = self._count(match, WHOLE) if counted is None else counted
        return version | match.comparison(counts, self.settings.evaluate.seed).document()

    def _count(self, match: PairedEvaluation, shard: Shard) -> dict[str, Counts]:
        wanted = self.settings.evaluate
        return match.count(block_rows(wanted, match.candidate.n_items), wanted.threads, shard)

    def _match(self, embeddings: Embeddings) -> PairedEvaluation | None:
        """The candidate and the champion on what both know; None: no champion, or nothing to ask."""
        champion = self.champion()
        if champion is None:
            return None
        return PairedEvaluation.of(
            self.data.contender(embeddings),
            champion.contender(),
            self.data.split().test,
            self.data.seen(),
            champion.trained(),
        )

    def examples(self, embeddings: Embeddings) -> dict[str, Any]:
        """For the report: some users with their lists, and the movies whose neighbours changed most."""
        try:
            champion = self.champion()
            rival = champion.contender() if champion else None
        except (ArtifactRefused, NotFound) as error:
            log.warning("no lists by the champion: %s", error)
            rival = None
        candidate, data = self.data.contender(embeddings), self.data
        return example_facts(candidate, rival, data.trained_on(), data.seen(), data.titles())

    def beside(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """For the report: the champion's metrics, and what changed in the data since."""
        manifest = self.manifest()
        return beside_champion(manifest, data) if manifest else {}

    def _version(self) -> str | None:
        """The version that was champion when this run first asked; a retry is told the same."""
        files = self.data.files
        if self.alone:
            return None
        if not CHAMPION.is_there(files):
            pointer = read_pointer(self.store, files.run.dataset)
            own = pointer is not None and pointer.version == files.run.version
            found = pointer and (pointer.previous if own else pointer.version)
            CHAMPION.write(files, {"version": found})
        version = CHAMPION.read(files)["version"]
        return str(version) if version else None
