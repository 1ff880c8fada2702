"""The embedded Postgres, S3 server and Airflow, for a machine without Docker."""
