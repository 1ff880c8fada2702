"""``demo``: the main job on real ratings or a shop's events, from nothing to a recommendation."""

import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.cli.stack import add_stack_options, report_part, stack_options
from recsys_tasks.config.connections import stack_home

if TYPE_CHECKING:
    from recsys_tasks.devstack.demo import Demo, DemoReporter
    from recsys_tasks.devstack.demo_summary import DemoSummary, UserShown

DEFAULT_DATASET, SHOP = "movielens", "shop"
"""Datasets of the demo, and of ``--shop``."""


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    demo = add_command(
        commands,
        "demo",
        show,
        "start what is needed, train on the sample in Airflow, show the result, stop",
        "examples:\n"
        "  recsys demo\n"
        "  recsys demo --shop                        UUIDs, SKUs, views, carts, purchases: all synthetic\n"
        "  recsys demo --set train.epochs=5 --set gate.min_precision=0.2\n\n"
        "What it started it also stops; a stack that was up stays up. A second run loads nothing\n"
        "twice and publishes a second version.",
    )
    demo.add_argument(
        "--shop",
        action="store_true",
        help=f"train on generated events of a shop; the dataset is {SHOP} unless --dataset is given",
    )
    demo.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.FIELD=VALUE",
        help="a setting of the run; repeat for more (the DAG's form lists them all)",
    )
    add_stack_options(demo)


def show(arguments: Namespace) -> Answer:
    """``recsys demo``."""
    from recsys_tasks.config.interruption import interruptible
    from recsys_tasks.config.settings import parse_assignments
    from recsys_tasks.devstack.demo import generated_shop, movielens, run_demo

    began = time.monotonic()
    options = stack_options(arguments, stack_home().absolute())
    conf = parse_assignments(arguments.set)
    dataset, make_data = arguments.dataset, movielens
    if arguments.shop:
        dataset = SHOP if dataset == DEFAULT_DATASET else dataset
        make_data = generated_shop
    with interruptible():
        demo = run_demo(options, dataset, conf, _voice(), make_data)
    seconds = time.monotonic() - began
    manifest = demo.summary.manifest
    document = {
        "dataset": manifest.dataset,
        "version": manifest.version,
        "accepted": manifest.gate.accepted,
        "promoted": demo.summary.is_champion,
        "metrics": manifest.metrics,
        "users": [_user_document(user) for user in demo.summary.users],
        "tasks": demo.seconds,
        "seconds": round(seconds, 1),
    }
    return Answer(document, "\n".join(_story(demo, Path(options.home), seconds)))


def _user_document(user: "UserShown") -> dict[str, Any]:
    """A shown user for a program; ``items`` as ``recsys recommend --json`` gives them."""
    from recsys_tasks.artifacts.items import in_answer

    return {
        "user_id": user.user_id,
        "ratings": user.n_ratings,
        "liked": [
            {"title": title, "event" if isinstance(said, str) else "rating": said}
            for title, said in user.liked
        ],
        "tier": user.recommended.tier,
        "items": [
            in_answer("movie", movie.item_id, movie.title, movie.categories)
            | {"score": movie.score}
            for movie in user.recommended.items
        ],
    }


def _voice() -> "DemoReporter":
    """Lines on stderr; where that is a terminal, the task at work shows on a line of its own."""
    from recsys_tasks.devstack.demo import DemoReporter

    clear = "\r\033[K" if sys.stderr.isatty() else ""

    def say(line: str) -> None:
        print(clear + line, file=sys.stderr, flush=True)

    def tick(line: str) -> None:
        if clear:
            print(clear + line, end="", file=sys.stderr, flush=True)

    return DemoReporter(say, tick, report_part)


def _story(demo: "Demo", home: Path, seconds: float) -> list[str]:
    summary = demo.summary
    return [
        "",
        *_data(summary),
        "",
        *_verdict(summary),
        *(line for user in summary.users for line in ("", *_user(user))),
        "",
        *_whereabouts(demo, home),
        "",
        f"Done in {seconds:.0f} s, of which the tasks took {sum(demo.seconds.values()):.0f} s.",
    ]


def _data(summary: "DemoSummary") -> list[str]:
    from recsys_tasks.devstack.demo_summary import metrics_table

    data, model = summary.manifest.data, summary.manifest.model
    engine = model.model_dump().get("engine", model.loss)
    standing = summary.manifest.metrics.get("standing")
    events = data.model_dump().get("events")
    counted = (
        f"{data.users:,} users, {data.items:,} movies, {data.ratings:,} ratings"
        if events is None
        else f"{data.users:,} users, {data.items:,} items, {events:,} events of {data.ratings:,} pairs"
    )
    return [
        f"{counted}, {data.positives:,} of them positives; engine {engine} with {model.components} "
        f"components, {model.epochs} epochs",
        *metrics_table(summary.manifest.metrics),
        *([str(standing["sentence"])] if isinstance(standing, dict) else []),
    ]


def _verdict(summary: "DemoSummary") -> list[str]:
    gate = summary.manifest.gate
    place = "the champion" if summary.is_champion else "published, but not the champion"
    head = f"Gate: {'accepted' if gate.accepted else 'rejected'}; {summary.manifest.version} is {place}"
    rules = (
        f"  {'passed' if rule.passed else 'FAILED'}  {rule.name} {_value(rule.value)} "
        f"against {_value(rule.bound)}"
        for rule in gate.rules
    )
    return [head, *rules]


def _value(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def _user(user: "UserShown") -> list[str]:
    answer = user.recommended
    by_type = any(isinstance(said, str) for _, said in user.liked)
    counted = "items; what says most:" if by_type else "ratings; among the best rated:"
    return [
        f"User {user.user_id}, {user.n_ratings} {counted}",
        *(
            f"  {said:<4}  {title}" if isinstance(said, str) else f"  {said:.1f}  {title}"
            for title, said in user.liked
        ),
        f"Recommended ({answer.tier}):",
        *(f"  {place:>2}. {movie.title}" for place, movie in enumerate(answer.items, 1)),
    ]


def _whereabouts(demo: "Demo", home: Path) -> list[str]:
    manifest, env = demo.summary.manifest, demo.env
    key = f"{manifest.dataset}/versions/{manifest.version}/"
    lines = [
        f"Artifacts: {len(manifest.files) + 1} files at s3://{env['RECSYS_S3_BUCKET']}/{key}",
        f"Report:    {home / 'objects' / env['RECSYS_S3_BUCKET'] / key / 'report.html'}",
    ]
    if demo.left_running:
        return [*lines, f"Airflow:   {env['AIRFLOW_API_URL']}; `recsys env` prints the login"]
    return [
        *lines,
        "Airflow:   stopped again; `make up` starts it and prints its address and login",
        f"Ask it:    `make up`, then .venv/bin/recsys recommend {_question(demo)}",
    ]


def _question(demo: "Demo") -> str:
    """The options of a question that the version can answer."""
    dataset = demo.summary.manifest.dataset
    if dataset == DEFAULT_DATASET:
        return "--user 42"
    return f"--dataset {dataset} --user {demo.summary.users[0].user_id}"
