#!/usr/bin/env bash
# Airflow's tables and its first administrator; running it again changes neither.
set -euo pipefail

airflow db migrate
# The password is asked for twice and read from standard input, since `ps` shows command lines. Without
# a terminal, which `setsid` sees to, Airflow asks nobody.
setsid --wait airflow users create --role Admin \
    --username "$AIRFLOW_ADMIN_USER" \
    --firstname Recommender --lastname Administrator --email "$AIRFLOW_ADMIN_USER@example.invalid" \
    <<<"$AIRFLOW_ADMIN_PASSWORD"$'\n'"$AIRFLOW_ADMIN_PASSWORD"
