#!/usr/bin/env bash
# Airflow's tables and its first administrator; running it again changes neither.
set -euo pipefail

airflow db migrate
airflow users create --role Admin \
    --username "$AIRFLOW_ADMIN_USER" --password "$AIRFLOW_ADMIN_PASSWORD" \
    --firstname Recommender --lastname Administrator --email "$AIRFLOW_ADMIN_USER@example.invalid"
