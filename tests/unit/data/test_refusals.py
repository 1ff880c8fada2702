"""What a refusal says of a file that is something else, and what is refused that looks right at first."""

import gzip
import hashlib
import io
import stat
import zipfile
from pathlib import Path

import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.csv.blocks import read_blocks
from recsys_tasks.data.csv.header import read_header
from recsys_tasks.data.csv.movies import Movie, MoviesReader
from recsys_tasks.data.load.rejected_rows import RejectedRow
from recsys_tasks.data.sources.addresses import localised
from recsys_tasks.data.sources.archive import find_members
from recsys_tasks.data.sources.source_files import SourceFile, check_file
from recsys_tasks.errors import InputRejected

MOVIES = b"movieId,title,genres\r\n1,One,Drama\r\n"
RATINGS = b"userId,movieId,rating,timestamp\r\n1,1,4.0,1200000000\r\n"
TEXT = RATINGS.decode()


def header_of(path: Path) -> None:
    """Reads a ratings file as far as its header, as a load does."""
    file = check_file(SourceFile("ratings", path.name, path))
    with file.open() as stream:
        first = next(read_blocks(stream, file.name, '"'))
        read_header(first, file.name, "ratings", SourceSettings())


TAR = b"ml/ratings.csv".ljust(257, b"\0") + b"ustar\0" + RATINGS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (TEXT.encode("utf-16-be"), "text in UTF-16"),
        (TEXT.encode("utf-16-le"), "text in UTF-16"),
        (TEXT.encode("utf-32-be"), "text in UTF-32"),
        (TEXT.encode("utf-32-le"), "text in UTF-32"),
        (bytes(4096), "NUL bytes are at its start"),
        (b"\0" + RATINGS, "NUL bytes are at its start"),
        (gzip.compress(TAR), "a tar archive"),
        (b"PK\x03\x04[Content_Types].xml", "export a workbook as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
        (b"SQLite format 3\0", "a SQLite database"),
        (b"ARROW1\0\0\xff", "an Arrow file"),
        (b'[{"userId":1,"movieId":1}]', "This is JSON"),
        (b'{"userId":1,"movieId":1}\n', "This is JSON"),
        (b"<Error><Code>AccessDenied</Code></Error>", "This is a web page"),
        (b"\n \n<!DOCTYPE html>\n<html>", "This is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"1::1::5::978300760\n", "put a header above it"),
        (b"1\t1\t5\t978300760\n", "put a header above it"),
        (RATINGS.replace(b",", b"::"), "A separator is one character"),
        (b"\xef\xbb\xbf\xef\xbb\xbf" + RATINGS, "Remove what is invisible"),
        (RATINGS.replace(b"userId", "\u200buserId".encode()), "Remove what is invisible"),
    ],
)
def test_what_is_no_csv_of_ours_is_called_by_its_name(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "ratings.csv").write_bytes(content)
    with pytest.raises(InputRejected) as refusal:
        header_of(tmp_path / "ratings.csv")
    assert words in str(refusal.value)


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("movies.csv", MOVIES)
        archive.writestr("ratings.csv", RATINGS)
    return packed.getvalue()


def check_archive(path: Path) -> None:
    """Reads both members once in full, as a load does before its transaction."""
    for role, member in find_members(path, path.name).items():
        check_file(SourceFile(role, f"{path.name}:{member}", path, member))


def with_entry(archive: bytes, offset: int, value: int) -> bytes:
    """The archive with four bytes of the entry of ratings.csv in its directory replaced."""
    at = archive.rindex(b"PK\1\2") + offset
    return archive[:at] + value.to_bytes(4, "little") + archive[at + 4 :]


