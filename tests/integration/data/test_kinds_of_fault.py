# ruff: noqa: RUF001 - digits of other scripts are what is tested
"""Kinds of fault that the files of tests/data/bad do not show: each is refused, rejected or accepted as documented."""

import gzip
import io
import random
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.errors import InputRejected

pytestmark = pytest.mark.services
DATASET = "mls"
MUTATIONS = 40

MOVIES = (
    b"movieId,title,genres\r\n1,One (2001),Drama\r\n2,Two (2002),Comedy|Drama\r\n3,Three,Drama\r\n"
)
HEADER = b"userId,movieId,rating,timestamp\r\n"
ROWS = b"1,1,4.0,1200000000\r\n1,2,3.5,1200000001\r\n2,1,5.0,1200000002\r\n"
RATINGS = HEADER + ROWS


def with_rows(*rows: str) -> bytes:
    """The good ratings, and more rows after them."""
    return RATINGS + "".join(f"{row}\r\n" for row in rows).encode()


def with_movies(*rows: str) -> bytes:
    """The good movies, and more rows after them."""
    return MOVIES + "".join(f"{row}\r\n" for row in rows).encode()


def load(
    database: Database,
    folder: Path,
    movies: bytes = MOVIES,
    ratings: bytes = RATINGS,
    **more: object,
) -> tuple[int, int]:
    """Rows loaded and rejected of the ratings, or of the movies where those are not the good ones."""
    (folder / "movies.csv").write_bytes(movies)
    (folder / "ratings.csv").write_bytes(ratings)
    named = {"movies": str(folder / "movies.csv"), "ratings": str(folder / "ratings.csv")}
    account = ingest(database, SourceSettings.model_validate(named | more), DATASET, "test")
    file = account.files[0 if movies is not MOVIES else 1]
    assert file.read == file.loaded + file.rejected + file.duplicate
    return file.loaded, file.rejected


def titles(database: Database) -> list[str]:
    return [
        str(row[0]) for row in database.fetch(f"SELECT title FROM {DATASET}.movies ORDER BY id")
    ]


REFUSED_RATINGS: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "the file is empty"),
    "blank lines only": (b"\r\n\r\n\r\n", "the file is empty"),
    "no header": (ROWS, "a row: put a header above it"),
    "renamed columns": (RATINGS.replace(b"userId", b"user_id"), "rating_columns.user=user_id"),
    "header in other case": (RATINGS.replace(b"userId", b"USERID"), "rating_columns.user=USERID"),
    "a column named twice": (
        RATINGS.replace(b"rating", b"movieId"),
        "movieId stands in the header",
    ),
    "semicolons": (RATINGS.replace(b",", b";"), "separated by a semicolon: set source.separator"),
    "tabs": (RATINGS.replace(b",", b"\t"), "separated by a tab"),
    "a web page": (b"<!DOCTYPE html><html><body>503</body></html>", "This is a web page"),
    "UTF-16 with a mark": (RATINGS.decode().encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (RATINGS.decode().encode("utf-16-le"), "UTF-16"),
    "UTF-32 with a mark": (RATINGS.decode().encode("utf-32"), "UTF-32"),
    "nothing but a byte order mark": (b"\xef\xbb\xbf", "the file is empty"),
    "a gzip of nothing": (gzip.compress(b""), "the file is empty"),
    "a gzip, then a cut one": (gzip.compress(RATINGS) + gzip.compress(RATINGS)[:12], "corrupt"),
    "invalid UTF-8": (RATINGS + b"3,1,4.0,1200000\xff00\r\n", "line 5, byte 108"),
    "cut UTF-8 at the end": (RATINGS + b"3,1,\xe2\x82", "byte"),
    "a quote that is never closed": (RATINGS + b'3,"1,4.0,1200000000\r\n' + ROWS, "line 5"),
    "only bad rows": (HEADER + b"a,b,c,d\r\n", "1 of 1 rows"),
    "an xz file": (b"\xfd7zXZ\x00abcdef", "an xz archive"),
    "a zip": (b"PK\x03\x04abcdef", "Give it as --archive"),
    "a gzip cut off": (gzip.compress(RATINGS)[:-9], "cut or corrupt"),
    "a corrupt gzip": (gzip.compress(RATINGS)[:20] + b"\0" * 9, "cut or corrupt"),
    "rubbish after a gzip": (gzip.compress(RATINGS) + b"rubbish", "cut or corrupt"),
    "a gzip that swells": (gzip.compress(RATINGS + b"0" * (40 << 20)), "this looks like a bomb"),
    "a gzip in a gzip": (gzip.compress(gzip.compress(RATINGS)), "packed once more"),
    "movies": (MOVIES, "this is the movies file"),
}


