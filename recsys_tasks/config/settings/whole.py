"""``Settings``: all sections of one run, in one value that does not contradict itself."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError, model_validator

from recsys_tasks.config.contradictions import contradictions
from recsys_tasks.config.settings.base import DatasetName, Frozen, moment
from recsys_tasks.config.settings.data import CheckSettings, PositiveSettings, SplitSettings
from recsys_tasks.config.settings.evaluation import EvaluateSettings, GateSettings
from recsys_tasks.config.settings.events import EventSettings
from recsys_tasks.config.settings.layers import flattened, merged, read_toml
from recsys_tasks.config.settings.publishing import IndexSettings, PublishSettings
from recsys_tasks.config.settings.refusals import explain
from recsys_tasks.config.settings.source import SourceSettings
from recsys_tasks.config.settings.spark import SparkSettings
from recsys_tasks.config.settings.training import TrainSettings
from recsys_tasks.config.settings.tuning import TuneSettings
from recsys_tasks.errors import SettingsError


class Settings(Frozen):
    """One run's settings, whole."""

    dataset: DatasetName = "movielens"
    """Name of the dataset: the schema in Postgres and the prefix in the bucket."""

    source: SourceSettings = SourceSettings()
    events: EventSettings = EventSettings()
    positives: PositiveSettings = PositiveSettings()
    checks: CheckSettings = CheckSettings()
    split: SplitSettings = SplitSettings()
    train: TrainSettings = TrainSettings()
    spark: SparkSettings = SparkSettings()
    tune: TuneSettings = TuneSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    gate: GateSettings = GateSettings()
    index: IndexSettings = IndexSettings()
    publish: PublishSettings = PublishSettings()

    @classmethod
    def load(
        cls,
        preset: str = "nightly",
        file: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Self:
        """Settings from a preset, a TOML file and dotted overrides; later ones win.

        Args:
            preset: a key of ``PRESETS``.
            file: TOML with a table for each section.
            overrides: ``{"train.epochs": 3, "dataset": "mls"}``.

        A name of the release before is taken for the new one, with a warning (``renamed``).

        Raises:
            SettingsError: an unknown key or preset, a value out of bounds, an unreadable file. The
                message names each field and says what is wrong with it.
        """
        tree = merged(preset, file, overrides or {})
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise SettingsError(explain(error, setting_names())) from None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Settings that contradict each other are refused here, before a run begins."""
        if found := contradictions(self):
            raise ValueError("; ".join(found))
        return self

    @classmethod
    def dataset_in(cls, file: Path | None) -> str:
        """The dataset that a TOML file names; the default one without a file or a name in it.

        Raises:
            SettingsError: the file cannot be read, or its dataset is no dataset's name.
        """
        tree = read_toml(file) if file else {}
        named = {"dataset": tree["dataset"]} if "dataset" in tree else {}
        return cls.load(overrides=named).dataset

    def as_of_time(self) -> datetime | None:
        """``positives.as_of`` as a moment in UTC; None: everything."""
        text = self.positives.as_of
        return None if not text else moment(text)

    def rated_until_time(self) -> datetime | None:
        """``positives.rated_until`` as a moment in UTC; None: everything."""
        text = self.positives.rated_until
        return None if not text else moment(text)

    def flat(self) -> dict[str, Any]:
        """The same settings as ``{"section.field": value}``."""
        return dict(flattened(self.model_dump(mode="json")))


def setting_names() -> tuple[str, ...]:
    """The dotted names of all settings and sections."""
    return tuple(_names(Settings))


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name}.")
