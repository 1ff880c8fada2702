"""``recsys tune``: a bounded search for training settings, judged on the validation part only."""

from argparse import Namespace
from pathlib import Path

from recsys_tasks.cli import Answer, Subcommands, add_command, check_out
from recsys_tasks.cli.train import add_run_options, add_settings_options, settings_from, steps_for

EXAMPLES = """
Tries combinations of components, learning rate, max_sampled, regularisation and genres on/off, each
with early stopping, and writes the best as a settings file. Nothing looks at the test part.

  recsys tune --set tune.trials=12
  recsys tune --set tune.method=grid --set 'tune.components=[32,64]' --set 'tune.genres=[true]' \\
              --set 'tune.learning_rate=[0.05]' --set 'tune.max_sampled=[10,100]'
  recsys tune --out nightly.toml && recsys train --settings nightly.toml
  recsys train --set train.tuned=true     take the last search's winner from the bucket
"""


def add_commands(commands: Subcommands) -> None:
    """Adds ``tune``."""
    parser = add_command(commands, "tune", tune, "search for training settings", EXAMPLES)
    add_settings_options(parser)
    add_run_options(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the winner here")


def tune(arguments: Namespace) -> Answer:
    """Prepares the data as a run does, tries every proposal, keeps the best."""
    from recsys_tasks.evaluation.search import check_search
    from recsys_tasks.pipeline.tuning import attempt, choose, propose

    settings = settings_from(arguments)
    check_search(settings)
    check_out(arguments.out)
    steps = steps_for(settings, "recsys_cli_tune", arguments)
    for prepare in (steps.migrate, steps.ingest, steps.fit_dataset, steps.split):
        prepare()
    chosen = choose(steps, [attempt(steps, overrides) for overrides in propose(steps)])
    if arguments.out:
        arguments.out.write_text(chosen["document"], encoding="utf-8")
    return Answer(chosen, chosen["document"].rstrip())
