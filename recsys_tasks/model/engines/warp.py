"""The two ways of running an epoch: LightFM, the reference, and this project's own WARP kernel.

A worker owns the parameters while a fit runs, and the random generator that the fit draws from. Both
begin with the same random numbers, LightFM's: features first, then users, at the first epoch.
"""

from typing import Protocol

import numpy as np
from lightfm import LightFM

from recsys_tasks.config.settings import TrainSettings
from recsys_tasks.errors import TrainingRefused
from recsys_tasks.matrices.interactions import Csr, Interactions
from recsys_tasks.model.engines.warp_engine import WarpEngine, WarpSettings, initial_parameters
from recsys_tasks.model.parameters import Model

LIGHTFM_NAMES = {
    "user_embeddings": "user_embeddings",
    "user_biases": "user_biases",
    "feature_embeddings": "item_embeddings",
    "feature_biases": "item_biases",
    "user_embedding_gradients": "user_embedding_gradients",
    "user_bias_gradients": "user_bias_gradients",
    "feature_embedding_gradients": "item_embedding_gradients",
    "feature_bias_gradients": "item_bias_gradients",
}
"""Our name of each array, and LightFM's."""


class Worker(Protocol):
    """What a fit by epochs needs of whatever does the work."""

    @property
    def random_state(self) -> np.random.RandomState:
        """The generator of shuffles and negatives."""
        ...

    def model(self) -> Model:
        """The parameters as they are, not copied; after the first epoch, or ``put``."""
        ...

    def put(self, model: Model) -> None:
        """Goes on from copies of these parameters."""
        ...

    def run_epoch(self) -> None:
        """One pass over the interactions, in place.

        Raises:
            TrainingRefused: LightFM finds parameters that are not finite.
        """
        ...


def worker_for(train: Interactions, features: Csr, settings: TrainSettings) -> Worker:
    """The worker that the settings ask for.

    Raises:
        TrainingRefused: a loss, a weight or a penalty that it does not have.
    """
    if settings.loss == "warp-kos" and (train.weight != 1).any():
        raise TrainingRefused(
            "the loss warp-kos takes no sample weights: set positives.weak_weight to 0 or 1"
        )
    if settings.warp_engine == "lightfm":
        return LightFMWorker(train, features, settings)
    if settings.loss != "warp" or settings.item_alpha or settings.user_alpha:
        raise TrainingRefused(
            "the engine recsys has the loss warp without penalties: set train.engine to lightfm, "
            "or train.loss to warp and train.item_alpha and train.user_alpha to 0"
        )
    return KernelWorker(train, features, settings)


class LightFMWorker:
    """LightFM, ``fit_partial`` by ``fit_partial``."""

    def __init__(self, train: Interactions, features: Csr, settings: TrainSettings) -> None:
        self.features, self.threads = features, settings.threads
        self.interactions = train.coo()
        self.weights = None if (train.weight == 1).all() else train.weights()
        self.lightfm = LightFM(
            no_components=settings.components,
            loss=settings.loss,
            learning_rate=settings.learning_rate,
            max_sampled=settings.max_sampled,
            item_alpha=settings.item_alpha,
            user_alpha=settings.user_alpha,
            random_state=settings.seed,
        )

    @property
    def random_state(self) -> np.random.RandomState:
        """LightFM's own."""
        state: np.random.RandomState = self.lightfm.random_state
        return state

    def model(self) -> Model:
        """LightFM's arrays under our names."""
        return Model.from_arrays(
            {ours: getattr(self.lightfm, its) for ours, its in LIGHTFM_NAMES.items()}
        )

    def put(self, model: Model) -> None:
        """Copies into LightFM, with Adadelta's unused momenta at zero."""
        for ours, its in LIGHTFM_NAMES.items():
            array = np.array(getattr(model, ours), dtype=np.float32, order="C")
            setattr(self.lightfm, its, array)
            if its.endswith("gradients"):
                setattr(self.lightfm, its.replace("gradients", "momentum"), np.zeros_like(array))

    def run_epoch(self) -> None:
        """One ``fit_partial``."""
        try:
            self.lightfm.fit_partial(
                self.interactions,
                item_features=self.features,
                sample_weight=self.weights,
                num_threads=self.threads,
            )
        except ValueError as refusal:  # LightFM's only word for parameters that are not finite
            raise TrainingRefused(str(refusal)) from refusal


class KernelWorker:
    """This project's WARP, in place on a model's own arrays."""

    def __init__(self, train: Interactions, features: Csr, settings: TrainSettings) -> None:
        step = WarpSettings(settings.learning_rate, settings.max_sampled)
        self.engine = WarpEngine(train.coo(), train.weight, features, step)
        self.sizes = (train.shape[0], features.shape[1], settings.components)
        self.threads = settings.threads
        self.random_state = np.random.RandomState(settings.seed)
        self.parameters: Model | None = None

    def model(self) -> Model:
        """The arrays that epochs change; made from the generator when first asked for."""
        if self.parameters is None:
            n_users, n_features, width = self.sizes
            items = initial_parameters(self.random_state, n_features, width)
            users = initial_parameters(self.random_state, n_users, width)
            self.parameters = Model(
                user_embeddings=users[0],
                user_biases=users[1],
                user_embedding_gradients=users[2],
                user_bias_gradients=users[3],
                feature_embeddings=items[0],
                feature_biases=items[1],
                feature_embedding_gradients=items[2],
                feature_bias_gradients=items[3],
            )
        return self.parameters

    def put(self, model: Model) -> None:
        """Copies, so that the caller's arrays stay as they are."""
        self.parameters = model.copy()

    def run_epoch(self) -> None:
        """One pass of the kernel."""
        model = self.model()
        users = (
            model.user_embeddings,
            model.user_biases,
            model.user_embedding_gradients,
            model.user_bias_gradients,
        )
        items = (
            model.feature_embeddings,
            model.feature_biases,
            model.feature_embedding_gradients,
            model.feature_bias_gradients,
        )
        self.engine.epoch(users, items, self.random_state, self.threads)
