"""Generates a shop's events: synthetic items with SKUs, users with UUIDs, views, carts and purchases.

Nobody did any of it and nothing of it is for sale. Tastes are drawn: each user has a few favourite shelves,
each shelf its popular items, so that there is something to learn.
"""

import csv
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_tasks.data.tables import SYNTHETIC_TITLE
from recsys_tasks.errors import SettingsError

WEIGHTS = {"view": 0.1, "cart": 0.4, "buy": 1.0}
"""Types of event and the weights that the demo trains with."""

SETTINGS = {"events.weights": WEIGHTS, "events.held_out": "buy"}
"""Settings that such data is trained with."""

CATEGORIES = {
    "Shoes": ("Boots", "Sandals", "Sneakers", "Slippers"),
    "Kitchen": ("Pans", "Knives", "Kettles", "Bowls"),
    "Garden": ("Seeds", "Spades", "Pots", "Hoses"),
    "Toys": ("Puzzles", "Trains", "Kites", "Dolls"),
    "Office": ("Pens", "Lamps", "Chairs", "Paper"),
    "Sport": ("Balls", "Rackets", "Tents", "Ropes"),
    "Bath": ("Towels", "Soaps", "Mirrors", "Mats"),
    "Books": ("Atlases", "Novels", "Poems", "Comics"),
}
"""Categories and their shelves."""

COLOURS = ("red", "blue", "green", "black", "white", "grey")
FIRST, LAST = (int(datetime(2026, m, 1, tzinfo=UTC).timestamp()) for m in (1, 7))
"""The events lie between these moments, Unix seconds."""

FAVOURITES = 3
"""Shelves that a user keeps to."""

VIEWS_A_USER = 40
CART_SHARE, BUY_SHARE = 0.35, 0.6
"""Of the views of a favourite shelf's items, and of the carts."""

STRANGE = 0.15
"""Share of views that any item gets, of any shelf."""

ROWS_AT_ONCE = 1_000_000
README = """\
SYNTHETIC events of a shop that does not exist, made by `recsys`: {users:,} users, {items:,} items, {events:,}
events. Tastes are drawn, not observed: good for measuring and for trying things out, no finding about
people can rest on them. Every title begins with "{title}".
"""


@dataclass(frozen=True)
class Shop:
    """What was written."""

    items_file: Path
    events_file: Path
    users: int
    items: int
    events: int


