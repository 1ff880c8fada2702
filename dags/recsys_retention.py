"""The weekly clean-up; its tasks are in ``recsys_airflow.flows.retention``."""

from recsys_airflow.factory import make_dags

make_dags("retention")
