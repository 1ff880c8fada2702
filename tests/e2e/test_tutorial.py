"""The tutorials work as they are written: their shell commands, in their order, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SAID = {
    "tutorial": ("user 42", "from the popular list", "champion"),
    "tutorial-shop": ("user d90b280f", "from the model", "Synthetic: Boots"),
}
"""Each page, and what its commands print."""


def blocks(page: str, language: str) -> list[str]:
    text = (PROJECT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.services
@pytest.mark.slow("demos")
@pytest.mark.parametrize("page", SAID)
def test_every_command_of_a_tutorial_succeeds(page: str, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("".join(blocks(page, "toml")), encoding="utf-8")
    commands = "".join(blocks(page, "sh")).replace(". .venv/bin/activate\n", "")
    environment = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RECSYS_HOME": str(tmp_path / "state"),
    }
    try:
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        subprocess.run(["recsys", "down"], env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in SAID[page]:
        assert words in done.stdout
