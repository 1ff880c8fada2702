"""Shows a broken file of ``RECSYS_SETTINGS_DIR`` as an import error of this file; the DAGs of the others run."""

from recsys_airflow.factory import check_settings

check_settings()
