"""``compare``: two versions side by side."""

from argparse import Namespace

from recsys_tasks.cli import Answer, Subcommands, add_command


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    compare = add_command(
        commands,
        "compare",
        compare_two,
        "show what differs between two versions: quality, settings, data, users' lists, films",
        "A version is a name, or champion, previous, or candidate: the newest that is newer than the\n"
        "champion. Without names: the champion and the candidate.\n\n"
        "examples:\n  recsys compare\n  recsys compare previous champion\n"
        "  recsys compare 20261117T030000Z-5e6f7a8b 20261124T030000Z-1a2b3c4d --json",
    )
    compare.add_argument("before", nargs="?", default="champion", help="(default: champion)")
    compare.add_argument("now", nargs="?", default="candidate", help="(default: candidate)")


def compare_two(arguments: Namespace) -> Answer:
    """``recsys compare``."""
    from recsys_tasks.cli.versions import open_store
    from recsys_tasks.pipeline.compare import compare_versions
    from recsys_tasks.publish.naming import named_version

    store, dataset = open_store(), arguments.dataset
    before, now = (
        named_version(store, dataset, name) for name in (arguments.before, arguments.now)
    )
    found = compare_versions(store, dataset, before, now)
    return Answer(found.document(), found.text())
