"""``batch``: every user's recommendations, to a file or to the bucket."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tasks.cli import Answer, Subcommands, add_command, check_out, open_store
from recsys_tasks.cli.answers import add_common, length, number, open_recommender
from recsys_tasks.errors import SettingsError

if TYPE_CHECKING:
    from recsys_tasks.recommend.recommender import Recommender


def add_commands(commands: Subcommands) -> None:
    """Adds the command."""
    batch = add_command(
        commands,
        "batch",
        batch_items,
        "write every user's recommendations, one row a user, to a file or to the bucket",
        "A shard is a range of users. With --publish each shard becomes a part in the bucket, under\n"
        "<dataset>/batch/<version>/, and a manifest with their sha256 is written last.\n\n"
        "examples:\n  recsys batch --out top.jsonl -k 20\n"
        "  recsys batch --out top.parquet --format parquet      needs the extra: parquet\n"
        "  recsys batch --out part-2.jsonl --shards 7 --shard 2\n"
        "  recsys batch --publish --shards 4",
    )
    where = batch.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="file to write")
    where.add_argument("--publish", action="store_true", help="all shards and a manifest")
    batch.add_argument(
        "--format", choices=("jsonl", "parquet"), default="jsonl", help="(default: jsonl)"
    )
    batch.add_argument("--shards", type=length, default=1, help="ranges of users (default: 1)")
    batch.add_argument(
        "--shard", type=number, help="with --out: the one to write, from 0 (default: all users)"
    )
    add_common(batch, filters=False)


def batch_items(arguments: Namespace) -> Answer:
    """``recsys batch``."""
    return _batch_in_bucket(arguments) if arguments.publish else _batch_in_file(arguments)


def _batch_in_file(arguments: Namespace) -> Answer:
    from recsys_tasks.recommend.batch import shard_of, write_part

    check_out(arguments.out)
    recommender = open_recommender(arguments)
    shards, shard = (1, 0) if arguments.shard is None else (arguments.shards, arguments.shard)
    users = shard_of(len(recommender.artifacts.user_ids), shards, shard)
    write_part(recommender, arguments.out, users, arguments.k, arguments.format, _progress)
    return _batch_answer(arguments, recommender, len(users), str(arguments.out))


def _batch_in_bucket(arguments: Namespace) -> Answer:
    from recsys_tasks.recommend.batch_parts import put_part, seal_parts

    if arguments.shard is not None:
        raise SettingsError("--shard goes with --out; --publish writes every shard")
    recommender, store = open_recommender(arguments), open_store()
    k, wanted, shards = arguments.k, arguments.format, arguments.shards
    parts = [put_part(store, recommender, shards, i, k, wanted, _progress) for i in range(shards)]
    key = seal_parts(store, recommender, parts, k, wanted)
    return _batch_answer(arguments, recommender, sum(part.users for part in parts), key)


def _batch_answer(arguments: Namespace, recommender: "Recommender", users: int, out: str) -> Answer:
    document = {
        "dataset": arguments.dataset,
        "version": recommender.version,
        "users": users,
        "out": out,
    }
    noun = recommender.artifacts.noun
    return Answer(document, f"{out}: {arguments.k} {noun}s for each of {users} users")


def _progress(done: int, total: int) -> None:
    print(json.dumps({"users": done, "of": total}), file=sys.stderr)
