"""The comparison of two manifests tells a changed hash, and nothing of another commit."""

import json
import sys

import pytest

from benchmarks.same_run import main

MANIFEST = {"version": "v", "code": {"revision": "a"}, "files": {"items.ann": {"sha256": "1"}}}


@pytest.fixture
def compared(tmp_path, monkeypatch):
    def run(after) -> int:
        paths = []
        for name, document in (("before", MANIFEST), ("after", after)):
            paths.append(tmp_path / f"{name}.json")
            paths[-1].write_text(json.dumps(document))
        monkeypatch.setattr(sys, "argv", ["same_run", *map(str, paths)])
        return main()

    return run


def test_another_revision_is_the_same_run(compared, capsys):
    assert compared(MANIFEST | {"code": {"revision": "b"}}) == 0
    assert "2 of 2 keys are equal" in capsys.readouterr().out


@pytest.mark.parametrize("files", [{"items.ann": {"sha256": "2"}}, {}])
def test_a_hash_that_differs_or_is_gone_is_named(compared, capsys, files):
    assert compared(MANIFEST | {"files": files}) == 1
    assert "files.items.ann.sha256: 1" in capsys.readouterr().out
