"""The Tab key completes commands, options and choices: each shell runs its script."""

import shutil
import subprocess
from pathlib import Path

import pytest

from recsys_tasks.cli.completion import SCRIPTS, commands_of
from recsys_tasks.cli.main import main, parser

ASK = {
    "bash": """
source SCRIPT
COMP_WORDS=(GIVEN); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_recsys
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compdef() {}; _files() {}
compadd() { shift; for one in "$@"; do [[ $one == ${words[CURRENT]}* ]] && print -r -- $one; done }
source SCRIPT
words=(GIVEN); CURRENT=${#words[@]}
_recsys
""",
    "fish": "source SCRIPT; complete -C LINE",
}
CASES = {
    ("recsys", "ver"): {"versions", "verify"},
    ("recsys", "promote", "--re"): {"--reason"},
    ("recsys", "promote", "--channel", "c"): {"champion", "canary"},
    ("recsys", "train", "--preset", "art"): {"article"},
    ("recsys", "train", "--set", "gate.min_prec"): {"gate.min_precision="},
    ("recsys", "down", "--ver"): set(),
}


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Writes what ``--completion`` prints; gives the file."""

    def write(shell: str) -> Path:
        with pytest.raises(SystemExit) as ended:
            main(["--completion", shell])
        assert ended.value.code == 0
        path = tmp_path / f"completion.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


@pytest.mark.parametrize("words", CASES, ids=" ".join)
@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_a_shell_offers_what_fits(shell: str, words: tuple[str, ...], script) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"NOT TESTED: {shell} is not installed")
    code = ASK[shell].replace("SCRIPT", str(script(shell)))
    code = code.replace("GIVEN", " ".join(words)).replace("LINE", f"'{' '.join(words)}'")
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run([shell, *flags, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    offered = {line.partition("\t")[0] for line in done.stdout.splitlines()} - {""}
    assert offered == CASES[words]


def test_every_command_is_known_with_its_options() -> None:
    commands = commands_of(parser())
    assert {"train", "recommend", "doctor"} <= set(commands)
    assert all("--json" in options for options in commands.values())
