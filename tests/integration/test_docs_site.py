"""The documentation's site is built without a warning: every link between pages leads somewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="needs the dependency group docs")

PROJECT = Path(__file__).parents[2]


@pytest.mark.slow("docs")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "docs/reference.py"], cwd=PROJECT, check=True)
    build = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(tmp_path)]
    built = subprocess.run([sys.executable, *build], cwd=PROJECT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "index.html").stat().st_size > 1000
