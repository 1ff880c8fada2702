"""The asset that a promotion updates and that consumers' DAGs wait for."""

from airflow.sdk import Asset

CHAMPION = Asset(name="recsys_champion", uri="recsys://champion")
"""Its event's extra holds dataset, version, manifest key, sha256 and metrics."""
