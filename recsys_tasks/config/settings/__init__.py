"""Every setting of a run, typed once: the CLI's flags, the DAG's form and the manifest come from here.

A ``Settings`` is a frozen tree of sections, one module each beside this one. ``Settings.load`` makes one
from a preset, a TOML file and dotted ``section.field`` overrides, in this order, later ones winning.
Unknown keys are refused.
"""

from recsys_tasks.config.settings.base import DatasetName, Frozen
from recsys_tasks.config.settings.data import CheckSettings, PositiveSettings, SplitSettings
from recsys_tasks.config.settings.evaluation import EvaluateSettings, GateRule, GateSettings
from recsys_tasks.config.settings.events import EventSettings
from recsys_tasks.config.settings.layers import (
    DEPLOYERS,
    PRESETS,
    names_in,
    parse_assignments,
    settings_file,
)
from recsys_tasks.config.settings.publishing import IndexSettings, PublishSettings
from recsys_tasks.config.settings.refusals import did_you_mean
from recsys_tasks.config.settings.source import (
    Columns,
    EventColumns,
    ItemColumns,
    MovieColumns,
    RatingColumns,
    SourceSettings,
)
from recsys_tasks.config.settings.spark import SparkSettings
from recsys_tasks.config.settings.training import (
    WIDER,
    BlendSettings,
    EngineName,
    RidgeSvdSettings,
    TrainSettings,
)
from recsys_tasks.config.settings.tuning import TuneSettings
from recsys_tasks.config.settings.whole import Settings, setting_names

__all__ = [
    "DEPLOYERS",
    "PRESETS",
    "WIDER",
    "BlendSettings",
    "CheckSettings",
    "Columns",
    "DatasetName",
    "EngineName",
    "EvaluateSettings",
    "EventColumns",
    "EventSettings",
    "Frozen",
    "GateRule",
    "GateSettings",
    "IndexSettings",
    "ItemColumns",
    "MovieColumns",
    "PositiveSettings",
    "PublishSettings",
    "RatingColumns",
    "RidgeSvdSettings",
    "Settings",
    "SourceSettings",
    "SparkSettings",
    "SplitSettings",
    "TrainSettings",
    "TuneSettings",
    "did_you_mean",
    "names_in",
    "parse_assignments",
    "setting_names",
    "settings_file",
]
