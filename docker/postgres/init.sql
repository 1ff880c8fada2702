-- A database and its owner for Airflow's metadata, another pair for the ratings, and one for the
-- results of Celery's tasks.
-- Run once by the Postgres image, through psql, when its volume is empty. The passwords come from
-- the environment; an absent one leaves its placeholder in the text and stops the script.

\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv recsys_password RECSYS_DB_PASSWORD
\getenv celery_password CELERY_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;

CREATE ROLE recsys LOGIN PASSWORD :'recsys_password';
CREATE DATABASE recsys OWNER recsys;

CREATE ROLE celery LOGIN PASSWORD :'celery_password';
CREATE DATABASE celery OWNER celery;

-- None may look into another's database.
REVOKE CONNECT, TEMPORARY ON DATABASE airflow, recsys, celery FROM PUBLIC;