@pytest.mark.parametrize("kind", REFUSED_RATINGS)
def test_ratings_are_refused(database: Database, tmp_path: Path, kind: str) -> None:
    content, words = REFUSED_RATINGS[kind]
    with pytest.raises(InputRejected) as refused:
        load(database, tmp_path, ratings=content)
    assert words in str(refused.value)
    assert "ratings.csv" in str(refused.value)
    assert titles(database) == []


LENIENT = ("1_0", "+1", "1.0", "1e0", "0x1", "١", "１", "1L", "--1", "", "nan", "True", "1 1", "²")
NOT_NUMBERS = (
    "nan",
    "NaN",
    "NAN",
    "-nan",
    "inf",
    "-inf",
    "Infinity",
    "NULL",
    "None",
    "N/A",
    "",
    "-",
)
OFF_SCALE = (
    "0",
    "0.0",
    "0.25",
    "5.5",
    "-1",
    "-0.5",
    "3.3",
    "10",
    "4,0",
    "4.0.0",
    "1e0",
    "4.0*",
    "５",
)
IDS = ("0", "-1", "2147483648", "9223372036854775808", "1" * 40, "00")
TIMES = (
    "0",
    "-1",
    "788918399",
    "4102444800",
    "1200000000000",
    "1200000000.5",
    "2008-01-10",
    "",
    "x",
)


@pytest.mark.parametrize(
    "rows",
    [
        [f"{text},2,4.0,1200000000" for text in LENIENT],
        [f"9,{text},4.0,1200000000" for text in LENIENT],
        [f"9,2,{text},1200000000" for text in NOT_NUMBERS],
        [f"9,2,{text},1200000000" for text in OFF_SCALE],
        [f"{text},2,4.0,1200000000" for text in IDS],
        [f"9,{text},4.0,1200000000" for text in IDS],
        [f"9,2,4.0,{text}" for text in TIMES],
        ["9,2,4.0", "9,2,4.0,1200000000,", "9", ",,,", '"9,2,4.0,1200000000"'],
        ['"9"x,2,4.0,1200000000', '9,"2""",4.0,1200000000', '"9\n",2,4.0,1200000000'],
        ["9,2,4.0,12000\x0000000", "userId,movieId,rating,timestamp", "9,4,4.0,1200000000"],
        ["9,2,4.0,1200000000" + "0" * 200_000],
    ],
    ids=lambda rows: repr(rows[0][:20]),
)
def test_rating_rows_are_set_aside_each(
    database: Database, tmp_path: Path, rows: list[str]
) -> None:
    assert load(database, tmp_path, ratings=with_rows(*rows)) == (3, len(rows))
    query = f"SELECT count(DISTINCT line), bool_and(reason <> '') FROM {DATASET}.rejected_rows"
    assert database.fetch(query) == [(len(rows), True)]


ACCEPTED_RATINGS: dict[str, bytes] = {
    "LF": RATINGS.replace(b"\r\n", b"\n"),
    "CR": RATINGS.replace(b"\r\n", b"\r"),
    "mixed line ends": RATINGS.replace(b"\r\n", b"\n", 1).replace(
        b"1200000001\r\n", b"1200000001\r"
    ),
    "no line end at the end": RATINGS.removesuffix(b"\r\n"),
    "blank lines": b"\r\n" + RATINGS.replace(b"\r\n", b"\r\n\r\n") + b"   \r\n",
    "a byte order mark": b"\xef\xbb\xbf" + RATINGS,
    "all fields quoted": b"".join(
        b'"' + line.replace(b",", b'","') + b'"\r\n' for line in RATINGS.splitlines()
    ),
    "one more column": b"".join(line + b',"a, b\r\nc"\r\n' for line in RATINGS.splitlines()),
    "blanks around numbers": RATINGS.replace(b"1,1,4.0", b" 1 ,\t1, 4.0 "),
    "other spellings of a number": RATINGS.replace(b"1,1,4.0", b"01,1,4.00"),
    "whole stars without a point": RATINGS.replace(b"5.0", b"5"),
    "gzip": gzip.compress(RATINGS),
    "two gzip members": gzip.compress(RATINGS[:50]) + gzip.compress(RATINGS[50:]),
}


