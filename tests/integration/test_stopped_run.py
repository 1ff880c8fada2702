"""A training by hand, stopped by a signal and finished by the command that it names."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.services

LONG = {"train.components": 64, "train.patience": 0, "train.epochs": 1000}
"""A minute or more of the sample, so that every signal finds it training."""


def started(database_url, bucket, folder, *named):
    """``recsys train`` in a process of its own, its log piped."""
    files = {f"source.{name}": folder / f"{name}.csv" for name in ("movies", "ratings")}
    told = [f"--set={name}={value}" for name, value in (LONG | files).items()]
    connections = {
        "RECSYS_DB_URL": database_url,
        "RECSYS_S3_ENDPOINT": bucket.endpoint,
        "RECSYS_S3_BUCKET": bucket.bucket,
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
    }
    command = [sys.executable, "-P", "-m", "recsys_tasks.cli.main", "train", "--dataset", "small"]
    return subprocess.Popen(
        [*command, "--preset", "quick", *told, *named],
        env={**os.environ, **connections},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_ends_with_its_epoch_kept_and_the_command_it_names_resumes_it(
    number, database_url, bucket, sample
):
    process = started(database_url, bucket, sample)
    for line in process.stderr:
        if line.startswith("epoch 3 of"):
            process.send_signal(number)
            break
    log = process.stderr.read()
    assert process.wait() == 130, log
    kept = re.findall(r"checkpoint after epoch (\d+):", log)
    assert int(kept[-1]) >= 3
    options = shlex.split(re.search(r"same command with (.*) finishes this run", log)[1])

    again = started(database_url, bucket, sample, *options)
    for line in again.stderr:
        if line.startswith("resuming after epoch"):
            break
    again.send_signal(signal.SIGTERM)
    again.stderr.read()
    assert again.wait() == 130
    assert line.startswith(f"resuming after epoch {kept[-1]} of")
