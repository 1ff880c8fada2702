"""The recommender's core: from two CSV files to a published version. It never imports Airflow."""