@pytest.mark.parametrize("kind", ACCEPTED_RATINGS)
def test_ratings_are_accepted(database: Database, tmp_path: Path, kind: str) -> None:
    assert load(database, tmp_path, ratings=ACCEPTED_RATINGS[kind]) == (3, 0)
    table = database.read_ratings(DATASET)
    assert table.user_id.tolist() == [1, 1, 2]
    assert table.movie_id.tolist() == [1, 2, 1]
    assert table.rating.tolist() == [4.0, 3.5, 5.0]
    assert table.rated_at.tolist() == [1200000000, 1200000001, 1200000002]


HOSTILE = (
    "NULL",
    "nan",
    "None",
    "\\N",
    "\\.",
    "'); DROP TABLE ratings; --",
    "%s %(file)s {schema}",
    "{{ var.value.secret }} ${HOME} $$",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe",
    "\u200b\ufeffZero",
    "a\tb\\tc\\",
    "Émile 映画 🎬 e\u0301",
    "../../etc/passwd",
    "x" * 9000,
)


def test_hostile_titles_arrive_unchanged(database: Database, tmp_path: Path) -> None:
    rows = [f'{100 + n},"{title}",Drama' for n, title in enumerate(HOSTILE)]
    quoted = '200,"Say ""Hi"", two\r\nlines",Drama'
    assert load(database, tmp_path, movies=with_movies(*rows, quoted)) == (3 + len(rows) + 1, 0)
    expected = ["One (2001)", "Two (2002)", "Three", *HOSTILE, 'Say "Hi", two\r\nlines']
    assert titles(database) == expected
    assert list(database.read_movies(DATASET).title) == expected


def test_movie_rows_are_set_aside_each(database: Database, tmp_path: Path) -> None:
    bad = [
        "10,,Drama",
        "11, \t,Drama",
        "12,Nul\0byte,Drama",
        f"13,{'x' * 10_001},Drama",
        f"14,Huge genres,{'x' * 70_000}",
        "15,Two fields",
        "16,Four,Drama,fields",
        '17,"Closed"x,Drama',
        "0,Zero,Drama",
        "1.0,Decimal,Drama",
        "-5,Negative,Drama",
        "٣,Arabic-Indic,Drama",
        "18446744073709551617,Over 64 bit,Drama",
    ]
    assert load(database, tmp_path, movies=with_movies(*bad)) == (3, len(bad))
    assert titles(database) == ["One (2001)", "Two (2002)", "Three"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (MOVIES.replace(b"title", b"name"), "source.movie_columns.title=NAME"),
        (RATINGS, "this is the ratings file"),
        (b"movieId,title,genres\r\n", "no data rows"),
        (MOVIES + "4,Caf\xe9,Drama\r\n".encode("latin-1"), "line 5, byte"),
        (MOVIES + b'4,"Open,Drama\r\n5,Five,Drama\r\n', "line 5"),
        (MOVIES + b'4,"Open,Drama\r\n5,Five,Drama\r\n6,"Six, too",Drama\r\n7,"x"\r\n', "line 5"),
        (MOVIES + b'4,"Open,Drama\r\n5,Five,Drama\r\n6,Six" too,Drama\r\n', "takes in 3 lines"),
        (MOVIES + b'4,"' + b"x" * (9 << 20) + b'",Drama\r\n', "line 5"),
    ],
    ids=[
        "renamed",
        "swapped",
        "header only",
        "Latin-1",
        "open quote",
        "odd quotes",
        "even quotes",
        "huge field",
    ],
)
def test_movies_are_refused(database: Database, tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputRejected) as refused:
        load(database, tmp_path, movies=content)
    assert words in str(refused.value)
    assert titles(database) == []


def genres(database: Database, movie: int) -> list[str]:
    query = f"SELECT genres FROM {DATASET}.movies WHERE id = {movie}"
    return list(database.fetch(query)[0][0])


