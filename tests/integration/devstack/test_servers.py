"""The embedded servers come up, hold what they are given, and go away."""

import os
from pathlib import Path

import boto3
import psycopg2
import pytest

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.devstack import postgres
from recsys_tasks.devstack.postgres import FORGETFUL, start_postgres
from recsys_tasks.devstack.s3 import start_s3
from recsys_tasks.errors import DatabaseUnavailable, StoreUnavailable

pytestmark = pytest.mark.services


def test_a_test_gets_an_empty_database_in_utc(database_url):
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_tables where schemaname = 'public'")
        assert cursor.fetchone() == (0,)
        cursor.execute("show timezone")
        assert cursor.fetchone() == ("UTC",)
    connection.close()


def test_a_wrong_password_is_refused(database_url):
    role, at, place = database_url.partition("@")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(role[:-1] + "x" + at + place)


def test_a_bucket_keeps_what_is_put_into_it(bucket: StoreAccess):
    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=bucket.secret_key,
        region_name="us-east-1",
    )
    client.put_object(Bucket=bucket.bucket, Key="a/b", Body=b"movie")
    assert client.get_object(Bucket=bucket.bucket, Key="a/b")["Body"].read() == b"movie"


def test_what_is_stored_is_open_to_its_owner_alone(tmp_path):
    tmp_path.chmod(0o711)
    (tmp_path / "objects").mkdir(mode=0o755)
    server = start_s3(tmp_path, "key", "secret-of-enough-letters", "recsys")
    server.stop()
    assert (tmp_path / "objects").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root's Postgres changes accounts")
def test_root_in_a_clone_that_is_closed_to_others_runs_a_copy_of_the_programs(
    service_home, monkeypatch
):
    monkeypatch.setattr(postgres, "open_to_all", lambda _: False)
    home = service_home / "closed"
    home.mkdir(mode=0o711)
    server = start_postgres(home, "secret", settings=FORGETFUL)
    programs = server.child.process.args[0]
    server.stop()
    assert Path(programs).is_relative_to(home)


def test_a_taken_port_is_one_clear_sentence(postgres_url, s3, service_home, tmp_path):
    port = int(s3.endpoint.rpartition(":")[2])
    with pytest.raises(StoreUnavailable, match=f"port {port} is taken"):
        start_s3(tmp_path, "key", "secret", "recsys", port=port)
    with pytest.raises(DatabaseUnavailable, match=f"port {port} is taken"):
        start_postgres(service_home, "secret", port=port)