@dataclass(frozen=True)
class _Events:
    """Events of some users: shape ``(n,)`` each; ``kind`` counts the keys of ``WEIGHTS``."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    kind: NDArray[np.int64]
    at: NDArray[np.int64]


def make_shop(
    folder: Path, users: int = 2000, items: int = 960, seed: int = 42, parquet: bool = False
) -> Shop:
    """Writes items.csv, README.txt and events.csv or events.parquet into a folder.

    The same numbers give the same events (with the same numpy).

    Args:
        folder: made if need be; files of the same names are replaced.
        users: how many, each with about 60 events.
        items: how many, spread over the shelves.
        seed: of every draw.
        parquet: write the events as Parquet, which takes pyarrow.

    Raises:
        SettingsError: the folder cannot be written, or pyarrow is not installed.
    """
    rng = np.random.default_rng(seed)
    skus, shelves = _skus(items)
    ids = _uuids(rng, users)
    name = "events.parquet" if parquet else "events.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_items(folder / "items.csv", skus, shelves)
        write = _write_parquet if parquet else _write_csv
        count = write(folder / name, _events(rng, users, shelves), ids, skus)
        said = README.format(users=users, items=items, events=count, title=SYNTHETIC_TITLE)
        (folder / "README.txt").write_text(said, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"the shop cannot be written to {folder}: {error.strerror}") from None
    return Shop(folder / "items.csv", folder / name, users, items, count)


def _skus(items: int) -> tuple[list[str], NDArray[np.int64]]:
    """An SKU for each item and the shelf that it stands on."""
    names = [shelf for shelves in CATEGORIES.values() for shelf in shelves]
    shelves = np.arange(items) % len(names)
    return [f"{names[shelf][:4].upper()}-{at:06d}" for at, shelf in enumerate(shelves)], shelves


def _uuids(rng: np.random.Generator, count: int) -> list[str]:
    """Random UUIDs, of version 4."""
    octets = rng.bytes(16 * count)
    cut = (octets[16 * at : 16 * at + 16] for at in range(count))
    return [str(uuid.UUID(bytes=each, version=4)) for each in cut]


def _events(rng: np.random.Generator, users: int, shelves: NDArray[np.int64]) -> Iterator[_Events]:
    """All events, some thousand users at a time, each part in the order of time."""
    order = np.argsort(shelves, kind="stable")
    begins = np.searchsorted(shelves[order], np.arange(shelves.max() + 2))
    for first in range(0, users, ROWS_AT_ONCE // VIEWS_A_USER):
        some = np.arange(first, min(users, first + ROWS_AT_ONCE // VIEWS_A_USER))
        yield _of_users(rng, some, order, begins)


def _of_users(
    rng: np.random.Generator,
    users: NDArray[np.int64],
    order: NDArray[np.int64],
    begins: NDArray[np.int64],
) -> _Events:
    """Views of favourite shelves and of others, then the carts and purchases that follow from them."""
    counts = np.maximum(rng.poisson(VIEWS_A_USER * rng.gamma(2.0, 0.5, len(users))), 5)
    viewer = np.repeat(np.arange(len(users)), counts)
    favourites = rng.integers(len(begins) - 1, size=(len(users), FAVOURITES))
    strange = rng.random(len(viewer)) < STRANGE
    chosen = favourites[viewer, np.minimum(rng.geometric(0.5, len(viewer)), FAVOURITES) - 1]
    shelf = np.where(strange, rng.integers(len(begins) - 1, size=len(viewer)), chosen)
    sizes = np.diff(begins)[shelf]
    place = np.minimum((sizes * rng.random(len(viewer)) ** 2.5).astype(np.int64), sizes - 1)
    item = order[begins[shelf] + place]
    carted = ~strange & (rng.random(len(viewer)) < CART_SHARE)
    bought = carted & (rng.random(len(viewer)) < BUY_SHARE)
    seconds = rng.integers(FIRST, LAST - 7200, size=len(viewer))
    kinds = [(0, np.ones(len(viewer), np.bool_), 0), (1, carted, 600), (2, bought, 3600)]
    parts = [
        (users[viewer[did]], item[did], np.full(int(did.sum()), kind), seconds[did] + later)
        for kind, did, later in kinds
    ]
    user, product, kind, at = (np.concatenate(column) for column in zip(*parts, strict=True))
    by_time = np.argsort(at, kind="stable")
    return _Events(user[by_time], product[by_time], kind[by_time], at[by_time])


def _write_items(file: Path, skus: list[str], shelves: NDArray[np.int64]) -> None:
    names = [(category, shelf) for category, of in CATEGORIES.items() for shelf in of]
    with file.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(("item_id", "title", "categories", "colour"))
        for at, (sku, shelf) in enumerate(zip(skus, shelves.tolist(), strict=True)):
            category, name = names[shelf]
            colour = COLOURS[at // len(names) % len(COLOURS)]
            title = f"{SYNTHETIC_TITLE}{name}, {colour}, no. {at}"
            writer.writerow((sku, title, f"{category}|{name}", colour))


def _columns(events: _Events, ids: list[str], skus: list[str]) -> dict[str, list[str]]:
    """The columns of the events file."""
    names = list(WEIGHTS)
    return {
        "user_id": [ids[at] for at in events.user.tolist()],
        "item_id": [skus[at] for at in events.item.tolist()],
        "type": [names[at] for at in events.kind.tolist()],
        "time": [f"{at}Z" for at in events.at.astype("datetime64[s]").astype(str).tolist()],
    }


def _write_csv(file: Path, parts: Iterator[_Events], ids: list[str], skus: list[str]) -> int:
    count = 0
    with file.open("w", encoding="utf-8", newline="") as output:
        output.write("user_id,item_id,type,time\n")
        for events in parts:
            rows = zip(*_columns(events, ids, skus).values(), strict=True)
            output.writelines(",".join(row) + "\n" for row in rows)
            count += len(events.user)
    return count


def _write_parquet(file: Path, parts: Iterator[_Events], ids: list[str], skus: list[str]) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise SettingsError(
            "Parquet needs pyarrow: pip install 'recsys-tasks[parquet]', or write CSV"
        ) from None
    schema = pa.schema(
        [(name, pa.string()) for name in ("user_id", "item_id", "type")]
        + [("time", pa.timestamp("s", tz="UTC"))]
    )
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        for events in parts:
            columns = _columns(events, ids, skus) | {"time": pa.array(events.at, schema.types[3])}
            writer.write_table(pa.table(columns, schema=schema))
            count += len(events.user)
    return count
