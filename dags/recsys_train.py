"""The nightly run: two CSV files become a published recommender; its tasks are in ``recsys_airflow.flows.train``."""

from recsys_airflow.factory import make_dags

make_dags("train")
