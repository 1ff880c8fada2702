"""Every command that README and docs show is one that the command line or the Makefile takes."""

import re
import shlex
from pathlib import Path

import pytest

from recsys_tasks.cli.main import parser

PROJECT = Path(__file__).parents[3]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^ *```.*?^ *```", flags=re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")


def lines(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = [block.splitlines() for block in BLOCK.findall(text)]
    shell = [
        line.strip()
        for first, *rest in blocks
        if first.strip() in {"```", "```sh"}
        for line in rest
    ]
    return [
        line.removeprefix("$ ").removeprefix(".venv/bin/")
        for line in shell + INLINE.findall(BLOCK.sub("", text))
    ]


SHOWN = sorted(
    {
        (page.name, line.partition(" #")[0].strip())
        for page in PAGES
        if page.name not in {"cli.md", "configuration.md"}
        for line in lines(page)
        if line.startswith(("recsys ", "make "))
    }
)


def is_general(word: str) -> bool:
    """Whether a word stands for something that a reader puts in its place."""
    return word.isupper() or word.startswith(("<", "[")) or "…" in word or "|" in word


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_a_shown_command_is_taken(page: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = shlex.split(line)
    if program == "make":
        targets = re.findall(r"^([\w.-]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE)
        assert words[0] in targets
        return
    if any(map(is_general, words)) or len(words) == 1:
        assert words[0].strip(",") in parser().format_help()
        return
    assert exit_code(words) in {None, 0}, f"{page}: {line}: {capsys.readouterr().err}"


def exit_code(words: list[str]) -> object:
    """What argparse ends with; None: it took the words."""
    try:
        parser().parse_args(words)
    except SystemExit as end:
        return end.code
    return None
