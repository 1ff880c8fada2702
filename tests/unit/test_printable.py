"""Text from outside cannot steer a terminal or hide in a log: what is invisible shows as a number."""

import json
import logging
import pickle
from dataclasses import replace

import pytest
from tiny_version import make_version

from recsys_tasks.artifacts.reader import open_version
from recsys_tasks.cli import ask
from recsys_tasks.cli.main import main
from recsys_tasks.errors import DataCheckFailed, InputRejected, RecsysError, SettingsError
from recsys_tasks.printable import PrintableFormatter, printable
from recsys_tasks.recommend.recommender import Recommender

HOSTILE = "\x1b[2J\x9b1m\u202etxt\u200b\nrecsys: fine\x7f"
SHOWN = "\\x1b[2J\\x9b1m\\u202etxt\\u200b\\x0arecsys: fine\\x7f"


@pytest.mark.parametrize("text", ["Amélie (2001)", "七人の侍", "a\u00a0b", "🎬", "e\u0301", ""])
def test_a_title_of_any_language_stays_as_it_is(text):
    assert printable(text) == text


def test_every_invisible_character_shows_as_its_number():
    assert printable(HOSTILE) == SHOWN
    assert printable("\udcff\u2028\U000e0041") == "\\udcff\\u2028\\U000e0041"
    assert printable("a\tb\n\x1b", lines=True) == "a\tb\n\\x1b"


@pytest.mark.parametrize(
    "error",
    [
        InputRejected(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, HOSTILE),
        SettingsError(HOSTILE),
        DataCheckFailed((HOSTILE,)),
    ],
)
def test_an_error_that_quotes_foreign_text_shows_what_is_invisible(error: RecsysError):
    shown = str(pickle.loads(pickle.dumps(error)))
    assert "\\x1b[2J" in shown
    assert shown.replace("\n", "").isprintable()


def test_a_log_line_of_the_command_shows_what_is_invisible():
    record = logging.LogRecord("recsys", logging.INFO, "", 1, "file %s", (HOSTILE,), None)
    assert PrintableFormatter("%(message)s").format(record).replace("\n", "").isprintable()


@pytest.mark.parametrize("question", ["recommend --user 5", "similar --movie {movie}"])
def test_a_hostile_title_is_one_row_of_the_table_and_exact_in_json(
    question, tmp_path, monkeypatch, capsys
):
    manifest = make_version(tmp_path)
    artifacts = open_version(manifest, {name: tmp_path / name for name in manifest.files})
    items = tuple(replace(m, title=HOSTILE, categories=(HOSTILE,)) for m in artifacts.items)
    recommender = Recommender(replace(artifacts, items=items))
    monkeypatch.setattr(ask, "open_recommender", lambda _arguments: recommender)
    command = question.format(movie=artifacts.item_ids[0]).split()
    assert main([*command, "-k", "3"]) == 0
    rows = capsys.readouterr().out.splitlines()[-3:]
    assert all(row.isprintable() and SHOWN[:20] in row for row in rows)
    assert main([*command, "-k", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["title"] == HOSTILE
