"""``recsys --completion SHELL``: a script that lets the Tab key complete commands, options and choices.

The script is made from the parsers and holds all words, so that a Tab starts no Python.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Command = Mapping[str, Sequence[str]]
"""Option -> the choices of its value; empty where it has none."""


def add_completion(whole: argparse.ArgumentParser) -> None:
    """The option ``--completion`` of the whole command line."""
    whole.add_argument(
        "--completion",
        action=_Print,
        choices=sorted(SCRIPTS),
        metavar="SHELL",
        help=f"print a script for the shell's Tab key and end: {', '.join(sorted(SCRIPTS))}",
    )


class _Print(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> None:
        print(SCRIPTS[given[1]](commands_of(parser)))
        parser.exit()


def commands_of(whole: argparse.ArgumentParser) -> dict[str, Command]:
    """The options of each command, by the command's name."""
    [subparsers] = [one for one in whole._actions if isinstance(one, argparse._SubParsersAction)]
    return {name: dict(_options(command)) for name, command in subparsers.choices.items()}


def _options(command: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    for action in command._actions:
        if action.help != argparse.SUPPRESS:
            yield from ((option, _choices(option, action)) for option in action.option_strings)


def _choices(option: str, action: argparse.Action) -> list[str]:
    """What may stand behind an option, as far as it can be listed."""
    from recsys_tasks.config.settings import PRESETS, Settings

    if option == "--set":
        return [f"{name}=" for name in Settings().flat()]
    return list(PRESETS) if option == "--preset" else [str(one) for one in action.choices or ()]


def _bash(commands: Mapping[str, Command]) -> str:
    return f"""# Completion of recsys for bash: eval "$(recsys --completion bash)"
_recsys() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words
    ((COMP_CWORD == 1)) && command=
    case "$command $before" in
{_cases(commands, "words=")}    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _recsys recsys"""


def _zsh(commands: Mapping[str, Command]) -> str:
    return f"""#compdef recsys
# Completion of recsys for zsh: eval "$(recsys --completion zsh)"
_recsys() {{
    local before=${{words[CURRENT-1]}} command=${{words[2]}} found
    ((CURRENT == 2)) && command=
    case "$command $before" in
{_cases(commands, "found=")}    esac
    compadd -- ${{=found}} || _files
}}
compdef _recsys recsys"""


def _cases(commands: Mapping[str, Command], assign: str) -> str:
    """Lines of a shell's ``case`` over "command option": choices first, a command's options after."""
    lines = [
        f'"{name} {option}") {assign}"{" ".join(choices)}" ;;'
        for name, options in commands.items()
        for option, choices in options.items()
        if choices
    ]
    lines += [f'"{name} "*) {assign}"{" ".join(options)}" ;;' for name, options in commands.items()]
    lines.append(f'*) {assign}"{" ".join(commands)} --help --completion" ;;')
    return "".join(f"        {line}\n" for line in lines)


def _fish(commands: Mapping[str, Command]) -> str:
    lines = [
        "# Completion of recsys for fish: recsys --completion fish | source",
        f"complete -c recsys -n __fish_use_subcommand -f -a '{' '.join(commands)}'",
    ]
    for name, options in commands.items():
        here = f"complete -c recsys -n '__fish_seen_subcommand_from {name}'"
        for option, choices in options.items():
            kind = "-l" if option.startswith("--") else "-s"
            values = f" -x -a '{' '.join(choices)}'" if choices else ""
            lines.append(f"{here} {kind} {option.lstrip('-')}{values}")
    return "\n".join(lines)


SCRIPTS: dict[str, Callable[[Mapping[str, Command]], str]] = {
    "bash": _bash,
    "fish": _fish,
    "zsh": _zsh,
}
"""What makes the script of each shell."""
