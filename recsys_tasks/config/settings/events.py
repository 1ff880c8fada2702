"""The section ``events``: what each type of event is worth, and how repeated ones are combined."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from recsys_tasks.config.settings.base import Frozen

Weight = Annotated[float, Field(ge=0, le=1)]


class EventSettings(Frozen):
    """How events become interactions; without meaning for a dataset of ratings."""

    weights: dict[str, Weight] = Field(default_factory=dict, max_length=100)
    """Weight of each type of event, such as {"view": 0.1, "cart": 0.4, "buy": 1}; another type is
    rejected. Empty: every type counts, with a value by the thresholds of stars, without one fully."""

    repeats: Literal["sum", "last", "max"] = "sum"
    """What several events of one user with one item are worth: their sum, 1 at most; the last one; the
    greatest. Values of stars count by the last one in any case."""

    held_out: str = ""
    """Type of event that the test part is made of, such as buy. Empty: the type of the greatest weight."""

    @field_validator("weights")
    @classmethod
    def _has_names_and_weight(cls, weights: dict[str, float]) -> dict[str, float]:
        """Refuses a type without a name, and weights that are all zero."""
        if any(not name.strip() for name in weights):
            raise ValueError("each type of event needs a name")
        if weights and not any(weights.values()):
            raise ValueError("every type has weight 0: nothing would be learnt from")
        return weights

    @property
    def held_out_types(self) -> frozenset[str]:
        """Types that the test part is made of, where weights are given."""
        if self.held_out:
            return frozenset((self.held_out,))
        top = max(self.weights.values(), default=0.0)
        return frozenset(name for name, weight in self.weights.items() if weight == top)
