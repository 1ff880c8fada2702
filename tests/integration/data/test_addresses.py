"""Input files that lie elsewhere: in a bucket, on a web server, or nowhere."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.sources.addresses import localised, public_name
from recsys_tasks.errors import InputRejected, SettingsError, SourceUnavailable

pytestmark = pytest.mark.services
DATASET = "mls"


def put(access: StoreAccess, key: str, path: Path) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.put_object(Bucket=access.bucket, Key=key, Body=path.read_bytes())
    return f"s3://{access.bucket}/{key}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(bad: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(bad)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_files_in_a_bucket_are_loaded(database: Database, bucket: StoreAccess, bad: Path) -> None:
    good = bad / "good"
    source = SourceSettings(
        movies=put(bucket, "in/movies.csv", good / "movies.csv"),
        ratings=put(bucket, "in/ratings.csv", good / "ratings.csv"),
    )
    account = ingest(database, source, DATASET, "test", store=lambda: bucket)
    assert [file.loaded for file in account.files] == [20, 60]
    assert account.files[0].name == source.movies


def test_an_object_that_is_not_there_is_refused(bucket: StoreAccess, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="404"):
        localised(f"s3://{bucket.bucket}/nothing.csv", tmp_path, lambda: bucket)


def test_a_store_that_is_away_is_unavailable(tmp_path: Path) -> None:
    away = StoreAccess("http://127.0.0.1:1", "b", "k", "s")
    with pytest.raises(SourceUnavailable):
        localised("s3://b/movies.csv", tmp_path, lambda: away)


def test_an_archive_on_a_web_server_is_loaded(database: Database, site: str) -> None:
    source = SourceSettings(archive=f"{site}/a00_good.zip?token=secret")
    account = ingest(database, source, DATASET, "test")
    assert [file.loaded for file in account.files] == [20, 60]
    assert account.files[0].name == f"{site}/a00_good.zip:ml-x/movies.csv"


def test_a_path_without_a_file_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="no such file"):
        ingest(database, SourceSettings(movies=str(tmp_path / "no.csv")), DATASET, "test")


def test_a_dataset_that_was_not_migrated_is_a_mistake(database: Database, bad: Path) -> None:
    source = SourceSettings(movies=str(bad / "good/movies.csv"))
    with pytest.raises(SettingsError, match="recsys migrate --dataset other"):
        ingest(database, source, "other", "test")


def test_no_password_and_no_token_stands_in_a_name() -> None:
    name = public_name("https://user:secret@example.org/a/movies.csv?token=secret#part")
    assert name == "https://example.org/a/movies.csv"
    assert public_name("data/movies.csv") == "data/movies.csv"
