-- A database and its owner for Airflow's metadata, and another pair for the ratings.
-- Run once by the Postgres image, through psql, when its volume is empty. The passwords come from
-- the environment; an absent one leaves its placeholder in the text and stops the script.

\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv recsys_password RECSYS_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;

CREATE ROLE recsys LOGIN PASSWORD :'recsys_password';
CREATE DATABASE recsys OWNER recsys;

-- Neither may look into the other's database.
REVOKE CONNECT, TEMPORARY ON DATABASE airflow, recsys FROM PUBLIC;
