"""Downloads from a web server that breaks off, refuses, lies or sends something else."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recsys_tasks.data.sources.addresses import localised
from recsys_tasks.data.sources.download import Checksum, Patience, download
from recsys_tasks.data.sources.grouplens import fetch_archive
from recsys_tasks.errors import InputRejected, SourceUnavailable

CONTENT = bytes(range(256)) * 4000
MD5 = Checksum("md5", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
QUICK = Patience(tries=3, first_pause=0.001, timeout=5)


@dataclass
class Site:
    """What the server does: for each request in turn one behaviour, the last one for all further."""

    url: str = ""
    content: bytes = CONTENT
    etag: str = '"one"'
    behaviours: list[str] = field(default_factory=lambda: ["whole"])
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)

    def next_behaviour(self) -> str:
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        if self.path in self.site.files:
            self.reply(200, self.site.files[self.path])
        elif self.path.endswith(".md5"):
            self.reply(404, b"")
        else:
            self.site.ranges.append(self.headers.get("Range"))
            getattr(self, self.site.next_behaviour())()

    def whole(self) -> None:
        """Honours a range of the version that it has now."""
        begin = 0
        if self.headers.get("If-Range") == self.site.etag:
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.reply(206 if begin else 200, self.site.content[begin:])

    def breaks_off(self) -> None:
        """Sends a third of what it announced."""
        begin = 0
        if self.headers.get("If-Range") == self.site.etag:
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = self.site.content[begin:]
        self.reply(206 if begin else 200, rest, sent=rest[: len(rest) // 3])
        self.close_connection = True

    def busy(self) -> None:
        self.reply(503, b"later")

    def missing(self) -> None:
        self.reply(404, b"")

    def no_range(self) -> None:
        self.reply(416, b"") if self.headers.get("Range") else self.whole()

    def page(self) -> None:
        self.reply(200, b"<html>sign in</html>", kind="text/html; charset=utf-8")

    def too_long(self) -> None:
        """Announces more than there is, each time."""
        self.reply(200, self.site.content, length=len(self.site.content) + 10)
        self.close_connection = True

    def reply(
        self,
        status: int,
        body: bytes,
        sent: bytes | None = None,
        kind: str = "application/zip",
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", self.site.etag)
        self.end_headers()
        self.wfile.write(body if sent is None else sent)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    site.url = f"http://127.0.0.1:{server.server_port}/set.zip"
    yield site
    server.shutdown()
    server.server_close()


def fetch(site: Site, folder: Path, checksum: Checksum | None = MD5) -> bytes:
    target = folder / "set.zip"
    download(site.url, target, checksum, QUICK, sleep=lambda _: None)
    assert not list(folder.glob("*.part*"))
    return target.read_bytes()


def test_a_download_that_breaks_off_is_resumed_where_it_was(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["breaks_off", "breaks_off", "whole"]
    assert fetch(site, tmp_path) == CONTENT
    third = len(CONTENT) // 3
    begun = third + (len(CONTENT) - third) // 3
    assert site.ranges == [None, f"bytes={third}-", f"bytes={begun}-"]


def test_a_later_run_resumes_what_an_earlier_one_left(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["breaks_off", "missing"]
    with pytest.raises(InputRejected, match="404"):
        fetch(site, tmp_path)
    site.behaviours = ["whole"]
    assert fetch(site, tmp_path) == CONTENT
    assert site.ranges[-1] == f"bytes={len(CONTENT) // 3}-"


def test_halves_of_two_versions_are_never_joined(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["breaks_off", "missing"]
    with pytest.raises(InputRejected):
        fetch(site, tmp_path)
    site.behaviours, site.etag, site.content = ["whole"], '"two"', CONTENT[::-1]
    assert fetch(site, tmp_path, checksum=None) == CONTENT[::-1]


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["busy", "busy", "whole"]
    assert fetch(site, tmp_path) == CONTENT


def test_a_server_that_stays_busy_is_given_up_as_unavailable(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["busy"]
    with pytest.raises(SourceUnavailable, match="503"):
        fetch(site, tmp_path)
    assert len(site.ranges) == QUICK.tries


def test_no_server_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        download("http://127.0.0.1:1/set.zip", tmp_path / "x", None, QUICK, sleep=lambda _: None)


def test_a_missing_file_is_refused_at_once(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["missing"]
    with pytest.raises(InputRejected, match="404"):
        fetch(site, tmp_path)
    assert len(site.ranges) == 1


def test_a_server_that_refuses_to_resume_is_asked_for_all(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["breaks_off", "no_range"]
    assert fetch(site, tmp_path) == CONTENT
    assert site.ranges[1:] == [f"bytes={len(CONTENT) // 3}-", None]


def test_a_wrong_length_is_unavailable_and_leaves_no_file(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["too_long"]
    with pytest.raises(SourceUnavailable, match="ended after"):
        fetch(site, tmp_path)
    assert not (tmp_path / "set.zip").exists()


def test_a_web_page_is_refused(site: Site, tmp_path: Path) -> None:
    site.behaviours = ["page"]
    with pytest.raises(InputRejected, match="web page"):
        fetch(site, tmp_path)
    assert not (tmp_path / "set.zip").exists()


def test_another_checksum_is_refused_after_one_more_try(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT[::-1]
    with pytest.raises(InputRejected, match="md5"):
        fetch(site, tmp_path)
    assert len(site.ranges) == 2
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_verified_file_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    fetch(site, tmp_path)
    fetch(site, tmp_path)
    assert len(site.ranges) == 1


def test_an_altered_file_in_the_cache_is_fetched_again(site: Site, tmp_path: Path) -> None:
    fetch(site, tmp_path)
    (tmp_path / "set.zip").write_bytes(b"altered")
    assert fetch(site, tmp_path) == CONTENT


def good_zip(bad: Path) -> bytes:
    return (bad / "a00_good.zip").read_bytes()


def test_a_published_dataset_is_checked_against_the_checksum_beside_it(
    site: Site, tmp_path: Path, bad: Path
) -> None:
    site.content = good_zip(bad)
    md5 = hashlib.md5(site.content, usedforsecurity=False).hexdigest()
    site.files["/ml-latest.zip.md5"] = f"MD5 (ml-latest.zip) = {md5}\n".encode()
    base = site.url.rpartition("/")[0]
    path = fetch_archive("ml-latest", tmp_path, base, QUICK)
    assert path.read_bytes() == site.content
    site.files["/ml-latest.zip.md5"] = b"0" * 32
    with pytest.raises(InputRejected, match="md5"):
        fetch_archive("ml-latest", tmp_path, base, QUICK)


def test_a_published_dataset_without_checksum_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="no published checksum"):
        fetch_archive("ml-32m", tmp_path, site.url.rpartition("/")[0], QUICK)


def test_an_address_may_have_no_checksum_but_must_be_an_archive(
    site: Site, tmp_path: Path, bad: Path
) -> None:
    site.content = good_zip(bad)
    assert fetch_archive(site.url, tmp_path, patience=QUICK).name == "set.zip"
    site.content = CONTENT
    with pytest.raises(InputRejected, match="no zip archive"):
        fetch_archive(site.url, tmp_path, patience=QUICK)


@pytest.mark.parametrize(
    "part", ["%2Fhome%2Fme%2F.bashrc", "..", "%2E%2E", "a%5Cb.zip", "a%00.zip", "a%0A.zip", "%20"]
)
def test_an_address_whose_last_part_is_no_plain_name_is_refused(
    site: Site, tmp_path: Path, part: str
) -> None:
    with pytest.raises(InputRejected, match="no name for a file"):
        fetch_archive(f"{site.url.rpartition('/')[0]}/{part}", tmp_path / "sets", patience=QUICK)
    assert not list(tmp_path.iterdir())


def test_a_path_hidden_in_an_address_does_not_leave_the_folder(
    site: Site, tmp_path: Path, bad: Path
) -> None:
    site.content = good_zip(bad)
    outside, folder = tmp_path / "outside.zip", tmp_path / "sets"
    address = site.url.rpartition("/")[0] + "/" + str(outside).replace("/", "%2F")
    assert fetch_archive(address, folder, patience=QUICK) == folder / "outside.zip"
    assert not outside.exists()


def test_a_file_that_fetch_did_not_make_is_never_replaced(
    site: Site, tmp_path: Path, bad: Path
) -> None:
    site.content = good_zip(bad)
    (tmp_path / "set.zip").write_bytes(b"mine")
    with pytest.raises(InputRejected, match="fetch did not make it"):
        fetch_archive(site.url, tmp_path, patience=QUICK)
    assert (tmp_path / "set.zip").read_bytes() == b"mine"


@pytest.mark.parametrize("had", ["nothing", "a fetched one"])
def test_a_file_made_by_hand_is_kept_whatever_lock_was_left_beside_it(
    site: Site, tmp_path: Path, bad: Path, had: str
) -> None:
    site.content = good_zip(bad)
    target = tmp_path / "set.zip"
    if had == "nothing":
        target.with_name("set.zip.lock").touch()
    else:
        fetch_archive(site.url, tmp_path, patience=QUICK)
        fetch_archive(site.url, tmp_path, patience=QUICK)  # what fetch made may be fetched again
    target.unlink(missing_ok=True)
    target.write_bytes(b"mine")
    with pytest.raises(InputRejected, match="fetch did not make it"):
        fetch_archive(site.url, tmp_path, patience=QUICK)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "address",
    ["http://h/a/..", "http://h/%2e%2e", "s3://b/a/%2E%2E", "http://h/", "s3://b/", "http://h/.x"],
)
def test_an_address_whose_last_part_names_no_file_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="is no name for a file"):
        localised(address, tmp_path)
    assert not list(tmp_path.iterdir())
