"""``recsys train``: the whole flow without Airflow, the same steps in the same order."""

import logging
import shlex
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from recsys_tasks.cli import Answer, Subcommands, add_command, add_settings_file, settings_file_of
from recsys_tasks.config.redaction import redacted_tree

if TYPE_CHECKING:
    from recsys_tasks.config.settings import Settings
    from recsys_tasks.pipeline.run import Run
    from recsys_tasks.pipeline.steps import Steps

log = logging.getLogger(__name__)

EXAMPLES = """
Runs the steps of the DAG one after the other: migrate, ingest, fit_dataset, split, train, evaluate,
gate, finalise, export_embeddings, build_index, publish, verify, promote, report. Without a source it
trains on what the dataset's tables hold. A rejected model exits with 3 and leaves the champion alone.

  recsys train --dataset mls
  recsys train --preset quick --set source.movies=movies.csv --set source.ratings=ratings.csv
  recsys train --set train.epochs=40 --set gate.min_precision=0.1
  recsys train --run-id manual__2026-11-24T03:00:00+00:00
                                  finish a run that broke off: same version, resumed training
  Ctrl-C, or SIGTERM, during a training: the epoch ends, its state is kept, the command ends; again
                                  Ctrl-C ends it at once
  recsys train --list-settings    every setting and its value
"""


def add_commands(commands: Subcommands) -> None:
    """Adds ``train``."""
    parser = add_command(
        commands, "train", train, "run the whole flow here, without Airflow", EXAMPLES
    )
    add_settings_options(parser)
    add_run_options(parser)
    parser.add_argument("--list-settings", action="store_true", help="print all settings and stop")


def add_settings_options(parser: ArgumentParser) -> None:
    """Options of a command that works with a run's settings."""
    parser.add_argument(
        "--preset", default="nightly", help="nightly (default), article, quick or spark"
    )
    add_settings_file(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="SECTION.FIELD=VALUE",
        help="one setting; may be repeated, wins over the file and the preset",
    )


def add_run_options(parser: ArgumentParser) -> None:
    """Options of a command that is a run."""
    parser.add_argument("--run-id", help="name of the run (default: manual__ and the time)")
    parser.add_argument("--run-after", metavar="TIME", help="UTC time that the version begins with")


def settings_from(arguments: Namespace) -> "Settings":
    """The settings that the options ask for.

    Raises:
        SettingsError: an unknown preset or field, or a value out of bounds.
    """
    from recsys_tasks.config.settings import Settings, parse_assignments

    overrides = {"dataset": arguments.dataset, **parse_assignments(arguments.assignments)}
    return Settings.load(arguments.preset, settings_file_of(arguments), overrides)


def given_names(arguments: Namespace) -> frozenset[str]:
    """The dotted names of the settings that the call gives, by ``--set`` or its settings file."""
    from recsys_tasks.config.settings import names_in, parse_assignments

    return names_in(settings_file_of(arguments), parse_assignments(arguments.assignments))


def steps_for(settings: "Settings", flow: str, arguments: Namespace) -> "Steps":
    """The steps of a run of ``flow`` over the services that the environment names.

    Args:
        settings: of the run.
        flow: its name.
        arguments: of a command with ``add_settings_options`` and ``add_run_options``.
    """
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.config.connections import Connections
    from recsys_tasks.data.db.postgres import Database
    from recsys_tasks.pipeline.steps import Steps
    from recsys_tasks.pipeline.tuning import with_tuned

    found = Connections.find()
    store = ObjectStore(found.store())
    run = _named_run(settings.dataset, flow, arguments.run_id, arguments.run_after)
    tuned = with_tuned(settings, store, run, given_names(arguments))
    return Steps(tuned, run, Database(found.database_url()), store)


def train(arguments: Namespace) -> Answer:
    """Runs the steps; the report is written whatever happens."""
    settings = settings_from(arguments)
    if arguments.list_settings:
        return _listing(settings)
    return _run(steps_for(settings, "recsys_cli", arguments))


def _run(steps: "Steps") -> Answer:
    from recsys_tasks.config.interruption import interruptible
    from recsys_tasks.errors import GateRejected, PublishConflict
    from recsys_tasks.pipeline.steps import ORDER

    outcome = {"dataset": steps.run.dataset, "version": steps.run.version}
    try:
        with interruptible():
            for name in ORDER:
                getattr(steps, name)()
    except KeyboardInterrupt:
        log.error("interrupted: the same command with %s finishes this run", _same_run(steps.run))
        raise
    except GateRejected as error:
        log.error("%s", error)
        said = f"{_table(steps)}rejected: {error}"
        return Answer(outcome | {"accepted": False, "promoted": False}, said, 3)
    except PublishConflict as error:
        log.error("%s", error)
        said = f"{_table(steps)}not promoted: {error}"
        return Answer(outcome | {"accepted": True, "promoted": False}, said, 3)
    finally:
        steps.report()
    return Answer(outcome | {"accepted": True, "promoted": True}, _table(steps) + _promoted(steps))


def _promoted(steps: "Steps") -> str:
    """What became of the run, and the commands that go on from there."""
    version, dataset = steps.run.version, steps.run.dataset
    lines = [f"version {version} of {dataset} is the champion"]
    if before := steps.files.get_json("champion.json")["version"]:
        lines.append(f"what changed: recsys compare {before} {version} --dataset {dataset}")
    return "\n".join([*lines, f"its report:   recsys report {version} --dataset {dataset} --open"])


def _table(steps: "Steps") -> str:
    """The metrics beside the baselines' as the demo shows them, and an empty line; empty if none are there."""
    from recsys_tasks.devstack.demo_summary import metrics_table

    if not steps.files.has("metrics.json"):
        return ""
    return "\n".join([*metrics_table(steps.files.get_json("metrics.json")), "", ""])


def _same_run(run: "Run") -> str:
    """The options that name a run again."""
    return f"--run-id {shlex.quote(run.run_id)} --run-after {run.run_after.isoformat()}"


def _named_run(dataset: str, flow: str, run_id: str | None, run_after: str | None) -> "Run":
    """A run by its name and moment: the same two give the same version, whenever they are given.

    A run without a name is called after the microsecond in which it begins.

    Raises:
        SettingsError: a name of one's own without its moment, or a moment that is none.
    """
    from recsys_tasks.errors import SettingsError
    from recsys_tasks.pipeline.run import Run

    if run_id is None:
        run_id = f"manual__{datetime.now(UTC).isoformat(timespec='microseconds')}"
    try:
        moment = datetime.fromisoformat(run_after or run_id.removeprefix("manual__"))
    except ValueError:
        raise SettingsError(
            f"the run {run_id!r} needs --run-after, a time such as 2026-11-24T03:00:00Z: the "
            "version is made from both, so that running it again finishes the same version"
        ) from None
    log.info("run %s", run_id)
    return Run(dataset, flow, run_id, moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _listing(settings: "Settings") -> Answer:
    flat = redacted_tree(settings.flat())
    return Answer(flat, "\n".join(f"{name} = {value!r}" for name, value in flat.items()))
