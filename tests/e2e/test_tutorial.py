"""docs/tutorial.md works as it is written: its shell commands, in its order, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.services
@pytest.mark.slow("demos")
def test_every_command_of_the_tutorial_succeeds(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("".join(blocks("toml")), encoding="utf-8")
    commands = "".join(blocks("sh")).replace(". .venv/bin/activate\n", "")
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
    assert "user 42" in done.stdout
    assert "from the popular list" in done.stdout
    assert "champion" in done.stdout
