"""A Postgres that takes encrypted connections only, with a real certificate of a real authority."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tls_front import TlsFront, tls_front

from recsys_tasks.data.db.addresses import url_of
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.errors import DatabaseUnavailable, SettingsError

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Server:
    """The front, its server's password, and the certificate of the authority that signed the front's own."""

    front: TlsFront
    password: str
    authority: Path

    def database(self, **parameters: str) -> Database:
        parts = ("postgres", self.password, "127.0.0.1", self.front.port, "postgres")
        return Database(url_of(*parts, parameters))


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """An authority, and a certificate of it for 127.0.0.1."""
    subject, days = ("-subj", "/CN=127.0.0.1"), ("-days", "2", "-nodes")
    for name in ("authority", "stranger"):
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-subj", f"/CN={name}", *days, *files)
    asked = folder / "server.csr"
    openssl("req", "-newkey", "rsa:2048", *subject, "-nodes", "-keyout", folder / "server.key", "-out", asked)  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signer = (
        "-CA",
        folder / "authority.crt",
        "-CAkey",
        folder / "authority.key",
        "-CAcreateserial",
    )
    result = ("-extfile", folder / "names", "-days", "2", "-out", folder / "server.crt")
    openssl("x509", "-req", "-in", asked, *signer, *result)


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    url = urlsplit(postgres_url)
    assert url.port
    assert url.password
    with tls_front(url.port, folder / "server.crt", folder / "server.key") as front:
        yield Server(front, url.password, folder / "authority.crt")


def test_a_server_that_takes_tls_only_refuses_a_connection_without(server: Server) -> None:
    with pytest.raises(DatabaseUnavailable, match="no encryption"):
        server.database(sslmode="disable").fetch("SELECT 1")


def test_it_works_with_the_authoritys_certificate_in_queries_and_migrations(
    server: Server,
) -> None:
    database = server.database(sslmode="verify-full", sslrootcert=str(server.authority))
    before = server.front.encrypted
    assert database.fetch("SELECT 1") == [(1,)]
    assert database.migrate("encrypted")
    assert database.read("encrypted").ratings.user_id.size == 0
    assert server.front.encrypted == before + 3


def test_another_authority_is_not_believed(server: Server) -> None:
    stranger = server.authority.with_name("stranger.crt")
    with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
        server.database(sslmode="verify-full", sslrootcert=str(stranger)).fetch("SELECT 1")


def test_options_reach_the_server(server: Server) -> None:
    database = server.database(
        sslmode="require", options="-c statement_timeout=71s -c work_mem=9MB"
    )
    assert database.fetch("SHOW statement_timeout") == [("71s",)]
    assert database.migrate("optional")
    assert database.fetch("SHOW work_mem") == [("9MB",)]


def test_a_service_file_says_what_the_connection_does_not(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"[ratings]\nhost=127.0.0.1\nport={server.front.port}\ndbname=postgres\nuser=postgres\n"
        f"password={server.password}\nsslmode=verify-full\nsslrootcert={server.authority}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    database = Database(url_of(None, None, None, None, None, {"service": "ratings"}))
    assert database.fetch("SELECT current_user") == [("postgres",)]
    assert database.migrate("served")


def test_a_parameter_that_libpq_does_not_know_is_refused_by_name_and_without_the_password() -> None:
    with pytest.raises(SettingsError, match='"sslmod"') as refusal:
        url_of("me", "hidden", "host", None, "db", {"sslmod": "require"})
    assert "hidden" not in str(refusal.value)


def test_what_airflows_own_hooks_read_is_left_out() -> None:
    url = url_of(
        "me", "p@ss/word", "host", 5433, "db", {"cursor": "dictcursor", "sslmode": "require"}
    )
    assert urlsplit(url).query == "sslmode=require"
    assert urlsplit(url).hostname == "host"
    assert urlsplit(url).port == 5433
