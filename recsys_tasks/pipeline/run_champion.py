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
from recsys_tasks.evaluation import paired
from recsys_tasks.evaluation.contenders import block_rows
from recsys_tasks.evaluation.paired import PairedEvaluation
from recsys_tasks.evaluation.ranking import WHOLE, Counts, Shard
from recsys_tasks.matrices.ids import IdMap, IdMaps
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import Embeddings
from recsys_tasks.model.warm_start import NamedModel, Start, carry_over, refuse_another_split
from recsys_tasks.pipeline.anchor import anchor_version
from recsys_tasks.pipeline.published_version import PublishedVersion
from recsys_tasks.pipeline.run_data import RunData
from recsys_tasks.pipeline.run_files import CHAMPION
from recsys_tasks.report.examples import beside_champion, example_facts

log = logging.getLogger(__name__)

ANCHOR = "anchor_"
"""Begins the names of the counts for the comparison with the anchor."""


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

    def known(self, ids: IdMaps) -> dict[str, float]:
        """Shares of the champion's ``users`` and ``items`` that this run has too; empty without a champion."""
        try:
            champion = self.champion()
            theirs = champion.ids() if champion else None
        except (ArtifactRefused, NotFound) as error:
            log.warning("going on as without a champion: %s", error)
            return {}
        if theirs is None:
            return {}
        sides = {"users": (ids.users, theirs.users), "items": (ids.items, theirs.items)}
        return {name: _share_of(ours, other) for name, (ours, other) in sides.items()}

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
        """For a shard of the users, what the comparisons are made of; empty where there are none."""
        found: dict[str, Counts] = {}
        for prefix, version in (("", self._version()), (ANCHOR, self._anchor())):
            try:
                match = self._match(embeddings, version) if version else None
            except (ArtifactRefused, NotFound) as error:
                log.warning("not compared with %s: %s", version, error)
                continue
            counts = self._count(match, shard) if match else {}
            found |= {prefix + name: count for name, count in counts.items()}
        return found

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
        return version | self._compared(embeddings, str(version["version"]), "", counted)

    def against_anchor(
        self, embeddings: Embeddings, counted: Mapping[str, Counts] | None = None
    ) -> dict[str, Any]:
        """The same comparison with the version that was champion ``gate.anchor_days`` ago.

        Args:
            embeddings, counted: as for ``comparison``.

        Returns:
            ``version``, ``days`` and the comparison, or why there is none.
        """
        version, days = self._anchor(), self.settings.gate.anchor_days
        found = {"version": version, "days": days}
        if version is None:
            return found | {"not_compared": "there is no champion of then, other than today's"}
        return found | self._compared(embeddings, version, ANCHOR, counted)

    def _compared(
        self,
        embeddings: Embeddings,
        version: str,
        prefix: str,
        counted: Mapping[str, Counts] | None,
    ) -> dict[str, Any]:
        """The comparison with one version, from the counts whose names begin with ``prefix``."""
        try:
            match = self._match(embeddings, version)
        except (ArtifactRefused, NotFound) as error:
            log.warning("not compared with %s: %s", version, error)
            return {"not_compared": str(error)}
        if match is None:
            return {"not_compared": f"no test positive is new to {version}"}
        enough = self.settings.gate.min_champion_users
        if not match.n_users >= enough:
            few = f"only {match.n_users} users to compare on, gate.min_champion_users is {enough}"
            return {"not_compared": few}
        names = {name: prefix + name for name in (paired.CANDIDATE, paired.CHAMPION)}
        if counted is None or not all(name in counted for name in names.values()):
            counts: Mapping[str, Counts] = self._count(match, WHOLE)
        else:
            counts = {name: counted[place] for name, place in names.items()}
        return match.comparison(counts, self.settings.evaluate.seed).document()

    def _count(self, match: PairedEvaluation, shard: Shard) -> dict[str, Counts]:
        wanted = self.settings.evaluate
        return match.count(block_rows(wanted, match.candidate.n_items), wanted.threads, shard)

    def _match(self, embeddings: Embeddings, version: str) -> PairedEvaluation | None:
        """The candidate and a version on what both know; None: there is nothing to ask."""
        champion = PublishedVersion.of(self.store, self.data.files.run.dataset, version)
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

    def _anchor(self) -> str | None:
        """The champion of ``gate.anchor_days`` ago, where it is another version than today's and the run's."""
        run, days = self.data.files.run, self.settings.gate.anchor_days
        if self.alone or not days:
            return None
        found = anchor_version(self.store, run.dataset, run.run_after, days)
        return None if found in (self._version(), run.version) else found

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


def _share_of(ours: IdMap, theirs: IdMap) -> float:
    """The share of their ids that is among ours; numbers and text have none in common."""
    if ours.ids.dtype.kind != theirs.ids.dtype.kind:
        return 0.0
    return float(ours.known(theirs.ids).mean()) if len(theirs) else 1.0
