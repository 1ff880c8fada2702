"""Registers notes on runs and their lateness where no entry point of the wheel does; see ``recsys_airflow.plugin``."""

from recsys_airflow import plugin

if not plugin.is_registered():
    RunNotes = plugin.RunNotes
