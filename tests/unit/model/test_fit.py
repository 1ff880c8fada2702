"""The fit is LightFM's, byte for byte, broken off or not."""

import dataclasses
import logging
import os
import signal

import numpy as np
import pytest

from recsys_tasks.config.interruption import interruptible
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.engines.protocol import Scored
from recsys_tasks.model.fit import fit
from recsys_tasks.model.parameters import Model
from recsys_tasks.model.representations import with_biases


class Shelf:
    """Keeps checkpoints in memory; breaks the fit off after an epoch, as a lost machine would."""

    def __init__(self, dies_after=None):
        self.arrays, self.dies_after = None, dies_after

    def save(self, epoch, arrays):
        self.arrays = {name: np.copy(array) for name, array in arrays.items()}
        if epoch == self.dies_after:
            raise KeyboardInterrupt

    def load(self):
        return self.arrays


def same(one: Model, other: Model) -> bool:
    arrays = other.to_arrays()
    return all(array.tobytes() == arrays[name].tobytes() for name, array in one.to_arrays().items())


def broken_off(case, settings, epoch, **more):
    shelf = Shelf(dies_after=epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(case.split.train, case.features, settings, checkpoints=shelf, **more)
    shelf.dies_after = None
    return shelf


def test_the_parameters_are_lightfms_byte_for_byte(fitted):
    assert fitted.model.user_embeddings.tobytes() == fitted.lightfm.user_embeddings.tobytes()
    assert fitted.model.feature_embeddings.tobytes() == fitted.lightfm.item_embeddings.tobytes()
    assert fitted.model.feature_biases.tobytes() == fitted.lightfm.item_biases.tobytes()


def test_folded_embeddings_score_as_lightfm_predicts(fitted):
    embeddings = with_biases(fitted.model, fitted.features)
    items = np.arange(embeddings.n_items, dtype=np.int32)
    predicted = fitted.lightfm.predict(7, items, item_features=fitted.features)
    assert embeddings.scores(np.array([7]))[0] == pytest.approx(predicted, abs=1e-5)


def test_a_stop_in_the_middle_of_an_epoch_keeps_that_epoch_and_a_retry_resumes(fitted, caplog):
    shelf = Shelf()

    def stopped_while_validating(model):
        os.kill(os.getpid(), signal.SIGTERM)
        return Scored()

    with pytest.raises(KeyboardInterrupt), interruptible():
        fit(fitted.split.train, fitted.features, fitted.settings, stopped_while_validating, shelf)
    assert len(shelf.arrays["history"]) == 1
    caplog.set_level(logging.INFO)
    resumed = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert "resuming after epoch 1" in caplog.text
    assert same(resumed.model, fitted.model)


def test_a_retry_resumes_and_ends_in_the_same_bytes(fitted):
    shelf = broken_off(fitted, fitted.settings, epoch=2)
    resumed = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert same(resumed.model, fitted.model)
    assert [epoch.number for epoch in resumed.history] == [1, 2, 3, 4, 5]


def test_a_finished_checkpoint_is_not_trained_again(fitted):
    shelf = Shelf()
    fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    kept = shelf.arrays
    again = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert shelf.arrays is kept
    assert same(again.model, fitted.model)


def test_a_checkpoint_of_other_settings_is_not_resumed(fitted, caplog):
    shelf = broken_off(fitted, fitted.settings.model_copy(update={"learning_rate": 0.1}), epoch=2)
    with caplog.at_level(logging.WARNING):
        found = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert "other data or settings" in caplog.text
    assert same(found.model, fitted.model)


def test_a_checkpoint_with_a_nan_is_not_resumed(fitted, caplog):
    shelf = broken_off(fitted, fitted.settings, epoch=2)
    shelf.arrays["user_embeddings"][0, 0] = np.nan
    with caplog.at_level(logging.WARNING):
        found = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert "NaN" in caplog.text
    assert same(found.model, fitted.model)


def test_patience_keeps_the_best_epoch_also_over_a_retry(fitted):
    settings = fitted.settings.model_copy(update={"epochs": 9, "patience": 2})
    curve = [0.1, 0.3, 0.2, 0.3, 0.25]

    def validate_as(scores):
        remaining = iter(scores)
        return lambda model: Scored(next(remaining), 0.5)

    found = fit(fitted.split.train, fitted.features, settings, validate_as(curve))
    two = fit(fitted.split.train, fitted.features, fitted.settings.model_copy(update={"epochs": 2}))
    assert (found.epochs, len(found.history)) == (2, 4)
    assert same(found.model, two.model)
    shelf = broken_off(fitted, settings, epoch=3, validate=validate_as(curve))
    resumed = fit(fitted.split.train, fitted.features, settings, validate_as(curve[3:]), shelf)
    assert resumed.epochs == 2
    assert same(resumed.model, two.model)
    assert [(e.validation, e.train) for e in resumed.history] == [(v, 0.5) for v in curve[:4]]


def test_patience_without_a_validation_part_runs_all_epochs(fitted):
    settings = fitted.settings.model_copy(update={"patience": 1})
    found = fit(fitted.split.train, fitted.features, settings)
    assert found.epochs == 5
    assert same(found.model, fitted.model)


def test_parameters_that_become_infinite_stop_the_fit(fitted):
    arrays = {name: array.copy() for name, array in fitted.model.to_arrays().items()}
    arrays["feature_biases"][0] = np.inf
    with pytest.raises(TrainingRefused, match=r"epoch 1.*learning rate"):
        fit(fitted.split.train, fitted.features, fitted.settings, start=Model.from_arrays(arrays))


def test_gradients_that_become_infinite_stop_the_fit(fitted):
    arrays = {name: array.copy() for name, array in fitted.model.to_arrays().items()}
    arrays["user_bias_gradients"][0] = np.inf
    with pytest.raises(TrainingRefused, match="epoch 1 left NaN or infinite gradients"):
        fit(fitted.split.train, fitted.features, fitted.settings, start=Model.from_arrays(arrays))


def test_nothing_to_train_on_is_refused(fitted):
    nothing = fitted.split.train.take(np.array([], dtype=np.intp))
    with pytest.raises(TrainingRefused, match="no positive"):
        fit(nothing, fitted.features, fitted.settings)


def test_a_loss_without_sample_weights_refuses_graded_positives(fitted):
    graded = dataclasses.replace(fitted.split.train, weight=fitted.split.train.weight * 0.5)
    kos = fitted.settings.model_copy(update={"loss": "warp-kos"})
    with pytest.raises(TrainingRefused, match="weak_weight"):
        fit(graded, fitted.features, kos)


@pytest.mark.parametrize("loss", ["warp", "bpr", "warp-kos", "logistic"])
def test_every_loss_fits(fitted, loss):
    settings = fitted.settings.model_copy(update={"loss": loss, "epochs": 1})
    assert fit(fitted.split.train, fitted.features, settings).model.is_finite()


def test_each_epoch_is_one_line_of_the_log(fitted, caplog):
    with caplog.at_level(logging.INFO):
        fit(
            fitted.split.train,
            fitted.features,
            fitted.settings.model_copy(update={"epochs": 2}),
            validate=lambda model: Scored(0.125, 0.25),
        )
    first, second = caplog.messages
    assert first.startswith("epoch 1 of 2 took")
    assert second.startswith("epoch 2 of 2")
    assert "validation 0.1250" in first


@pytest.mark.parametrize("missing", ["fingerprint", "random_keys", "user_biases", "history"])
def test_a_checkpoint_that_lacks_something_is_not_resumed(fitted, caplog, missing):
    shelf = broken_off(fitted, fitted.settings, epoch=2)
    del shelf.arrays[missing]
    with caplog.at_level(logging.WARNING):
        found = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert "beginning anew" in caplog.text
    assert same(found.model, fitted.model)


def test_a_checkpoint_whose_random_state_is_cut_short_is_not_resumed(fitted, caplog):
    shelf = broken_off(fitted, fitted.settings, epoch=2)
    shelf.arrays["random_keys"] = shelf.arrays["random_keys"][:9]
    with caplog.at_level(logging.WARNING):
        found = fit(fitted.split.train, fitted.features, fitted.settings, checkpoints=shelf)
    assert "beginning anew" in caplog.text
    assert same(found.model, fitted.model)
