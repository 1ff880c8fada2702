"""The search for training settings; its tasks are in ``recsys_airflow.flows.tune``."""

from recsys_airflow.factory import make_dags

make_dags("tune")
