"""What a run writes anywhere never holds the bucket's secret or the database's password."""

import json
import logging
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from small_source import write_source

from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.cli.main import main
from recsys_tasks.data.db.postgres import Database

pytestmark = pytest.mark.services


@pytest.fixture
def planted(database_url, bucket, monkeypatch):
    """The two secrets, in the environment where a run finds them."""
    for name, value in ({"RECSYS_DB_URL": database_url} | bucket.variables()).items():
        monkeypatch.setenv(name, value)
    password = urlsplit(database_url).password
    assert min(len(password), len(bucket.secret_key)) >= 8
    return password, bucket.secret_key


def told(capfd, caplog):
    printed = capfd.readouterr()
    return printed.out + printed.err + caplog.text


def train(tmp_path, *more):
    settings = write_source(tmp_path) | {"index.trees": 5, "gate.min_popular_ratio": 0.0}
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return main(["train", "--dataset", "planted", "--preset", "quick", "--json", *given, *more])


def test_logs_references_and_every_object_of_a_whole_run(
    planted, database_url, bucket, tmp_path, capfd, caplog
):
    with caplog.at_level(logging.DEBUG, logger="recsys_tasks"):
        assert train(tmp_path) == 0
    said = told(capfd, caplog)
    store = ObjectStore(bucket)
    objects = {found.key: store.get(found.key) for found in store.list("")}
    with Database(database_url).connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM planted.ingested_files")
        rows = str(cursor.fetchall())
    assert {"manifest.json", "report.html", "gate.json"} <= {k.split("/")[-1] for k in objects}
    assert "promote: done" in said
    for secret in planted:
        assert secret not in said + rows
        assert [key for key, body in objects.items() if secret.encode() in body] == []


@pytest.mark.parametrize("name", ["RECSYS_DB_URL", "AWS_SECRET_ACCESS_KEY"])
def test_a_run_that_a_service_turns_away_says_so_without_the_secret(
    planted, name, database_url, tmp_path, capfd, caplog, monkeypatch
):
    parts, wrong = urlsplit(database_url), "planted-secret-0123456789"
    url = parts._replace(netloc=f"{parts.username}:{wrong}@{parts.hostname}:{parts.port}").geturl()
    monkeypatch.setenv(name, url if name == "RECSYS_DB_URL" else wrong)
    with caplog.at_level(logging.DEBUG, logger="recsys_tasks"):
        assert train(tmp_path) in (3, 4)
    said = told(capfd, caplog)
    assert len(said) > 50
    assert not [secret for secret in (*planted, wrong) if secret in said]


@pytest.fixture
def guarded_site(tmp_path):
    """A web server that has the two files for whoever knows the login."""
    write_source(tmp_path)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


LOGIN, SIGNATURE, TOKEN = "planted-login-1", "planted-signature-2", "planted-token-3"


@pytest.mark.parametrize(("file", "code"), [("ratings.csv", 0), ("gone.csv", 3)])
def test_a_source_with_login_and_signature_leaves_neither_anywhere(
    planted, database_url, bucket, guarded_site, tmp_path, capfd, caplog, monkeypatch, file, code
):
    monkeypatch.setenv("RECSYS_ALERT_WEBHOOK", f"http://{guarded_site}/{TOKEN}")
    place = f"http://me:{LOGIN}@{guarded_site}"
    query = f"X-Amz-Signature={SIGNATURE}&X-Amz-Credential={SIGNATURE}"
    given = [
        f"source.{role}={place}/{name}?{query}"
        for role, name in (("movies", "movies.csv"), ("ratings", file))
    ]
    more = [word for each in given for word in ("--set", each)]
    with caplog.at_level(logging.DEBUG):
        assert train(tmp_path, *more) == code
    said = "".join(
        line for line in told(capfd, caplog).splitlines(True) if '"GET /' not in line
    )  # the web server's own lines
    store = ObjectStore(bucket)
    bodies = {found.key: store.get(found.key) for found in store.list("")}
    assert [key for key in bodies if key.endswith("report.html")]
    with Database(database_url).connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM planted.ingested_files")
        said += str(cursor.fetchall())
    for secret in (LOGIN, SIGNATURE, TOKEN, *planted):
        assert secret not in said
        assert [key for key, body in bodies.items() if secret.encode() in body] == []


def test_a_run_that_the_gate_rejects_leaves_no_secret_in_its_report(
    planted, bucket, tmp_path, capfd, caplog
):
    assert train(tmp_path, "--set", "gate.min_precision=1") == 3
    store = ObjectStore(bucket)
    bodies = [store.get(found.key) for found in store.list("")]
    assert any(json.loads(b)["accepted"] is False for b in bodies if b.startswith(b'{"accepted"'))
    said = told(capfd, caplog).encode()
    assert not [secret for secret in planted for body in (said, *bodies) if secret.encode() in body]
