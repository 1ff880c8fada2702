"""``train.engine = recsys`` fits as ``lightfm`` does, checkpoints and refusals included."""

import numpy as np
import pytest

from recsys_tasks.errors import TrainingRefused
from recsys_tasks.model.fit import fit
from recsys_tasks.model.parameters import Model


class Shelf:
    """Keeps checkpoints in memory; breaks the fit off after the second epoch when told to."""

    def __init__(self) -> None:
        self.arrays, self.dies = None, True

    def save(self, epoch, arrays):
        self.arrays = {name: np.copy(array) for name, array in arrays.items()}
        if self.dies and epoch == 2:
            raise KeyboardInterrupt

    def load(self):
        return self.arrays


def own(case, **changes):
    return case.settings.model_copy(update={"engine": "recsys", **changes})


def same(one: Model, other: Model) -> bool:
    arrays = other.to_arrays()
    return all(array.tobytes() == arrays[name].tobytes() for name, array in one.to_arrays().items())


def test_both_engines_give_the_same_model_to_rounding(fitted):
    ours = fit(fitted.split.train, fitted.features, own(fitted)).model
    for name, array in ours.to_arrays().items():
        assert array == pytest.approx(getattr(fitted.model, name), rel=1e-3, abs=1e-4), name


def test_a_warm_start_goes_on_from_the_other_engines_model(fitted):
    one_more = {"epochs": 1}
    ours = fit(fitted.split.train, fitted.features, own(fitted, **one_more), start=fitted.model)
    theirs = fit(
        fitted.split.train,
        fitted.features,
        fitted.settings.model_copy(update=one_more),
        start=fitted.model,
    )
    assert ours.model.user_embeddings == pytest.approx(theirs.model.user_embeddings, abs=1e-4)


def test_a_retry_resumes_and_ends_in_the_same_bytes(fitted):
    whole = fit(fitted.split.train, fitted.features, own(fitted)).model
    shelf = Shelf()
    with pytest.raises(KeyboardInterrupt):
        fit(fitted.split.train, fitted.features, own(fitted), checkpoints=shelf)
    shelf.dies = False
    resumed = fit(fitted.split.train, fitted.features, own(fitted), checkpoints=shelf)
    assert same(resumed.model, whole)


def test_parameters_that_become_infinite_stop_the_fit(fitted):
    train = fitted.split.train
    broken = Model.from_arrays(
        {name: np.full_like(array, np.inf) for name, array in fitted.model.to_arrays().items()}
    )
    with pytest.raises(TrainingRefused, match="NaN or infinite"):
        fit(train, fitted.features, own(fitted), start=broken)


@pytest.mark.parametrize("changes", [{"loss": "bpr"}, {"item_alpha": 0.1}, {"user_alpha": 0.1}])
def test_what_only_lightfm_has_is_refused(fitted, changes):
    with pytest.raises(TrainingRefused, match=r"train\.engine"):
        fit(fitted.split.train, fitted.features, own(fitted, **changes))
