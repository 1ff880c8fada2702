"""The parameters of a trained model, as plain arrays."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.matrices.interactions import Arrays


@dataclass(frozen=True, eq=False)
class Model:
    """What a fit learned; ``c`` components, one row for each user and each item feature.

    All float32. The ``gradients`` are Adagrad's sums of squared gradients, which a warm start carries on; they
    have no rows where another engine than WARP made the model, and of a blend the columns of WARP's half alone,
    the last ones.
    """

    user_embeddings: NDArray[np.float32]
    """shape ``(n_users, c)``"""
    user_biases: NDArray[np.float32]
    """shape ``(n_users,)``"""
    feature_embeddings: NDArray[np.float32]
    """shape ``(n_features, c)``"""
    feature_biases: NDArray[np.float32]
    """shape ``(n_features,)``"""
    user_embedding_gradients: NDArray[np.float32]
    """shape ``(n_users, c)``, or fewer columns"""
    user_bias_gradients: NDArray[np.float32]
    """shape ``(n_users,)``"""
    feature_embedding_gradients: NDArray[np.float32]
    """shape ``(n_features, c)``, or fewer columns"""
    feature_bias_gradients: NDArray[np.float32]
    """shape ``(n_features,)``"""

    def to_arrays(self) -> Arrays:
        """Plain arrays for an .npz; ``from_arrays`` gives the same model back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Model":
        """The model that ``to_arrays`` described; other arrays beside its own are left alone."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def copy(self) -> "Model":
        """The same parameters in arrays of their own, C order."""
        return Model.from_arrays({name: array.copy() for name, array in self.to_arrays().items()})

    def with_state(self) -> "Model":
        """The columns that have gradients: of a blend WARP's half, which a later fit can go on from."""
        width = self.user_embedding_gradients.shape[1]
        first = self.user_embeddings.shape[1] - width
        return replace(
            self,
            user_embeddings=self.user_embeddings[:, first:],
            feature_embeddings=self.feature_embeddings[:, first:],
        )

    def is_finite(self) -> bool:
        """Whether no array holds a NaN or an infinity."""
        return all(bool(np.isfinite(array).all()) for array in self.to_arrays().values())
