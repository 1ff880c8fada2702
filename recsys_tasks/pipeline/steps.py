"""The steps of a run, in order: Airflow's tasks and ``recsys train`` both call them.

A step reads what it needs from the object store, computes, writes its results under the run's
prefix, and returns a small reference. Any step may run again, in another process or on another
machine: the same run writes the same keys and, with one thread, the same bytes.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, cast

import numpy as np

from recsys_tasks.artifacts import canonical_json, judged, keys
from recsys_tasks.artifacts.ann_index import evenly_spaced
from recsys_tasks.artifacts.histories import HISTORIES
from recsys_tasks.artifacts.manifest import REQUIRED, IndexFacts
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.settings import Settings
from recsys_tasks.data.checks import TableFacts, check_data, refuse_broken
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.errors import (
    DataCheckFailed,
    GateRejected,
    RecsysError,
    SettingsError,
    TrainingRefused,
)
from recsys_tasks.evaluation.baselines import popular_order
from recsys_tasks.evaluation.evaluate import MODEL, count_shard, evaluate_all, validator
from recsys_tasks.evaluation.gate import IndexFound, Verdict, judge, with_finalised, with_index
from recsys_tasks.evaluation.ranking import Shard
from recsys_tasks.evaluation.served import Audience, liked_of, training_positives
from recsys_tasks.matrices.ids import IdMaps
from recsys_tasks.matrices.interactions import Csr, Interactions, build_item_features
from recsys_tasks.model.engines.choice import engine_of
from recsys_tasks.model.engines.protocol import Fitted
from recsys_tasks.model.representations import embedding_facts, with_biases
from recsys_tasks.pipeline.budget import Budget, affordable
from recsys_tasks.pipeline.dataset import read_dataset
from recsys_tasks.pipeline.divide import divide_parts
from recsys_tasks.pipeline.finalising import finalise, judged_version
from recsys_tasks.pipeline.fit_parts import fit_by_parts, sums_alone
from recsys_tasks.pipeline.histories import trained_on
from recsys_tasks.pipeline.outcome import (
    FailureLookup,
    Links,
    no_links,
    nothing,
    report_of_run,
    report_of_version,
    write_report,
)
from recsys_tasks.pipeline.run import Checkpoint, Run, RunFiles
from recsys_tasks.pipeline.run_champion import RunChampion
from recsys_tasks.pipeline.run_data import RunData, catalogue_document
from recsys_tasks.pipeline.run_files import (
    CHECKS,
    DATA,
    EMBEDDING_FACTS,
    EXAMPLES,
    FEATURES,
    FOLD_IN,
    GATE,
    IDS,
    INDEX,
    INDEX_FOUND,
    INDEX_SECONDS,
    INGEST,
    METRICS,
    MOVIES,
    PARAMETERS,
    PARAMETERS_BEFORE_REFIT,
    PER_USER,
    TRAINING,
)
from recsys_tasks.pipeline.run_parts import open_parts, put_parts
from recsys_tasks.pipeline.step_list import ORDER as ORDER
from recsys_tasks.pipeline.step_list import SHARDS
from recsys_tasks.pipeline.step_log import StepLog, peak_mb, shard_task
from recsys_tasks.pipeline.trend import versions_before
from recsys_tasks.pipeline.version_facts import (
    data_facts,
    fit_facts,
    lineage,
    manifest_sections,
    whose_metrics,
)
from recsys_tasks.publish import channels, golden, publisher
from recsys_tasks.publish.index import ASKED, build_index
from recsys_tasks.publish.pointer_move import lock_name
from recsys_tasks.publish.postgres_export import tables_follow
from recsys_tasks.publish.postgres_lists import make_lists
from recsys_tasks.publish.version_files import Features, Items, Users, write_judged, write_version
from recsys_tasks.report.page import render_report

log = logging.getLogger(__name__)

P = ParamSpec("P")

Reference = dict[str, Any]
"""What a step returns: keys, names and a few numbers."""

EXPORTED = (*(name for name in REQUIRED if name != golden.NAME), *HISTORIES)
"""Files of a version that earlier steps leave for ``publish``."""


LEFT_ALONE = "a backfill leaves the champion alone; publish.backfill_promotes lets it promote"

Step = Callable[Concatenate["Steps", P], Reference]


def recorded(step: Step[P]) -> Step[P]:
    """A step that says in the log what it does and made, and leaves its time, memory and fate."""
    name, purpose = step.__name__, (step.__doc__ or "").partition("\n")[0]

    @wraps(step)
    def run(self: "Steps", /, *arguments: P.args, **keywords: P.kwargs) -> Reference:
        began, notes = time.monotonic(), self.notes
        task = name if name != SHARDS else shard_task(*arguments, **keywords)  # type: ignore[arg-type]  # its own two
        log.info("%s: %s %s, version %s", task, purpose, self.run.dataset, self.run.version)
        notes.begin(task)
        try:
            made = step(self, *arguments, **keywords)
        except MemoryError as error:
            refused = TrainingRefused(f"{name}: out of memory at {peak_mb()} MB ({error})")
            notes.end(task, time.monotonic() - began, failure=str(refused))
            raise refused from error
        except RecsysError as error:
            notes.end(task, time.monotonic() - began, failure=str(error))
            raise
        notes.end(task, seconds := time.monotonic() - began)
        log.info("%s: done in %.1f s; %s", task, seconds, _in_words(made))
        return made

    return run


@dataclass(frozen=True)
class Steps:
    """The work of one run, over a database and a bucket.

    Args:
        settings: of the run.
        run: its names.
        database: where the tables are.
        store: where everything that passes between steps lies, and where versions are published.
        log_group: groups the log lines written inside it, given a title.
        sources: where input files may come from; None: from anywhere.
        backfill: the run makes up for a night of the past.
    """

    settings: Settings
    run: Run
    database: Database
    store: ObjectStore
    log_group: Callable[[str], AbstractContextManager[Any]] = nullcontext
    sources: SourcePolicy | None = None
    backfill: bool = False

    @property
    def may_promote(self) -> bool:
        """Whether the run may move the champion: a backfill only if its settings ask for it."""
        return not self.backfill or self.settings.publish.backfill_promotes

    @property
    def files(self) -> RunFiles:
        """The run's own files in the bucket."""
        return RunFiles(self.store, self.run)

    @property
    def data(self) -> RunData:
        """What earlier steps left."""
        return RunData(self.files, self.settings.train.refit, self.settings.train.finalise)

    @property
    def notes(self) -> StepLog:
        """What each step left of its time, memory and fate."""
        return StepLog(self.store, self.files.key("steps/"))

    @property
    def run_champion(self) -> RunChampion:
        """The candidate beside the champion."""
        return RunChampion(self.store, self.data, self.settings, alone=not self.may_promote)

    @recorded
    def migrate(self) -> Reference:
        """Makes or upgrades the dataset's schema."""
        return {"schema": self.run.dataset, "revision": self.database.migrate(self.run.dataset)}

    @recorded
    def ingest(self) -> Reference:
        """Loads the files; without a source, what the tables hold is used."""
        source = self.settings.source
        if not source.names_files:
            log.info("no source is set: using what the tables hold")
            INGEST.write(self.files, {"files": [], "rejections": []})
            return {"files": 0}
        account = ingest(
            self.database,
            source,
            self.run.dataset,
            self.run.run_id,
            lambda: self.store.access,
            self.sources,
            self.settings.events.weights,
        )
        INGEST.write(self.files, asdict(account))
        return {
            file.role: "already loaded"
            if file.already_loaded
            else f"{file.read} read, {file.loaded} loaded, {file.rejected} rejected, "
            f"{file.duplicate} duplicate"
            for file in account.files
        }

    @recorded
    def fit_dataset(self) -> Reference:
        """Turns the tables into id maps, interactions, seen items and item features."""
        dataset, wanted = self.run.dataset, self.settings
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            found = read_dataset(self.database, dataset, wanted, Path(home))
            movies, gathered = found.movies, found.gathered
            if not gathered.tally.ratings:
                reason = f"the tables of {dataset} hold no ratings and no events: load files with recsys ingest"
                raise DataCheckFailed((reason,))
            ids = IdMaps(gathered.users, found.items)
            features = build_item_features(
                movies, wanted.train.genres, wanted.train.genre_weight_used, ids.noun
            )
            facts = data_facts(gathered.tally, gathered.parts, features, movies.title, wanted)
            facts["files"] = lineage(found.files)
            self._check(facts, ids)
            IDS.write(self.files, ids)
            put_parts(self.files, found.folder, gathered.parts)
            FEATURES.write(self.files, features)
            MOVIES.write(self.files, catalogue_document(movies))
        return {name: facts[name] for name in ("users", "items", "ratings", "positives")}

    @recorded
    def split(self) -> Reference:
        """Divides the interactions into train, validation and test."""
        with open_parts(self.files) as parts:
            return divide_parts(parts, self.settings.split, self.data.ids())

    @recorded
    def train(self) -> Reference:
        """Fits the model, resuming from a checkpoint that an earlier try left."""
        data, budget = self.data, affordable(self.files, self.settings)
        if budget.by_parts:
            return self._train_by_parts(budget)
        parts, features, seen = data.split(), data.features().matrix, data.seen()
        wanted = self.settings.train
        by_chance = self.settings.split.method in ("random", "shuffle")
        asked = (self.settings.evaluate, wanted.validate_on, by_chance)
        validated = parts.validation is not None
        validate = validator(parts, features, seen, *asked) if validated else None
        start, engine = self.run_champion.start(), engine_of(self.settings)
        refits = parts.validation is not None and wanted.refit
        history: list[dict[str, Any]] = []
        choices: dict[str, Any] = {}
        fitted_on = parts.train
        if engine.chooses or not refits:
            with self.log_group("epochs"):
                kept = Checkpoint(self.files, "checkpoint.npz")
                fitted = engine.fit(parts.train, features, validate, kept, start.fit)
            history, choices = _history(fitted), dict(fitted.facts)
            engine = engine_of(self.settings.model_copy(update={"train": fitted.chosen}))
            if refits and wanted.warm_start:
                PARAMETERS_BEFORE_REFIT.write(self.files, fitted.model)
        if refits:
            fitted_on = parts.train_and_validation()
            log.info("fitting on train and validation")
            with self.log_group("epochs of the refit"):
                kept = Checkpoint(self.files, "refit_checkpoint.npz")
                fitted = engine.fit(fitted_on, features, checkpoints=kept, start=start.refit)
        self._keep_model(fitted, fitted_on, features)
        facts = {"epochs": fitted.epochs, "history": history, "warm_starts": start.warm_starts}
        facts["chosen"] = fitted.chosen.model_dump(mode="json")
        TRAINING.write(self.files, facts | {"model": choices | fit_facts(fitted)})
        return {"model": self.files.key("model.npz"), "epochs": fitted.epochs}

    @recorded
    def evaluate_users(self, number: int, of: int) -> Reference:
        """Ranks the test positives of one shard of the users, by every scorer, for ``evaluate``."""
        shard = Shard(number, of)
        embeddings = with_biases(self.data.model(), self.data.features().matrix)
        counted = count_shard(
            embeddings,
            self.data.split(),
            self.data.seen(),
            self.settings.evaluate,
            shard,
            self.settings.train.refit,
            self.data.history_map(),
        )
        counted |= self.run_champion.count(embeddings, shard)
        self.data.keep_counts(shard, counted)
        return {"shard": number, "of": of, "positives": len(counted[MODEL].test)}

    @recorded
    def evaluate(self, shards: int = 1) -> Reference:
        """Measures the model and its baselines in every view, and compares it with the champion.

        Args:
            shards: how many ``evaluate_users`` has ranked the users in; 1: ranked here.
        """
        counted = self.data.counts(shards) if shards > 1 else None
        embeddings = with_biases(self.data.model(), self.data.features().matrix)
        evaluation = evaluate_all(
            embeddings,
            self.data.split(),
            self.data.seen(),
            self.settings.evaluate,
            counted,
            self.settings.train.refit,
            self.data.categories(),
            self.data.history_map(),
        )
        compared = self.run_champion.comparison(embeddings, counted)
        anchor = self.run_champion.against_anchor(embeddings, counted)
        METRICS.write(self.files, evaluation.metrics | {"champion": compared, "anchor": anchor})
        EMBEDDING_FACTS.write(self.files, embedding_facts(embeddings))
        PER_USER.write(self.files, evaluation.per_user)
        EXAMPLES.write(self.files, self.run_champion.examples(embeddings))
        served = evaluation.metrics["test_served"]
        popular = evaluation.metrics["baselines"]["popular"]["test_served"]
        return {
            "precision_at_5 as served": served.get("precision_at_5"),
            "of the popular list": popular.get("precision_at_5"),
        }

    @recorded
    def gate(self) -> Reference:
        """Holds the candidate against the gate's rules.

        Raises:
            GateRejected: a rule failed; the verdict is written all the same.
        """
        verdict = judge(
            METRICS.read(self.files),
            EMBEDDING_FACTS.read(self.files),
            self.settings.gate,
        )
        return {"accepted": True, "rules": self._held(verdict)}

    @recorded
    def finalise(self) -> Reference:
        """Fits what is published on all parts, with what validation chose, where the settings ask for it.

        Raises:
            GateRejected: it is not the judged model with more known, but another one.
        """
        if self.settings.train.finalise:
            start = self.run_champion.start()
            with self.log_group("epochs of the finalised model"):
                found = finalise(self.data, self.settings, start)
            verdict = Verdict.of(GATE.read(self.files))
            self._held(with_finalised(verdict, found, self.settings.gate))
        return dict(whose_metrics(self.settings))

    @recorded
    def export_embeddings(self) -> Reference:
        """Writes the version's files but the index: vectors, id maps, items, seen, popular list."""
        ids, features, seen = IDS.read(self.files), self.data.features(), self.data.seen()
        model, history_map, train = self.data.published()
        embeddings, movies = with_biases(model, features.matrix), MOVIES.read(self.files)
        users = Users(
            ids=ids.users.ids,
            embeddings=embeddings.users,
            counts=training_positives(train),
            seen_indptr=seen.indptr.astype(np.int64),
            seen_indices=seen.indices.astype(np.int32, copy=False),
            liked=liked_of(train),
        )
        items = Items(
            ids=ids.items.ids,
            embeddings=embeddings.items,
            counts=np.bincount(train.col[train.is_positive], minlength=train.shape[1]).astype(
                np.int32
            ),
            popular=popular_order(train),
            titles=movies["titles"],
            genres=movies["genres"],
            noun=ids.noun,
            available=movies.get("available"),
        )
        parts = Features(features.names, model.feature_embeddings, model.feature_biases)
        with self._exchange() as folder:
            write_version(folder, users, items, parts, history_map)
            if self.settings.train.finalise:
                write_judged(folder, judged_version(self.data))
        return {"users": list(embeddings.users.shape), "items": list(embeddings.items.shape)}

    @recorded
    def build_index(self) -> Reference:
        """Builds the annoy index, chooses annoy or exact search to serve, and judges its recall and time.

        Raises:
            GateRejected: what serves finds too few of what a scan of all items does, or takes longer.
        """
        wanted, gate = self.settings.index.model_dump(), self.settings.gate
        wanted["min_recall"] = max(wanted["min_recall"], gate.min_index_recall)
        wanted["large"] = gate.index_latency_from
        with self._exchange(
            "item_embeddings.npy", "user_embeddings.npy", "user_counts.npy"
        ) as here:
            users = np.load(here / "user_embeddings.npy", allow_pickle=False)
            counts = np.load(here / "user_counts.npy", allow_pickle=False)
            items = np.load(here / "item_embeddings.npy", allow_pickle=False)
            asked = evenly_spaced(np.flatnonzero(counts > 0), ASKED)
            rated = self.data.seen()
            seen = [rated[user].indices for user in asked]
            built = build_index(here / "items.ann", items, users[asked], seen=seen, **wanted)
        INDEX.write(self.files, built.facts.model_dump(mode="json"))
        INDEX_SECONDS.write(self.files, list(built.seconds_per_query))
        found = IndexFound(len(items), built.facts.served_recall, built.times_scan)
        INDEX_FOUND.write(self.files, asdict(found))
        verdict = Verdict.of(GATE.read(self.files))
        self._held(with_index(verdict, found, self.settings.gate))
        return {"search": built.facts.search, "recall_at_10": built.facts.served_recall}

    @recorded
    def publish(self) -> Reference:
        """Seals the files with a manifest and brings the version into being."""
        kept = [judged.NAME] if self.settings.train.finalise else []
        with self._exchange(*EXPORTED, *kept) as folder:
            index = INDEX.read(self.files)
            golden.write_golden(folder, IndexFacts.model_validate(index))
            metrics = METRICS.read(self.files)
            (folder / "metrics.json").write_bytes(canonical_json.to_bytes(metrics))
            self.data.user_metrics().save(folder)
            page = render_report(report_of_version(self.run_champion))
            (folder / "report.html").write_text(page, encoding="utf-8")
            sections = manifest_sections(self.files, self.settings, index, metrics)
            manifest = publisher.seal(folder, sections)
            digest = publisher.publish(
                self.store, self.run.dataset, self.run.version, folder, manifest
            )
        return {
            "manifest": keys.manifest(self.run.dataset, self.run.version),
            "sha256": digest,
            "files": len(manifest.files),
        }

    @recorded
    def verify(self) -> Reference:
        """Has a fresh process load the published version and replay its golden queries."""
        publisher.verify_version(self.store, self.run.dataset, self.run.version)
        return {"verified": keys.version(self.run.dataset, self.run.version)}

    @recorded
    def promote(self) -> Reference:
        """Moves the champion's pointer to this version, and the tables of embeddings with it.

        Raises:
            SettingsError: this is a backfill, and its settings do not ask for a promotion.
            PublishConflict: the champion is another one than this version was compared with.
        """
        if not self.may_promote:
            raise SettingsError(LEFT_ALONE)
        dataset, version = self.run.dataset, self.run.version
        by = f"{self.run.dag_id}/{self.run.run_id}"
        lock = self.database.advisory_lock(lock_name(dataset))
        wanted = self.settings.publish
        length = wanted.list_length if wanted.write_lists else 0
        if length:  # before the lock is taken
            make_lists(self.store, read_manifest(self.store, dataset, version), length)
        tables = tables_follow(self.database, self.store, wanted.write_postgres, length)
        channels.promote_run(self.store, lock, dataset, version, by, follow=tables)
        return channels.announcement(read_manifest(self.store, dataset, version))

    def report(self, heard: FailureLookup = nothing, links: Links = no_links) -> Reference:
        """Writes what a person reads about the run, with whatever the steps left; returns what it came to.

        Args:
            heard: asked about the tasks of a step that left no note of its failure.
            links: asked, with the report's facts, where one can go on from it.
        """
        facts = report_of_run(self.run_champion, self.notes.read(), heard)
        facts |= {"trend": versions_before(self.store, self.run)}
        return write_report(self.files, facts, links)

    def _train_by_parts(self, budget: Budget) -> Reference:
        """Fits the closed form alone, part by part."""
        features, kept = self.data.features().matrix, Checkpoint(self.files, "checkpoint.npz")
        which = trained_on(self.settings.train.refit)
        fitted = fit_by_parts(self.files, which, features, budget.train, kept)
        FOLD_IN.write(self.files, sums_alone(fitted))
        PARAMETERS.write(self.files, fitted.model)
        made = {**fit_facts(fitted), **budget.facts}
        facts: dict[str, Any] = {"epochs": fitted.epochs, "history": [], "warm_starts": 0}
        facts["chosen"] = budget.train.model_dump(mode="json")
        TRAINING.write(self.files, facts | {"model": made})
        return {"model": self.files.key("model.npz"), "epochs": fitted.epochs}

    def _keep_model(self, fitted: Fitted, train: Interactions, features: Csr) -> None:
        """Writes the parameters, and what makes a vector of a history that the fit has not seen."""
        found = Audience.of(train).learn(with_biases(fitted.model, features), fitted.sums)
        FOLD_IN.write(self.files, found)
        PARAMETERS.write(self.files, fitted.model)

    def _held(self, verdict: Verdict) -> int:
        """Keeps a verdict, and returns how many rules it has.

        Raises:
            GateRejected: a rule failed; the verdict is kept all the same.
        """
        GATE.write(self.files, verdict.document())
        for rule in verdict.rules:
            log.info("%s: %s", rule.reason, "passed" if rule.passed else "not passed")
        if not verdict.accepted:
            raise GateRejected(verdict.reasons())
        return len(verdict.rules)

    def _check(self, facts: dict[str, Any], ids: IdMaps) -> None:
        """Holds the tables against their bounds and the champion's sizes, and keeps what was found.

        Raises:
            DataCheckFailed: a bound is broken; the facts are written all the same, for the report.
        """
        champion, now = self.run_champion.manifest(), int(self.run.run_after.timestamp())
        results = check_data(
            cast(TableFacts, facts),
            champion and champion["data"],
            self.settings.checks,
            now,
            self.run_champion.known(ids),
        )
        DATA.write(self.files, facts)
        CHECKS.write(self.files, [asdict(result) for result in results])
        for result in results:
            log.info("%s: %s", result.reason, "passed" if result.passed else "not passed")
        if not facts["positives"]:
            raise DataCheckFailed((self._without_positives(facts),))
        refuse_broken(results)

    def _without_positives(self, facts: dict[str, Any]) -> str:
        """Why nothing can be held out, in the words of the kind of data."""
        kinds = sorted(self.settings.events.held_out_types)
        if "events" in facts and kinds:
            return f"there are no positive interactions: no event is of type {', '.join(kinds)}"
        return (
            f"there are no positive interactions: none of {facts['ratings']} ratings "
            f"reaches {self.settings.positives.threshold:g} stars"
        )

    @contextmanager
    def _exchange(self, *names: str) -> Iterator[Path]:
        """A folder with some of the version's files; what is new in it afterwards is uploaded."""
        with tempfile.TemporaryDirectory(prefix="recsys-") as home:
            folder = Path(home)
            for name in names:
                self.store.download_file(self.files.key(f"files/{name}"), folder / name)
            yield folder
            for path in sorted(folder.iterdir()):
                if path.name not in names:
                    self.store.upload_file(path, self.files.key(f"files/{path.name}"))


def _history(fitted: Fitted) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch.number,
            "seconds": round(epoch.seconds, 3),
            "validation": epoch.validation,
            "train": epoch.train,
        }
        for epoch in fitted.history
    ]


def _in_words(made: Reference) -> str:
    return ", ".join(
        f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in made.items()
    )