def test_odd_genres_are_put_in_order_and_noted(database: Database, tmp_path: Path) -> None:
    rows = [
        "10,Ten,",
        "11,Eleven,| |",
        "12,Twelve,Drama| Drama |drama",
        "13,X,(no genres listed)|War",
    ]
    (tmp_path / "movies.csv").write_bytes(with_movies(*rows))
    source = SourceSettings(movies=str(tmp_path / "movies.csv"))
    account = ingest(database, source, DATASET, "test")
    assert genres(database, 10) == genres(database, 11) == ["(no genres listed)"]
    assert genres(database, 12) == ["Drama", "drama"]
    assert genres(database, 13) == ["War"]
    assert [note.line for note in account.notes] == [7, 8]


def test_many_bad_rows_refuse_the_file_and_a_higher_limit_lets_them_pass(
    database: Database, tmp_path: Path
) -> None:
    bad = with_rows(*(f"{user},1,9.9,1200000000" for user in range(10, 40)))
    with pytest.raises(InputRejected, match="30 of 33 rows would be rejected"):
        load(database, tmp_path, ratings=bad)
    assert load(database, tmp_path, ratings=bad, max_rejected=0.95) == (3, 30)


def test_a_refused_file_leaves_what_was_loaded_before(database: Database, tmp_path: Path) -> None:
    load(database, tmp_path)
    with pytest.raises(InputRejected):
        load(database, tmp_path, movies=with_movies("4,Four,Drama"), ratings=HEADER, replace=True)
    assert titles(database) == ["One (2001)", "Two (2002)", "Three"]
    assert len(database.read_ratings(DATASET)) == 3


def test_an_export_of_ones_own_is_read_by_its_settings(database: Database, tmp_path: Path) -> None:
    ratings = b"stars;visitorid;when;item\n9,0;7;1200000000123;1\n'10,0';8;1200000000999;2\n"
    movies = b"item;name;tags\n1;'One; two';Drama/War\n2;Zwei;\n"
    account = load(
        database,
        tmp_path,
        movies=movies,
        ratings=ratings,
        separator=";",
        quote="'",
        decimal=",",
        top_rating=10,
        time_unit="ms",
        genre_separator="/",
        rating_columns={"user": "visitorid", "movie": "item", "rating": "stars", "time": "when"},
        movie_columns={"movie": "item", "title": "name", "genres": "tags"},
    )
    assert account == (2, 0)
    table = database.read_ratings(DATASET)
    assert table.rating.tolist() == [4.5, 5.0]
    assert table.rated_at.tolist() == [1200000000, 1200000000]
    assert titles(database) == ["One; two", "Zwei"]
    assert genres(database, 1) == ["Drama", "War"]


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


GOOD = {"ml/movies.csv": MOVIES, "ml/ratings.csv": RATINGS}


def with_link() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("ml/links.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return packed.getvalue()


def repeated() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile itself finds this odd
        for name, content in (*GOOD.items(), *GOOD.items()):
            archive.writestr(name, content)
    return packed.getvalue()


def altered(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


def encrypted() -> bytes:
    content = bytearray(zipped(GOOD))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


REFUSED_ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "no zip archive"),
    "not a zip": (lambda: RATINGS, "no zip archive"),
    "cut": (lambda: zipped(GOOD)[:-30], "no zip archive"),
    "no members": (lambda: zipped({}), "no movies.csv in it; it holds nothing"),
    "one file missing": (lambda: zipped({"movies.csv": MOVIES}), "no ratings.csv in it"),
    "at two depths": (lambda: zipped({**GOOD, "movies.csv": MOVIES}), "more than once"),
    "a member twice": (repeated, "more than once"),
    "a parent folder": (lambda: zipped({**GOOD, "../evil.csv": b""}), "outside the archive"),
    "an absolute path": (lambda: zipped({**GOOD, "/tmp/evil.csv": b""}), "outside the archive"),
    "a drive": (lambda: zipped({**GOOD, "C:evil.csv": b""}), "outside the archive"),
    "a symbolic link": (with_link, "symbolic link"),
    "corrupt bytes": (
        lambda: altered(zipped(GOOD, zipfile.ZIP_STORED), b"1200000001", b"1200000009"),
        "cut or corrupt",
    ),
    "encrypted": (encrypted, "encrypted"),
    "another method": (lambda: zipped(GOOD, zipfile.ZIP_LZMA), "compressed by method 14"),
    "a bomb": (
        lambda: zipped({**GOOD, "ml/ratings.csv": RATINGS + b"\n" * (40 << 20)}),
        "this looks like a bomb",
    ),
    "an empty member": (lambda: zipped({**GOOD, "ml/ratings.csv": b""}), "the file is empty"),
}


