"""Each malformed file of tests/data/bad ends as its index says: accepted, rejected rows, or refused whole."""

import csv
from pathlib import Path

import pytest

from recsys_tasks.config.settings import SourceSettings
from recsys_tasks.data.db.postgres import Database
from recsys_tasks.data.load.ingest import ingest
from recsys_tasks.data.tables import LoadAccount
from recsys_tasks.errors import InputRejected

DATASET = "mls"
BAD = Path(__file__).parents[2] / "data/bad"
KINDS = list(csv.DictReader((BAD / "index.tsv").open(), delimiter="\t"))


def sources(folder: Path, file: str, role: str) -> SourceSettings:
    if role == "archive":
        return SourceSettings(archive=str(folder / file))
    files = {name: str(folder / "good" / f"{name}.csv") for name in ("movies", "ratings")}
    return SourceSettings.model_validate(files | {role: str(folder / file)})


def counted(account: LoadAccount, role: str) -> tuple[int, int]:
    files = [file for file in account.files if role in ("archive", file.role)]
    return sum(file.loaded for file in files), sum(file.rejected for file in files)


@pytest.mark.services
@pytest.mark.parametrize("kind", KINDS, ids=[kind["file"] for kind in KINDS])
def test_ends_as_the_index_says(database: Database, kind: dict[str, str]) -> None:
    settings = sources(BAD, kind["file"], kind["role"])
    if kind["outcome"] == "REJECT":
        with pytest.raises(InputRejected) as refused:
            ingest(database, settings, DATASET, "test")
        assert kind["file"] in str(refused.value)
        assert len(database.read_movies(DATASET)) == len(database.read_ratings(DATASET)) == 0
        return
    account = ingest(database, settings, DATASET, "test")
    expected = (int(kind["rows_loaded"]), int(kind["rows_aside"]))
    assert counted(account, kind["role"]) == expected
    aside = database.fetch(f"SELECT count(*) FROM {DATASET}.rejected_rows")
    assert aside == [(sum(file.rejected for file in account.files),)]


def test_every_malformed_file_stands_in_the_index() -> None:
    there = {path.name for path in BAD.iterdir()} - {"README.md", "index.tsv", "good"}
    assert there == {kind["file"] for kind in KINDS}
