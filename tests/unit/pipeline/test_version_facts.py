"""Which code made a version: known where it can be, and never a reason to lose a run."""

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from recsys_tasks.pipeline import version_facts
from recsys_tasks.pipeline.version_facts import code_revision

INSTALLED = metadata.version("recsys-tasks")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in which the module seems to lie."""
    monkeypatch.delenv("RECSYS_REVISION", raising=False)
    (tmp_path / "recsys_tasks").mkdir()
    monkeypatch.setattr(version_facts, "__file__", str(tmp_path / "recsys_tasks" / "x.py"))
    who = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    for words in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def commit_of(folder: Path) -> str:
    return (folder / ".git" / "logs" / "HEAD").read_text().split()[1]


def test_the_revision_is_the_checkouts_commit(checkout: Path) -> None:
    assert code_revision() == commit_of(checkout)


def test_a_checkout_that_git_calls_dubiously_owned_still_tells_its_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    asked = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    refused = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "dubious ownership" in refused.stderr
    assert code_revision() == commit_of(checkout)


@pytest.mark.parametrize("missing", ["git", "head"])
def test_without_git_or_a_commit_the_installed_version_stands_in(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing == "git":
        monkeypatch.setenv("PATH", str(checkout))
    else:
        (checkout / ".git" / "HEAD").unlink()
    assert code_revision() == f"{INSTALLED}, commit unknown"
