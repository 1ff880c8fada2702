"""Every environment variable that the project reads, each once: who reads it, its default, what it is for.

The configuration page is made from this list; a test holds it against the code.
"""

from typing import NamedTuple


class Variable(NamedTuple):
    """One environment variable."""

    name: str
    read_by: str
    default: str
    meaning: str


CONNECTIONS, DAGS, WORKERS, STACK = (
    "command line, Python client",
    "Airflow: all processes",
    "Airflow: workers",
    "embedded stack",
)

VARIABLES = (
    Variable(
        "AIRFLOW_CONN_RECSYS_DB",
        WORKERS,
        "",
        "Connection to Postgres, in JSON form. A connection `recsys_db` made in Airflow does the same.",
    ),
    Variable(
        "AIRFLOW_CONN_RECSYS_S3",
        WORKERS,
        "",
        "Connection to the bucket, in JSON form; its extra names `bucket`.",
    ),
    Variable("RECSYS_DB_URL", CONNECTIONS, "that of the embedded stack", "URL of Postgres."),
    Variable(
        "RECSYS_S3_ENDPOINT", CONNECTIONS, "that of the embedded stack", "Address of the S3 store."
    ),
    Variable("RECSYS_S3_BUCKET", CONNECTIONS, "recsys", "Bucket of the versions."),
    Variable(
        "AWS_ACCESS_KEY_ID", CONNECTIONS, "that of the embedded stack", "Key of the S3 store."
    ),
    Variable("AWS_SECRET_ACCESS_KEY", CONNECTIONS, "that of the embedded stack", "Its secret."),
    Variable(
        "RECSYS_S3_ROLE_ARN",
        CONNECTIONS,
        "",
        "Role to assume for the store; `AWS_ROLE_ARN` does the same.",
    ),
    Variable("RECSYS_S3_EXTERNAL_ID", CONNECTIONS, "", "External id to assume that role with."),
    Variable(
        "RECSYS_PROMOTION_WEBHOOK",
        f"{WORKERS}; command line",
        "",
        "Address that is told of every move of a champion, as a CloudEvent.",
    ),
    Variable(
        "RECSYS_PROMOTION_SECRET",
        f"{WORKERS}; command line",
        "",
        "Key of the HMAC signature of those messages.",
    ),
    Variable(
        "RECSYS_SETTINGS",
        f"{DAGS}; command line",
        "",
        "TOML file with settings; its values become the form's defaults.",
    ),
    Variable(
        "RECSYS_SETTINGS_DIR",
        DAGS,
        "",
        "Folder of TOML files with settings, one for each dataset, which then has DAGs of its own.",
    ),
    Variable("RECSYS_SCHEDULE", DAGS, "0 3 * * *", "When the nightly run starts: cron, UTC."),
    Variable(
        "RECSYS_APPROVAL_HOURS",
        DAGS,
        "0",
        "Hours that a run waits for a person's yes before it promotes; 0: nobody is asked.",
    ),
    Variable("RECSYS_LATE_HOURS", DAGS, "6", "Hours after which a run counts as late."),
    Variable(
        "RECSYS_PLACEMENT",
        DAGS,
        "",
        "JSON: queue, executor, memory and processors of single tasks.",
    ),
    Variable(
        "RECSYS_EVALUATION_SHARDS", DAGS, "1", "Mapped tasks that the evaluation is divided among."
    ),
    Variable("RECSYS_TRIALS_AT_ONCE", DAGS, "1", "Trials of `recsys_tune` that run side by side."),
    Variable(
        "RECSYS_ALERT_WEBHOOK",
        WORKERS,
        "",
        "Address that is told of rejected, failed and late runs.",
    ),
    Variable(
        "RECSYS_ALERT_EMAIL",
        WORKERS,
        "",
        "Receivers of the same by mail, with commas between them.",
    ),
    Variable("RECSYS_ALERT_FROM", WORKERS, "recsys@localhost", "Sender of those mails."),
    Variable(
        "RECSYS_SMTP_URL",
        WORKERS,
        "",
        "Mail server: `smtp://host:25` or `smtps://user:password@host:465`.",
    ),
    Variable(
        "RECSYS_SOURCE_FOLDERS",
        WORKERS,
        "/data; in the embedded stack its own data folders",
        "Folders from which a run may read files, with `:` between them.",
    ),
    Variable(
        "RECSYS_SOURCE_HOSTS",
        WORKERS,
        "every host with a public address",
        "Hosts and buckets from which a run may read, with commas between them.",
    ),
    Variable(
        "RECSYS_REVISION",
        f"{WORKERS}; command line",
        "the clone's git commit",
        "Revision of the code that a manifest names.",
    ),
    Variable(
        "RECSYS_HOME",
        f"{STACK}; command line",
        ".recsys here or above",
        "Folder of the embedded stack.",
    ),
    Variable(
        "RECSYS_WORKER_SILENCE",
        STACK,
        "300",
        "Seconds without a sign of life after which a worker's task is given to another.",
    ),
    Variable(
        "RECSYS_WORKER_S3_ENDPOINT",
        STACK,
        "",
        "Where its workers reach the bucket, if not where the rest does.",
    ),
    Variable(
        "RECSYS_SETUP_EXTRAS", "`make setup`", "", "`spark` installs the extra for Spark too."
    ),
)
"""In the order of the page."""
