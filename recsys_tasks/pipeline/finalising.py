"""Fits the model that is published on everything that is known, with what validation chose for the judged one."""

import logging
from dataclasses import asdict

import numpy as np

from recsys_tasks.artifacts.judged import Judged
from recsys_tasks.config.settings import Settings, TrainSettings
from recsys_tasks.errors import ArtifactRefused
from recsys_tasks.evaluation.baselines import popular_order
from recsys_tasks.evaluation.contenders import block_rows
from recsys_tasks.evaluation.finalised import FinalisedFound, compare_finalised
from recsys_tasks.evaluation.served import Audience, liked_of, training_positives
from recsys_tasks.model.engines.choice import engine_of
from recsys_tasks.model.engines.protocol import Fitted
from recsys_tasks.model.representations import with_biases
from recsys_tasks.model.warm_start import Start
from recsys_tasks.pipeline.fit_parts import fit_by_parts, history_map_of
from recsys_tasks.pipeline.run import Checkpoint
from recsys_tasks.pipeline.run_data import RunData
from recsys_tasks.pipeline.run_files import (
    FINALISED,
    FINALISED_FACTS,
    FINALISED_FOLD_IN,
    TRAINING,
)
from recsys_tasks.pipeline.version_facts import fit_facts
from recsys_tasks.publish.version_files import POPULAR_LENGTH

log = logging.getLogger(__name__)


def finalise(data: RunData, settings: Settings, start: Start) -> FinalisedFound:
    """Fits on train, validation and test, keeps the model, and compares it with the judged one.

    Nothing is chosen here, so that a try after a broken one resumes and ends in the same bytes.

    Args:
        data: of a run whose model was judged.
        settings: of the run.
        start: what the run's fits go on from; never trained on what this run tests.

    Raises:
        ArtifactRefused: the run was trained by a release that did not keep what was chosen.
        TrainingRefused: the fit failed.
    """
    everything, features = data.interactions(), data.features().matrix
    log.info("fitting on train, validation and test: %d interactions", len(everything))
    fitted = _fitted(data, settings, start)
    FINALISED.write(data.files, fitted.model)
    audience = Audience.of(everything)
    FINALISED_FOLD_IN.write(data.files, history_map_of(fitted, audience, features))
    embeddings = with_biases(data.published().model, features)
    judged, known = data.judged(), audience.counts > 0
    asked = np.flatnonzero(known & (training_positives(judged.interactions) > 0))
    block = block_rows(settings.evaluate, embeddings.n_items)
    before = with_biases(judged.model, features)
    found = compare_finalised(before, embeddings, asked, data.seen(), block)
    FINALISED_FACTS.write(data.files, {"model": fit_facts(fitted), "found": asdict(found)})
    return found


def judged_version(data: RunData) -> Judged:
    """The judged model as a version keeps it, for the next run's comparison."""
    model, history_map, train = data.judged()
    embeddings = with_biases(model, data.features().matrix)
    return Judged(
        embeddings.users,
        embeddings.items,
        training_positives(train),
        popular_order(train)[:POPULAR_LENGTH].astype(np.int64),
        liked_of(train),
        history_map,
        model.feature_embeddings,
        model.feature_biases,
    )


def chosen_settings(data: RunData) -> TrainSettings:
    """What the judged model was fitted with: nothing is left to choose in it.

    Raises:
        ArtifactRefused: the run was trained by a release that did not keep it.
    """
    found = TRAINING.read(data.files).get("chosen")
    if found is None:
        raise ArtifactRefused(
            TRAINING.name, "does not say what was chosen: run the step train again"
        )
    return TrainSettings.model_validate(found)


def _fitted(data: RunData, settings: Settings, start: Start) -> Fitted:
    chosen = settings.model_copy(update={"train": chosen_settings(data)})
    kept = Checkpoint(data.files, "finalise_checkpoint.npz")
    features = data.features().matrix
    if chosen.train.engine == "ridge-svd":
        return fit_by_parts(data.files, "everything", features, chosen.train, kept)
    refitted = settings.train.refit and settings.split.validation_fraction > 0
    first = start.refit if refitted else start.fit
    return engine_of(chosen).fit(data.interactions(), features, checkpoints=kept, start=first)
