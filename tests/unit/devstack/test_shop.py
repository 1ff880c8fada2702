"""The generated shop: the same numbers give the same events, in both formats, and all say what they are."""

import csv
import re
import uuid
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys_tasks.data.tables import SYNTHETIC_TITLE
from recsys_tasks.devstack.shop import WEIGHTS, make_shop
from recsys_tasks.errors import SettingsError


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_files_and_another_one_others(tmp_path: Path) -> None:
    files = [
        make_shop(tmp_path / name, users=20, items=64, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, second, third = (shop.events_file.read_bytes() for shop in files)
    assert first == second != third


def test_ids_are_uuids_and_skus_and_types_lead_from_views_to_purchases(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, users=50, items=64)
    events = rows_of(shop.events_file)
    assert len(events) == shop.events
    assert {str(uuid.UUID(row["user_id"])) for row in events} == {row["user_id"] for row in events}
    assert all(re.fullmatch(r"[A-Z]{4}-\d{6}", row["item_id"]) for row in events)
    types = Counter(row["type"] for row in events)
    assert types["view"] > types["cart"] > types["buy"] > 0
    assert set(types) == set(WEIGHTS)


def test_everything_says_that_it_is_synthetic(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, users=5, items=64)
    assert (tmp_path / "README.txt").read_text().startswith("SYNTHETIC")
    titles = [row["title"] for row in rows_of(shop.items_file)]
    assert len(titles) == 64
    assert all(title.startswith(SYNTHETIC_TITLE) for title in titles)


def test_parquet_holds_the_same_events_with_types(tmp_path: Path) -> None:
    text = rows_of(make_shop(tmp_path, users=10, items=64).events_file)
    table = pq.read_table(make_shop(tmp_path, users=10, items=64, parquet=True).events_file)
    assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    for name in ("user_id", "item_id", "type"):
        assert table.column(name).to_pylist() == [row[name] for row in text]


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        make_shop(tmp_path / "file" / "shop", users=5, items=64)
