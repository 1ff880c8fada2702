"""Files of items and events into a real Postgres: ids of any text, each row with its outcome."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.tables import FileAccount, LoadAccount
from recsys_tasks.errors import InputRejected

pytestmark = pytest.mark.services
HEADER = "user_id,item_id,type,time,value\n"
GOOD = "u1,i1,view,2026-01-01T00:00:00Z,\n"
LENIENT = {"max_rejected": 1.0}
FAITHFUL = ("two words", " led by a blank", "UPPER", "upper", "🛒", "שלום", "ü" * 127, "a,b", 'q"q')
FORMATS = ("csv", "parquet")

Loaded = Callable[..., LoadAccount]


@pytest.fixture
def load(database: Database) -> Loaded:
    """Loads files, given by role, with the types of event that have a weight."""

    def load(types: tuple[str, ...] = (), **settings: Any) -> LoadAccount:
        source = SourceSettings.model_validate(LENIENT | settings)
        return ingest(database, source, "mls", "test", types=types)

    return load


def written(folder: Path, rows: list[tuple[Any, ...]], kind: str = "csv") -> str:
    """A file of events, its five columns all text."""
    names = HEADER.strip().split(",")
    path = folder / f"events.{kind}"
    if kind == "parquet":
        columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
        value = [float(text) if text else None for text in columns.pop("value")]
        pq.write_table(pa.table(columns | {"value": value}), path)
    else:
        quoted = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
        path.write_text(HEADER + "\n".join(quoted) + "\n")
    return str(path)


def only(account: LoadAccount) -> FileAccount:
    [file] = account.files
    assert file.read == file.loaded + file.rejected + file.duplicate
    return file


def events(database: Database) -> list[tuple[Any, ...]]:
    return database.fetch(
        "SELECT user_id, item_id, type, value, at FROM mls.named_events ORDER BY 1, 2, 5, 3"
    )


def reasons(account: LoadAccount) -> list[str]:
    return [row.reason for row in account.rejections]


@pytest.mark.parametrize("kind", FORMATS)
def test_ids_are_kept_as_they_are(
    kind: str, database: Database, load: Loaded, tmp_path: Path
) -> None:
    rows = [(f"{each}", each, "view", "2026-01-01T00:00:00Z", "") for each in FAITHFUL]
    account = load(events=written(tmp_path, rows, kind))
    assert only(account).loaded == len(FAITHFUL)
    assert {row[:2] for row in events(database)} == {(each, each) for each in FAITHFUL}
    numbers = database.fetch("SELECT row, id FROM mls.items ORDER BY row")
    assert numbers == list(enumerate(FAITHFUL))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user_id": "x" * 256}, "user_id has 256 bytes, more than 255"),
        ({"item_id": "ü" * 128}, "item_id has 256 bytes, more than 255"),
        ({"user_id": ""}, "user_id is empty"),
        ({"item_id": "   "}, "item_id is empty"),
        ({"type": ""}, "type is empty"),
        ({"type": "clik"}, "type is 'clik', which events.weights does not name"),
        ({"time": "yesterday"}, "time is 'yesterday', neither ISO 8601 nor a whole number"),
        ({"time": ""}, "time is empty"),
        ({"time": "2026-02-30T00:00:00Z"}, "time is '2026-02-30T00:00:00Z', neither ISO 8601"),
        ({"time": "2999-01-01T00:00:00Z"}, "time 2999-01-01T00:00:00Z lies in the future"),
        ({"time": "20260101"}, "time 20260101 lies before 1995-01-01"),
        ({"time": "1767225600000"}, "lies in the future: milliseconds? See source.time_unit"),
        ({"value": "nan"}, "value is "),
        ({"value": "inf"}, "value is "),
    ],
)
def test_a_row_is_rejected_with_its_line_and_reason(
    kind: str, fields: dict[str, str], reason: str, load: Loaded, tmp_path: Path
) -> None:
    good = {"user_id": "u", "item_id": "i", "type": "view", "value": "", "time": "1767225600"}
    names = HEADER.strip().split(",")
    rows = [tuple((good | given)[name] for name in names) for given in ({}, fields)]
    account = load(types=("view", "buy"), events=written(tmp_path, rows, kind))
    assert (only(account).loaded, only(account).rejected) == (1, 1)
    [rejection] = account.rejections
    assert reason in rejection.reason
    assert rejection.line == (3 if kind == "csv" else 2)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_nul_in_an_id_is_rejected(kind: str, load: Loaded, tmp_path: Path) -> None:
    rows = [("u", "i", "view", "1767225600", ""), ("u\0x", "i", "view", "1767225600", "")]
    account = load(events=written(tmp_path, rows, kind))
    assert (only(account).loaded, only(account).rejected) == (1, 1)
    assert "NUL" in reasons(account)[0]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_moment_in_any_of_its_spellings_is_the_same_moment(
    kind: str, database: Database, load: Loaded, tmp_path: Path
) -> None:
    spellings = ("2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "2026-01-01T01:00:00+01:00")
    spellings += ("2026-01-01", "2026-01-01T00:00:00.000", "1767225600")
    rows = [("u", str(at), "view", text, "") for at, text in enumerate(spellings)]
    assert only(load(events=written(tmp_path, rows, kind))).loaded == len(spellings)
    assert {row[4] for row in events(database)} == {datetime(2026, 1, 1, tzinfo=UTC)}


def test_milliseconds_keep_their_part_of_a_second(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    file = written(tmp_path, [("u", "i", "view", "1767225600250", "")])
    load(events=file, time_unit="ms")
    assert events(database)[0][4] == datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC)


def test_the_types_of_parquet_are_read(database: Database, load: Loaded, tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    columns = {
        "user_id": pa.array([7, 8], pa.uint32()),
        "item_id": pa.array(["a", "b"]).dictionary_encode(),
        "time": pa.array([moment, moment], pa.timestamp("ns", tz="Europe/Berlin")),
        "value": pa.array([1, None], pa.int8()),
    }
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    assert only(load(events=str(tmp_path / "e.parquet"))).loaded == 2
    assert events(database) == [
        ("7", "a", "event", 1.0, moment),
        ("8", "b", "event", None, moment),
    ]


@pytest.mark.parametrize(
    ("name", "column", "found"),
    [
        ("user_id", pa.array([1.5]), "the column is double; expected text or whole numbers"),
        ("item_id", pa.array([["a"]]), r"the column is list<.*>; expected text or whole"),
        ("time", pa.array([True]), "the column is bool; expected a timestamp"),
        ("value", pa.array(["5"]), "the column is string; expected numbers"),
    ],
)
def test_a_parquet_file_with_another_type_is_refused_by_its_column(
    name: str, column: Any, found: str, database: Database, load: Loaded, tmp_path: Path
) -> None:
    columns = {"user_id": pa.array(["u"]), "item_id": pa.array(["i"]), "time": pa.array(["2026"])}
    pq.write_table(pa.table(columns | {name: column}), tmp_path / "e.parquet")
    with pytest.raises(InputRejected, match=rf"column {name}: {found}"):
        load(events=str(tmp_path / "e.parquet"))
    assert database.fetch("SELECT count(*) FROM mls.ingested_files") == [(0,)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_parquet_file_is_refused(share: float, load: Loaded, tmp_path: Path) -> None:
    whole = Path(written(tmp_path, [("u", "i", "view", "1767225600", "")] * 1000, "parquet"))
    octets = whole.read_bytes()
    whole.write_bytes(octets[: int(share * len(octets))])
    with pytest.raises(InputRejected, match="no whole Parquet file"):
        load(events=str(whole))


def test_a_missing_column_is_named_with_its_setting(load: Loaded, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("visitor,item_id,time\nu,i,1767225600\n")
    with pytest.raises(InputRejected, match=r"source\.event_columns\.user"):
        load(events=str(tmp_path / "e.csv"))
    columns = {"user": "visitor", "type": "kind"}
    with pytest.raises(InputRejected, match=r"source\.event_columns\.type=NAME"):
        load(events=str(tmp_path / "e.csv"), event_columns=columns)
    assert only(load(events=str(tmp_path / "e.csv"), event_columns={"user": "visitor"})).loaded == 1


def test_a_file_without_types_or_values_needs_no_setting(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    (tmp_path / "e.csv").write_text("time,user_id,item_id,further\n1767225600,u,i,x\n")
    assert only(load(events=str(tmp_path / "e.csv"))).loaded == 1
    assert events(database)[0][2:4] == ("event", None)


def test_equal_events_are_one_and_those_that_contradict_each_other_are_rejected(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    rows = [("u", "i", "rate", "1767225600", "4")] * 3
    rows += [("u", "j", "rate", "1767225600", "4"), ("u", "j", "rate", "1767225600", "5")]
    rows += [("u", "i", "rate", "1767225601", "5")]
    account = load(events=written(tmp_path, rows))
    file = only(account)
    assert (file.read, file.loaded, file.duplicate, file.rejected) == (6, 2, 2, 2)
    assert {row.line for row in account.rejections} == {5, 6}
    assert [row[3] for row in events(database)] == [4, 5]


def test_a_file_is_loaded_once_and_an_overlapping_one_adds_what_is_new(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    rows = [("u1", "i1", "rate", "1767225600", "4"), ("u2", "i2", "rate", "1767225600", "3")]
    first = written(tmp_path, rows)
    load(events=first)
    assert only(load(events=first)).already_loaded
    changed = [("u1", "i1", "rate", "1767225600", "4"), ("u2", "i2", "rate", "1767225600", "5")]
    file = only(load(events=written(tmp_path, [*changed, ("u3", "i1", "rate", "1767225600", "")])))
    assert (file.loaded, file.duplicate, file.rejected) == (3, 0, 0)
    assert [row[3] for row in events(database)] == [4, 5, None]
    assert database.fetch("SELECT count(*) FROM mls.events WHERE ended_by IS NOT NULL") == [(1,)]
    assert database.fetch("SELECT row, id FROM mls.users ORDER BY row") == [
        (0, "u1"),
        (1, "u2"),
        (2, "u3"),
    ]


def test_a_full_snapshot_ends_what_it_lacks(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    rows = [(f"u{n}", "i", "view", "1767225600", "") for n in range(5)]
    load(events=written(tmp_path, rows))
    load(events=written(tmp_path, rows[1:3]), replace=True)
    assert [row[0] for row in events(database)] == ["u1", "u2"]
    assert database.fetch("SELECT count(*) FROM mls.events") == [(5,)]
    assert database.fetch("SELECT count(*) FROM mls.users") == [(5,)]


@pytest.mark.parametrize("kind", FORMATS)
def test_items_have_titles_categories_and_times_and_fall_back_to_their_id(
    kind: str, database: Database, load: Loaded, tmp_path: Path
) -> None:
    file, until = tmp_path / f"items.{kind}", "2026-05-01T00:00:00+00:00"
    if kind == "csv":
        file.write_text(
            "item_id,title,categories,available_until,colour\n"
            f'SKU-1,"Boots, red",Shoes|Winter|Shoes,{until},red\nSKU-2,,,,\n'
        )
    else:
        columns = {
            "item_id": ["SKU-1", "SKU-2"],
            "title": ["Boots, red", None],
            "categories": [["Shoes", "Winter", "Shoes"], None],
            "available_until": [datetime.fromisoformat(until), None],
            "colour": ["red", None],
        }
        pq.write_table(pa.table(columns), file)
    load(items=str(file), events=written(tmp_path, [("u", "SKU-9", "buy", "1767225600", "")]))
    assert database.fetch(
        "SELECT row, id, title, categories, available_from, available_until, properties"
        " FROM mls.items ORDER BY row"
    ) == [
        (0, "SKU-1", "Boots, red", ["Shoes", "Winter"], None, datetime.fromisoformat(until),
         {"colour": "red"}),
        (1, "SKU-2", "SKU-2", [], None, None, {}),
        (2, "SKU-9", "SKU-9", [], None, None, {}),
    ]  # fmt: skip


def test_an_item_that_changes_leaves_its_old_attributes_in_the_history(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    file = tmp_path / "items.csv"
    for title in ("Old", "New"):
        file.write_text(f"item_id,title,categories\na,{title},x\nb,Same,y\n")
        assert only(load(items=str(file))).loaded == 2
    assert database.fetch("SELECT title FROM mls.items ORDER BY row") == [("New",), ("Same",)]
    assert database.fetch("SELECT row, title FROM mls.items_history") == [(0, "Old")]


def test_an_item_named_twice_counts_once_and_a_contradiction_is_rejected(
    load: Loaded, tmp_path: Path
) -> None:
    file = tmp_path / "items.csv"
    file.write_text("item_id,title\na,A\na,A\na,B\n")
    account = load(items=str(file))
    assert (only(account).loaded, only(account).duplicate, only(account).rejected) == (1, 1, 1)
    assert account.rejections[0].line == 4


def test_users_may_have_a_file_of_their_own(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    (tmp_path / "users.csv").write_text("user_id,country\nu1,NL\nu2,\n")
    assert only(load(users=str(tmp_path / "users.csv"))).loaded == 2
    assert database.fetch("SELECT id, properties FROM mls.users ORDER BY row") == [
        ("u1", {"country": "NL"}),
        ("u2", {}),
    ]


def test_a_dataset_of_one_kind_refuses_files_of_the_other(
    load: Loaded, bad: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, [("u", "i", "view", "1767225600", "")])
    load(events=file)
    good = {role: str(bad / f"good/{role}.csv") for role in ("movies", "ratings")}
    with pytest.raises(InputRejected, match="dataset mls holds events, and this is a file of mov"):
        load(**good)


def test_a_dataset_of_ratings_refuses_events(load: Loaded, bad: Path, tmp_path: Path) -> None:
    load(**{role: str(bad / f"good/{role}.csv") for role in ("movies", "ratings")})
    with pytest.raises(InputRejected, match="holds movies, and this is a file of events"):
        load(events=written(tmp_path, [("u", "i", "view", "1767225600", "")]))


def test_a_file_with_too_many_bad_rows_leaves_everything_as_it_was(
    database: Database, load: Loaded, tmp_path: Path
) -> None:
    rows = [("u", "i", "view", "1767225600", "")] + [("", "i", "view", "1767225600", "")] * 30
    with pytest.raises(InputRejected, match="30 of 31 rows would be rejected"):
        load(events=written(tmp_path, rows), max_rejected=0.05)
    for table in ("users", "items", "event_types", "events", "ingested_files"):
        assert database.fetch(f"SELECT count(*) FROM mls.{table}") == [(0,)]


def test_a_column_of_a_thousand_types_is_no_column_of_types(load: Loaded, tmp_path: Path) -> None:
    rows = [("u", "i", f"t{number}", "1767225600", "") for number in range(1001)]
    with pytest.raises(InputRejected, match="more than 1000 different types"):
        load(events=written(tmp_path, rows))


def test_the_clock_decides_what_lies_in_the_future(load: Loaded, tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    account = load(events=written(tmp_path, [
        ("u", "i", "view", "1767225600", ""), ("u", "i", "view", soon.isoformat(), "")
    ]))  # fmt: skip
    assert only(account).rejected == 1
