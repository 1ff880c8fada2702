"""Registers the recommender's pages where no entry point of the wheel does; see ``recsys_airflow.plugin``."""

from recsys_airflow import plugin

if not plugin.is_registered():
    RecommenderPages = plugin.RecommenderPages
