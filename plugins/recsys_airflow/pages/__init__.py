"""Airflow's pages about the recommender: what is published, which of it is the champion, and why.

``routes`` answers requests, ``access`` decides who may ask, ``catalogue`` reads the bucket,
``runs`` finds the report of a DAG run. Everything here is imported at the first request.
"""

from recsys_airflow.pages.routes import application

__all__ = ["application"]
