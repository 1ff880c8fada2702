"""Recommendations for all users; its tasks are in ``recsys_airflow.flows.batch``."""

from recsys_airflow.factory import make_dags

make_dags("batch")
