"""Every engine keeps the one protocol, and a blend is the sum of its halves."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from recsys_tasks.config.interruption import interruptible
from recsys_tasks.config.settings import EvaluateSettings, Settings, TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.evaluation.evaluate import validator
from recsys_tasks.evaluation.served import Audience
from recsys_tasks.matrices.split import Split
from recsys_tasks.model.engines import engine_for
from recsys_tasks.model.engines.blend import mean_spread
from recsys_tasks.model.engines.protocol import Draw, Scored
from recsys_tasks.model.fit import fit
from recsys_tasks.model.memory import estimate_memory
from recsys_tasks.model.representations import with_biases
from recsys_tasks.model.widths import widths_tried


class Shelves:
    """Keeps checkpoints in memory, one for each part; breaks off after some saves."""

    def __init__(self, kept=None, name="", dies_after=None):
        self.kept = {} if kept is None else kept
        self.name, self.dies_after = name, dies_after

    def part(self, name):
        return Shelves(self.kept, name, self.dies_after)

    def save(self, epoch, arrays):
        self.kept[self.name] = {key: np.copy(array) for key, array in arrays.items()}
        if (self.name, epoch) == self.dies_after:
            raise KeyboardInterrupt

    def load(self):
        return self.kept.get(self.name)


def settings_for(engine, **changes):
    narrow = {"train.ridge_svd.components": 24, "train.components": 8, "train.epochs": 2}
    overrides = {"train.engine": engine, "train.patience": 0, **narrow, **changes}
    return Settings.load(overrides=overrides).train


def embeddings_of(case, engine, **changes):
    found = fit(case.split.train, case.features, settings_for(engine, **changes))
    return found, with_biases(found.model, case.features)


def same(one, other):
    theirs = other.to_arrays()
    return all(array.tobytes() == theirs[name].tobytes() for name, array in one.to_arrays().items())


@pytest.mark.parametrize("engine", ["lightfm", "recsys", "ridge-svd", "blend", "auto"])
def test_every_engine_makes_a_model_that_repeats_itself(fitted, engine):
    found, embeddings = embeddings_of(fitted, engine)

    assert found.model.is_finite()
    assert embeddings.users.shape[1] == found.chosen.width + 2
    assert same(found.model, fit(fitted.split.train, fitted.features, found.chosen).model)


@pytest.mark.parametrize("engine", ["lightfm", "recsys", "ridge-svd", "blend"])
def test_every_engine_scores_what_it_made_on_the_validation_part(fitted, engine):
    asked = []

    def validate(model, sums=None):
        asked.append(model.user_embeddings.shape[1])
        return Scored(0.5)

    found = fit(fitted.split.train, fitted.features, settings_for(engine), validate)

    assert asked[-1] == found.model.user_embeddings.shape[1]


@pytest.mark.parametrize("engine", ["recsys", "ridge-svd", "blend"])
def test_every_engine_refuses_to_train_on_nothing(fitted, engine):
    nothing = fitted.split.train.take(np.arange(0))

    with pytest.raises(TrainingRefused, match="no positive interactions"):
        fit(nothing, fitted.features, settings_for(engine))


@pytest.mark.parametrize(
    ("engine", "dies_after"),
    [("ridge-svd", ("", 3)), ("blend", ("warp", 1)), ("blend", ("ridge", 5))],
)
def test_a_retry_resumes_and_ends_in_the_same_bytes(fitted, engine, dies_after):
    wanted, shelves = settings_for(engine), Shelves(dies_after=dies_after)
    whole = fit(fitted.split.train, fitted.features, wanted)
    with pytest.raises(KeyboardInterrupt):
        fit(fitted.split.train, fitted.features, wanted, checkpoints=shelves)

    again = Shelves(shelves.kept)
    assert same(fit(fitted.split.train, fitted.features, wanted, None, again).model, whole.model)


def test_a_stop_in_the_middle_of_a_pass_keeps_that_pass(fitted, monkeypatch):
    shelves = Shelves()
    save = shelves.save

    def stopped_while_saving(epoch, arrays):
        os.kill(os.getpid(), signal.SIGTERM)
        save(epoch, arrays)

    monkeypatch.setattr(shelves, "save", stopped_while_saving)
    with pytest.raises(KeyboardInterrupt), interruptible():
        fit(fitted.split.train, fitted.features, settings_for("ridge-svd"), None, shelves)
    assert (
        shelves.kept[""]["number"] == 2
    )  # asked while the first was kept, so the second is the last


def test_a_checkpoint_of_other_settings_is_not_resumed_from(fitted):
    shelves = Shelves()
    fit(fitted.split.train, fitted.features, settings_for("ridge-svd"), None, shelves)
    other = settings_for("ridge-svd", **{"train.ridge_svd.ridge": 50.0})

    resumed = fit(fitted.split.train, fitted.features, other, None, shelves)

    assert same(resumed.model, fit(fitted.split.train, fitted.features, other).model)


@pytest.mark.parametrize("name", ["fingerprint", "number", "block"])
def test_a_damaged_checkpoint_of_passes_begins_the_fit_anew(fitted, name):
    wanted, shelves = settings_for("ridge-svd"), Shelves()
    whole = fit(fitted.split.train, fitted.features, wanted, None, shelves)
    del shelves.kept[""][name]

    again = fit(fitted.split.train, fitted.features, wanted, None, shelves)

    assert same(again.model, whole.model)


def test_a_blends_scores_are_warps_and_ridge_svds_at_warps_spread(fitted):
    found, blended = embeddings_of(fitted, "blend", **{"train.blend.warp_weight": 2.0})
    _, warp = embeddings_of(fitted, "recsys")
    _, ridge = embeddings_of(fitted, "ridge-svd")
    users = np.unique(fitted.split.train.row).astype(np.int32)

    rest = blended.scores(users) - warp.scores(users)

    np.testing.assert_allclose(
        rest, found.facts["ridge_scale"] * ridge.scores(users), rtol=1e-3, atol=1e-3
    )
    spreads = rest.std(axis=1).mean(), warp.scores(users).std(axis=1).mean()
    assert spreads[1] / spreads[0] == pytest.approx(2.0, rel=1e-3)


def test_the_spread_of_scores_is_that_of_the_scores_themselves():
    random = np.random.default_rng(0)
    users, items = random.normal(1, 2, (50, 6)), random.normal(-1, 3, (80, 6))

    found = mean_spread(users.astype(np.float32), items.astype(np.float32))

    assert found == pytest.approx((users @ items.T).std(axis=1).mean(), rel=1e-5)


def test_a_blend_carries_warps_half_on_to_a_later_fit(fitted):
    blended, _ = embeddings_of(fitted, "blend")
    warp, _ = embeddings_of(fitted, "recsys")

    assert same(blended.model.with_state(), warp.model)


def of_histories(found, embeddings, train):
    """Vectors of histories alone, ``(n_users, components)``."""
    audience = Audience.of(train)
    learnt = audience.learn(embeddings, found.sums)
    rows = [learnt.vector(embeddings.items, *audience.liked.of(u)) for u in range(train.shape[0])]
    return np.stack(rows)[:, :-2]


def test_a_history_makes_the_vector_that_the_trained_user_has(fitted):
    found, embeddings = embeddings_of(fitted, "ridge-svd")
    made = of_histories(found, embeddings, fitted.split.train)
    np.testing.assert_allclose(made, embeddings.users[:, :-2], atol=1e-4)


def test_a_mean_of_items_leads_near_the_vectors_that_warp_trained(fitted):
    found, embeddings = embeddings_of(fitted, "recsys", **{"train.epochs": 10})
    made = of_histories(found, embeddings, fitted.split.train)
    users = embeddings.users[:, :-2]
    trained = np.bincount(fitted.split.train.row, minlength=len(users)) > 4
    left = ((made - users)[trained] ** 2).sum()
    assert left < 0.5 * ((users - users[trained].mean(axis=0))[trained] ** 2).sum()


@pytest.mark.parametrize("engine", ["recsys", "ridge-svd", "blend", "auto"])
def test_validation_knows_the_sums_of_the_model(fitted, engine):
    """Someone with weaker positives only is measured by the vector that a newcomer would get."""
    train = fitted.split.train
    weak = train.row == np.bincount(train.row).argmax()
    positive = train.is_positive & ~weak
    nothing = fitted.split.test.take(np.arange(0))
    split = Split(replace(train, is_positive=positive), fitted.split.test, nothing)
    asked = []

    def validate(model, sums=None):
        asked.append((model, sums))
        return validator(split, fitted.features, fitted.seen, EvaluateSettings())(model, sums)

    found = fit(split.train, fitted.features, settings_for(engine), validate)
    model, sums = next(pair for pair in asked if pair[0] is found.model)
    audience = Audience.of(split.train)
    served = audience.served(with_biases(model, fitted.features), sums)
    whole = audience.learn(with_biases(found.model, fitted.features), found.sums)
    user = int(train.row[weak][0])
    expected = whole.vector(served.embeddings.items, *audience.liked.of(user))
    np.testing.assert_allclose(served.folded[served.place[user]], expected, atol=1e-4)


def test_a_refusal_for_memory_names_the_components_of_ridge_svd():
    wide = TrainSettings(engine="ridge-svd", ridge_svd={"components": 2048})
    estimate = estimate_memory((10**6, 10**6), 10**6, 10**7, 10**8, wide, EvaluateSettings())

    with pytest.raises(TrainingRefused, match=r"train\.ridge_svd\.components"):
        estimate.refuse_beyond(8_000_000_000)


def validated_as(*series):
    """Values by user of one validation after another: so many for WARP's epochs, then the candidates'."""
    left = list(series)

    def validate(_, sums=None):
        values = np.asarray(left.pop(0), np.float32)
        return Scored(float(values.mean()), None, values)

    return validate


LEVEL = np.linspace(0, 1, 250)
"""A metric of users who are not few."""

AUTO = {"train.ridge_svd.components": 512, "train.epochs": 1}
"""As wide as auto goes: nothing but weights is left to choose."""


def test_auto_keeps_the_starting_point_where_others_are_better_by_chance(fitted):
    noise = np.random.default_rng(0).normal(0.001, 0.2, (5, 250))
    validate = validated_as(LEVEL, LEVEL, *(LEVEL + row for row in noise))

    found = fit(fitted.split.train, fitted.features, settings_for("auto", **AUTO), validate)

    assert (found.chosen.engine, found.chosen.blend.warp_weight) == ("blend", 1.5)
    assert [told["warp_weight"] for told in found.facts["candidates"]] == [
        1.5,
        0,
        0.25,
        0.5,
        1,
        2.5,
    ]


def test_auto_takes_the_weight_that_is_better_beyond_chance(fitted):
    gains = (0.0, 0.1, 0.3, 0.2, -0.1)
    validate = validated_as(LEVEL, LEVEL, *(LEVEL + gain for gain in gains))

    found = fit(fitted.split.train, fitted.features, settings_for("auto", **AUTO), validate)

    assert found.chosen.blend.warp_weight == 0.5
    assert same(found.model, fit(fitted.split.train, fitted.features, found.chosen).model)


def test_auto_leaves_warp_out_where_ridge_svd_alone_is_better(fitted):
    validate = validated_as(LEVEL, LEVEL, LEVEL + 0.2, *([LEVEL] * 4))

    found = fit(fitted.split.train, fitted.features, settings_for("auto", **AUTO), validate)

    assert found.chosen.engine == "ridge-svd"
    assert same(found.model, fit(fitted.split.train, fitted.features, found.chosen).model)


def test_auto_begins_without_warp_where_few_users_validate(fitted):
    few = LEVEL[:50]
    noise = np.random.default_rng(0).normal(0.001, 0.2, (5, 50))
    validate = validated_as(few, few + 0.1, few, *(few + row for row in noise))

    found = fit(fitted.split.train, fitted.features, settings_for("auto", **AUTO), validate)

    assert found.chosen.engine == "ridge-svd"
    told = {one["warp_weight"]: one for one in found.facts["candidates"]}
    assert set(told) == {0, 0.25, 0.5, 1, 1.5, 2.5}
    assert "low" not in told[0]
    assert found.facts["validations"] == 1


class DrawnAnew:
    """A validation of few users, whose draws say of the candidates what they are told to."""

    def __init__(self, train, own, drawn):
        self.train, self.drawn, self.score = train, drawn, validated_as(*own)

    def __call__(self, model, sums=None):
        return self.score(model, sums)

    def draw(self, number):
        return Draw(self.train, validated_as(*self.drawn))


def candidates(gain):
    """Values of 50 users: of the starting point, then of five weights, the second of them better by ``gain``."""
    few = LEVEL[:50]
    return [few, few, few + gain, few, few, few]


def test_of_few_users_all_draws_choose_together(fitted):
    train, few = fitted.split.train, LEVEL[:50]
    own = [few, few, *candidates(-0.01)]  # WARP's epoch, the settings' weight, then the choice
    for gain, weight in ((0.1, 0.5), (0.0, None)):
        validate = DrawnAnew(train, own, candidates(gain))
        found = fit(train, fitted.features, settings_for("auto", **AUTO), validate)
        assert found.facts["validations"] == 5
        assert found.chosen.engine == ("blend" if weight else "ridge-svd")
        assert not weight or found.chosen.blend.warp_weight == weight


def test_a_validation_that_a_warm_start_has_been_trained_on_is_not_drawn_anew(fitted):
    train, few = fitted.split.train, LEVEL[:50]
    own = [few, few, *candidates(0.0)]
    start = fit(train, fitted.features, settings_for("recsys", **{"train.epochs": 1})).model
    validate = DrawnAnew(train, own, [])
    engine = engine_for(settings_for("auto", **AUTO))
    found = engine.fit(train, fitted.features, validate, None, start)
    assert found.facts["validations"] == 1


def test_auto_tries_512_components_where_users_and_items_allow_it():
    auto, blend = (TrainSettings(engine=engine) for engine in ("auto", "blend"))
    assert widths_tried(auto, 700, 9000) == (192, 256, 512)
    assert widths_tried(auto, 500, 9000) == (192, 256)
    assert widths_tried(auto, 162_541, 62_423) == (192, 256)
    assert widths_tried(blend, 700, 9000) == (192,)


def test_auto_widens_only_for_a_gain_beyond_chance(fitted):
    for gain, width in ((0.2, 256), (0.0, 24)):
        validate = validated_as(*([LEVEL] * 3), LEVEL + gain, *([LEVEL] * 6))

        found = fit(fitted.split.train, fitted.features, settings_for("auto"), validate)

        assert found.chosen.ridge_svd.components == width
