"""A run reads files from where its deployer says, and from nowhere else."""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.data.sources.addresses import localised
from recsys_tasks.data.sources.source_policy import SourcePolicy
from recsys_tasks.errors import InputRejected

CSV = b"movieId,title,genres\n1,A,B\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "movies.csv").write_bytes(CSV)
    (tmp_path / "secret.csv").write_bytes(CSV)
    return tmp_path / "open"


@pytest.fixture
def policy(folder):
    return SourcePolicy((folder,))


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        redirect = self.path.startswith("/to?")
        self.send_response(302 if redirect else 200)
        if redirect:
            self.send_header("Location", self.path.partition("?")[2])
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", "0" if redirect else str(len(CSV)))
        self.end_headers()
        if not redirect:
            self.server.logins.append(self.headers.get("Authorization"))
            self.wfile.write(CSV)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.logins = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield server
    server.shutdown()
    server.server_close()


def fetched(address, tmp_path, policy):
    store = StoreAccess("http://127.0.0.1:1", "own", "k", "s")
    return localised(str(address), tmp_path / "here", lambda: store, policy)


def test_a_plain_file_in_the_folder_is_read(folder, tmp_path, policy):
    assert fetched(folder / "movies.csv", tmp_path, policy).read_bytes() == CSV


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/environ",
        "/sys/kernel/mm/hugepages",
        "/dev/zero",
        "/etc/passwd",
        "{open}/../secret.csv",
        "{open}/link.csv",
        "{open}/.env",
        "{open}/.hidden/a.csv",
        "secret.csv",
        "a\x00b",
        "{open}2/a.csv",
        "file:///etc/passwd",
        "ftp://host/a.csv",
        "gopher://host/a.csv",
    ],
)
def test_a_file_elsewhere_is_refused_whether_it_is_there_or_not(path, folder, tmp_path, policy):
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(InputRejected, match=r"a run may not read this file.*RECSYS_SOURCE_FOLDERS"):
        fetched(path.format(open=folder), tmp_path, policy)


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/null", "/sys/kernel/notes"])
def test_special_files_are_refused_even_where_every_folder_is_open(path, tmp_path):
    from pathlib import Path

    with pytest.raises(InputRejected, match="may not read"):
        fetched(path, tmp_path, SourcePolicy((Path("/"),)))


def test_a_pipe_and_a_folder_are_no_plain_file(folder, tmp_path, policy):
    os.mkfifo(folder / "pipe.csv")
    (folder / "sub").mkdir()
    for name in ("pipe.csv", "sub"):
        with pytest.raises(InputRejected, match="no plain file"):
            fetched(folder / name, tmp_path, policy)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "[fe80::1]",
        "[fd00::1]",
        "224.0.0.1",
        "100.64.0.1",
        "[64:ff9b::7f00:1]",
    ],
)
def test_an_address_inside_a_private_network_is_refused(host, tmp_path, policy):
    with pytest.raises(InputRejected, match=r"inside a private network.*RECSYS_SOURCE_HOSTS"):
        fetched(f"http://{host}/a.csv", tmp_path, policy)


def test_a_name_that_leads_inside_is_refused_and_asked_once_for_each_connection(
    tmp_path, policy, monkeypatch
):
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    with pytest.raises(InputRejected, match="private network"):
        fetched("https://data.example.org/a.csv", tmp_path, policy)


def test_a_name_that_means_another_address_a_moment_later_is_refused(tmp_path, policy, monkeypatch):
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 80))]
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    answers = iter([public, inside, inside])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: next(answers))
    with pytest.raises(InputRejected, match="private network"):
        fetched("http://data.example.org/a.csv", tmp_path, policy)


def test_a_host_that_the_deployer_names_may_be_private(site, tmp_path):
    policy = SourcePolicy.of_deployer({"RECSYS_SOURCE_HOSTS": "127.0.0.1, files.example.org"})
    address = f"http://127.0.0.1:{site.server_port}/movies.csv"
    assert fetched(address, tmp_path, policy).read_bytes() == CSV
    with pytest.raises(InputRejected, match="none of those"):
        fetched("http://93.184.215.14/a.csv", tmp_path, policy)


@pytest.mark.parametrize(
    "to", ["http://localhost:1/a.csv", "http://169.254.169.254/latest", "file:///etc/passwd"]
)
def test_a_redirect_is_looked_at_like_the_address_itself(site, tmp_path, to):
    policy = SourcePolicy.of_deployer({"RECSYS_SOURCE_HOSTS": "127.0.0.1,*"})
    with pytest.raises(InputRejected):
        fetched(f"http://127.0.0.1:{site.server_port}/to?{to}", tmp_path, policy)


def test_a_login_in_an_address_is_sent_and_goes_along_with_no_redirect(site, tmp_path):
    base = f"127.0.0.1:{site.server_port}"
    fetched(f"http://me:p%40ss@{base}/movies.csv", tmp_path, None)
    fetched(f"http://me:p%40ss@{base}/to?http://{base}/movies.csv", tmp_path, None)
    assert site.logins == ["Basic bWU6cEBzcw==", None]


@pytest.mark.parametrize(
    "address", ["http://me:pa/ss@host/a.csv", "http://me:p?ss@host/a", "http://u:s3cr3t"]
)
def test_a_password_that_breaks_its_address_is_not_quoted(address, tmp_path):
    with pytest.raises(InputRejected) as refused:
        fetched(address, tmp_path, None)
    assert "ss@" not in str(refused.value)
    assert "'pa'" not in str(refused.value)


def test_another_bucket_is_refused_unless_it_is_named(tmp_path, policy):
    with pytest.raises(InputRejected, match="may not read this bucket"):
        fetched("s3://other/a.csv", tmp_path, policy)
    named = SourcePolicy.of_deployer({"RECSYS_SOURCE_HOSTS": "s3://other"})
    named.check_bucket("other", "own", "s3://other/a.csv")
    assert named.hosts == {"*"}


def test_by_hand_nothing_is_limited(tmp_path, site):
    (tmp_path / "secret.csv").write_bytes(CSV)
    assert fetched(tmp_path / "secret.csv", tmp_path, None).read_bytes() == CSV
    assert fetched(f"http://127.0.0.1:{site.server_port}/a.csv", tmp_path, None).read_bytes() == CSV