SIZE, ATTRIBUTES = 24, 38
"""Offsets in an entry of a zip's directory."""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (with_entry(zipped(), SIZE, 2**31 - 1), "states 2147483647 bytes"),
        (with_entry(zipped(), SIZE, 10), "cut or corrupt"),
        (with_entry(zipped(), ATTRIBUTES, stat.S_IFIFO << 16), "a pipe or a device"),
        (zipped()[40:], "cut or corrupt"),
    ],
    ids=["states more", "states less", "pipe", "head is cut off"],
)
def test_an_archive_whose_directory_lies_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "in.zip"
    path.write_bytes(content)
    with pytest.raises(InputRejected) as refusal:
        check_archive(path)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("a" * 5000, "too long"),
        ("http://user:secret@[::1/x.csv", "no address"),
        ("http:///x.csv?token=secret", "names no host"),
        ("file:///x.csv", "no such file"),
        (".", "no plain file"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_in_one_short_line(
    tmp_path: Path, address: str, words: str
) -> None:
    with pytest.raises(InputRejected) as refusal:
        localised(address, tmp_path)
    message = str(refusal.value)
    assert words in message
    assert "secret" not in message
    assert len(message) < 400


def read_movie(row: str) -> Movie | RejectedRow:
    content = b"movieId,title,genres\n" + row.encode()
    block = next(read_blocks(io.BytesIO(content), "movies.csv", '"'))
    source = SourceSettings()
    header = read_header(block, "movies.csv", "movies", source)
    [row_read] = MoviesReader(header, source).read(block.after(header.records))
    return row_read


@pytest.mark.parametrize("title", [" ", "\u3000", "\u200b", "\ufeff\u2060", "\x01\x7f"])
def test_a_title_of_which_nothing_shows_is_blank(title: str) -> None:
    row = read_movie(f"1,{title},Drama")
    assert isinstance(row, RejectedRow)
    assert row.reason == "title is blank"


def test_a_genre_of_which_nothing_shows_is_none() -> None:
    row = read_movie("1,One,\u200b|Drama|\xa0")
    assert isinstance(row, Movie)
    assert row.genres == ("Drama",)


@pytest.mark.parametrize(
    ("title", "words"),
    [("Am\u00c3\u00a9lie", "read as Windows-1252"), ("Am\ufffdlie", "lost characters")],
)
def test_a_title_that_an_earlier_conversion_spoilt_is_loaded_and_noted(
    title: str, words: str
) -> None:
    row = read_movie(f"1,{title},Drama")
    assert isinstance(row, Movie)
    assert row.title == title
    assert words in row.notes[0]


def test_titles_in_any_script_are_not_noted() -> None:
    for title in ("Amélie", "Señorita", "七人の侍", "Сталкер", "Ça", "Ñ", "İ", "🎬", "Çà et là"):
        row = read_movie(f"1,{title},Drama")
        assert isinstance(row, Movie)
        assert row.notes == ()


@pytest.mark.parametrize("end", [b"\0", bytes(4096), bytes(700) + b"\n2,1,4.0,1200000000\n"])
def test_a_file_that_a_broken_write_left_full_of_nuls_is_refused(
    tmp_path: Path, end: bytes
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(RATINGS + end)
    with pytest.raises(InputRejected, match="written in part only"):
        check_file(SourceFile("ratings", path.name, path))


@pytest.mark.parametrize(
    ("beside", "algorithm", "line"),
    [
        ("ratings.csv.md5", "md5", "{}\n"),
        ("ratings.csv.md5", "md5", "MD5 (ratings.csv) = {}\n"),
        ("ratings.csv.sha256", "sha256", "{}  ratings.csv\n"),
        ("MD5SUMS", "md5", "{}  ratings.csv\n"),
        ("SHA256SUMS", "sha256", "{} *./ratings.csv\n"),
    ],
)
def test_a_file_that_differs_from_the_checksum_beside_it_is_refused(
    tmp_path: Path, beside: str, algorithm: str, line: str
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(RATINGS)
    right = hashlib.new(algorithm, RATINGS).hexdigest()
    (tmp_path / beside).write_text(line.format(right))
    assert check_file(SourceFile("ratings", path.name, path)).size == len(RATINGS)
    (tmp_path / beside).write_text(line.format(right[::-1]))
    with pytest.raises(InputRejected, match=f"{algorithm} differs from the one in {beside}"):
        check_file(SourceFile("ratings", path.name, path))