@pytest.mark.parametrize("kind", REFUSED_ARCHIVES)
def test_archives_are_refused(database: Database, tmp_path: Path, kind: str) -> None:
    make, words = REFUSED_ARCHIVES[kind]
    path = tmp_path / "in.zip"
    path.write_bytes(make())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputRejected) as refused:
        ingest(database, SourceSettings(archive=str(path)), DATASET, "test")
    assert words in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert titles(database) == []


def test_an_archive_is_read_at_any_depth_beside_other_files(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "in.zip"
    members = {"movies.csv/": b""} | {f"a/b/{name}": content for name, content in GOOD.items()}
    path.write_bytes(zipped({**members, "a/README.txt": b"x", "__MACOSX/._movies.csv": b"x"}))
    account = ingest(database, SourceSettings(archive=str(path)), DATASET, "test")
    assert [file.loaded for file in account.files] == [3, 3]
    assert account.files[0].name == f"{path}:a/b/ml/movies.csv"


def test_the_same_csv_in_an_archive_and_alone_is_the_same_file(
    database: Database, tmp_path: Path
) -> None:
    load(database, tmp_path)
    path = tmp_path / "in.zip"
    path.write_bytes(zipped(GOOD))
    account = ingest(database, SourceSettings(archive=str(path)), DATASET, "test")
    assert [file.already_loaded for file in account.files] == [True, True]


@pytest.mark.parametrize("role", ["movies", "ratings", "archive"])
def test_any_mutation_of_a_good_file_ends_in_an_outcome(
    database: Database, tmp_path: Path, role: str
) -> None:
    """Bytes replaced, inserted, deleted or cut at random: an account that adds up, or a refusal."""
    draw = random.Random(role)
    good = {"movies": MOVIES, "ratings": RATINGS, "archive": zipped(GOOD)}[role]
    outcomes = set()
    for _ in range(MUTATIONS):
        at, length = draw.randrange(len(good)), draw.choice([0, 1, 1, 8])
        mutated = good[:at] + draw.randbytes(draw.choice([0, 1, 1, 3])) + good[at + length :]
        if draw.random() < 0.1:
            mutated = good[:at]
        try:
            outcomes.add(load_mutated(database, tmp_path, role, mutated))
        except InputRejected:
            outcomes.add("refused")
    assert outcomes >= {"refused", "accepted"}


def load_mutated(database: Database, folder: Path, role: str, content: bytes) -> str:
    files = {"movies": MOVIES, "ratings": RATINGS, "archive": b""} | {role: content}
    for name, octets in files.items():
        (folder / name).write_bytes(octets)
    named = ["archive"] if role == "archive" else ["movies", "ratings"]
    source = SourceSettings(**{name: str(folder / name) for name in named}, replace=True)
    account = ingest(database, source, DATASET, "test")
    for file in account.files:
        assert file.read == file.loaded + file.rejected + file.duplicate
    return "rejected" if any(file.rejected for file in account.files) else "accepted"


@pytest.mark.parametrize(
    "other", ["2,Another title,Comedy|Drama", "2,Two (2002),Horror", "002,Another title,Drama"]
)
def test_of_a_movie_with_two_descriptions_the_first_counts_and_its_ratings_stay(
    database: Database, tmp_path: Path, other: str
) -> None:
    assert load(database, tmp_path, with_movies(other, "2,Two (2002),Comedy|Drama")) == (3, 1)
    assert titles(database) == ["One (2001)", "Two (2002)", "Three"]
    assert database.fetch(f"SELECT count(*) FROM {DATASET}.ratings") == [(3,)]
    [(line, reason)] = database.fetch(f"SELECT line, reason FROM {DATASET}.rejected_rows")
    assert (line, reason) == (5, "an earlier row gives this id another title or other genres")


def test_all_files_of_a_load_appear_at_one_moment(database: Database, tmp_path: Path) -> None:
    load(database, tmp_path)
    moments = database.fetch(f"SELECT count(DISTINCT loaded_at) FROM {DATASET}.ingested_files")
    assert moments == [(1,)]
