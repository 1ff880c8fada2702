"""``recommend``, ``similar``, ``batch``: ask the champion, or a version by name."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, check_out
from recsys_tasks.errors import SettingsError
from recsys_tasks.printable import printable

if TYPE_CHECKING:
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.recommend.recommender import Recommendations, Recommender
    from recsys_tasks.recommend.search import Filter

TIERS = {
    "model": "from the model",
    "fold_in": "from what is known of this user, whom the model was not trained on",
    "popular": "from the popular list, because the model knows nothing of this user",
}
"""The tier of an answer, in words."""


def add_commands(commands: Subcommands) -> None:
    """Adds the three commands."""
    recommend = add_command(
        commands,
        "recommend",
        recommend_items,
        "recommend movies to a user",
        "The answer names its tier: model, fold_in or popular. A user whom the version does not\n"
        "know gets the popular list. The score is the exact dot product; strength, in [0, 1], has\n"
        "the same order.\n\n"
        "examples:\n  recsys recommend --user 42 -k 10\n"
        "  recsys recommend --liked 1 --liked 260     someone who liked these movies\n"
        "  recsys recommend --likes-genre Sci-Fi      someone who likes this genre\n"
        "  recsys recommend --user 42 --genre Comedy --json",
    )
    who = recommend.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", type=_id, help="id of a user")
    who.add_argument("--liked", type=_id, action="append", help="id of a movie liked; repeat")
    who.add_argument("--likes-genre", action="append", metavar="GENRE", help="a genre; repeat")
    recommend.add_argument("--include-seen", action="store_true", help="rated movies too")
    recommend.add_argument("--exact", action="store_true", help="score every movie, no index")
    _add_common(recommend)
    similar = add_command(
        commands,
        "similar",
        similar_items,
        "find movies like one movie",
        "example:\n  recsys similar --movie 260 -k 10",
    )
    similar.add_argument("--movie", type=_id, required=True, help="id of a movie")
    _add_common(similar)
    _add_batch(commands)


def _add_batch(commands: Subcommands) -> None:
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
    batch.add_argument("--shards", type=_length, default=1, help="ranges of users (default: 1)")
    batch.add_argument(
        "--shard", type=_id, help="with --out: the one to write, from 0 (default: all users)"
    )
    _add_common(batch, genre=False)


def _add_common(parser: ArgumentParser, genre: bool = True) -> None:
    parser.add_argument("-k", type=_length, default=10, help="length of the list (default: 10)")
    parser.add_argument("--version", help="a version by name (default: the champion)")
    parser.add_argument("--cache", type=Path, help="folder of downloads (default: ~/.cache/recsys)")
    if genre:
        parser.add_argument("--genre", help="only movies of this genre")


def recommend_items(arguments: Namespace) -> Answer:
    """``recsys recommend``."""
    recommender, chosen = _recommender(arguments), _filter(arguments)
    exclude, exact = not arguments.include_seen, arguments.exact
    if arguments.user is not None:
        answer = recommender.recommend(arguments.user, arguments.k, exclude, chosen, exact)
    elif arguments.liked:
        answer = recommender.recommend_for(arguments.liked, arguments.k, exclude, chosen, exact)
    else:
        genres = arguments.likes_genre
        answer = recommender.recommend_for_features(genres, arguments.k, chosen, exact)
    return Answer(_document(answer), f"{_heading(answer)}\n{_table(answer)}")


def similar_items(arguments: Namespace) -> Answer:
    """``recsys similar``."""
    answer = _recommender(arguments).similar(arguments.movie, arguments.k, _filter(arguments))
    document = {**_document(answer), "movie_id": arguments.movie}
    return Answer(document, _table(answer))


def batch_items(arguments: Namespace) -> Answer:
    """``recsys batch``."""
    return _batch_in_bucket(arguments) if arguments.publish else _batch_in_file(arguments)


def _batch_in_file(arguments: Namespace) -> Answer:
    from recsys_tasks.recommend.batch import shard_of, write_part

    check_out(arguments.out)
    recommender = _recommender(arguments)
    shards, shard = (1, 0) if arguments.shard is None else (arguments.shards, arguments.shard)
    users = shard_of(len(recommender.artifacts.user_ids), shards, shard)
    write_part(recommender, arguments.out, users, arguments.k, arguments.format, _progress)
    return _batch_answer(arguments, recommender, len(users), str(arguments.out))


def _batch_in_bucket(arguments: Namespace) -> Answer:
    from recsys_tasks.recommend.batch_parts import put_part, seal_parts

    if arguments.shard is not None:
        raise SettingsError("--shard goes with --out; --publish writes every shard")
    recommender, store = _recommender(arguments), _store()
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
    return Answer(document, f"{out}: {arguments.k} movies for each of {users} users")


def _recommender(arguments: Namespace) -> "Recommender":
    from recsys_tasks.recommend.recommender import Recommender

    return Recommender.load(
        _store(), arguments.dataset, version=arguments.version, cache=arguments.cache
    )


def _store() -> "ObjectStore":
    from recsys_tasks.artifacts.object_store import ObjectStore
    from recsys_tasks.config.connections import Connections

    return ObjectStore(Connections.find().store())


def _filter(arguments: Namespace) -> "Filter | None":
    genre = arguments.genre
    return None if genre is None else lambda movie: genre in movie.genres


def _document(answer: "Recommendations") -> dict[str, Any]:
    items = [item._asdict() for item in answer.items]
    return {**asdict(replace(answer, items=())), "items": items}


def _heading(answer: "Recommendations") -> str:
    who = "" if answer.user_id is None else f"user {answer.user_id}, "
    return f"{who}{TIERS[answer.tier]} ({answer.dataset} {answer.version})"


def _table(answer: "Recommendations") -> str:
    lines = [
        f"{place:>3}  {item.score:>8.4f}  {_cut(printable(item.title), 56):<56}"
        f"  {printable(', '.join(item.genres))}"
        for place, item in enumerate(answer.items, start=1)
    ]
    return "\n".join(lines) or "     nothing is left to recommend"


def _cut(title: str, width: int) -> str:
    return title if len(title) <= width else title[: width - 1] + "…"


def _progress(done: int, total: int) -> None:
    print(json.dumps({"users": done, "of": total}), file=sys.stderr)


def _id(text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 20:
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _length(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)
