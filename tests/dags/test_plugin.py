"""The plugins are found once: by the wheel's entry points, or else by the files of the plugins folder."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytestmark = pytest.mark.airflow

NAMES = ["recommender_notes", "recommender_pages"]
LISTED = """
import json
BEFORE
from airflow.plugins_manager import _get_plugins
plugins, errors = _get_plugins()
own = {plugin.name: str(plugin.source) for plugin in plugins if plugin.name.startswith("recommender")}
print(json.dumps([own, errors]))
"""
WITHOUT_ENTRY_POINTS = """
import importlib.metadata as metadata
every = metadata.distributions
metadata.distributions = lambda **_: (one for one in every() if one.name != "recsys-tasks")
import airflow.plugins_manager
airflow.plugins_manager._load_entrypoint_plugins = lambda: ([], {})
"""
"""As where the code lies in folders, and no wheel of it is installed."""


def listed(before: str = "") -> list[dict[str, str]]:
    """Own plugins with their sources, and errors, of an Airflow with the repository's plugins folder."""
    code = LISTED.replace("BEFORE", before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_the_project_names_its_plugins_by_entry_points():
    own = {
        one.name: one.load() for one in entry_points(group="airflow.plugins") if one.name in NAMES
    }
    assert {name: plugin.name for name, plugin in own.items()} == {name: name for name in NAMES}


def test_with_both_each_plugin_is_loaded_once_and_without_a_complaint():
    own, errors = listed()
    assert sorted(own) == NAMES
    assert all("recsys-tasks" in source for source in own.values())
    assert errors == {}


def test_without_entry_points_the_files_of_the_folder_register_them():
    own, errors = listed(WITHOUT_ENTRY_POINTS)
    assert own == {name: f"$PLUGINS_FOLDER/{name}.py" for name in NAMES}
    assert errors == {}
