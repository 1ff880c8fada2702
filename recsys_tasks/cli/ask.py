"""``recommend``, ``similar``, ``search``, ``batch``: ask the champion, or a version by name."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tasks.cli import Answer, Subcommands, add_command, check_out, open_store
from recsys_tasks.errors import NotFound, SettingsError
from recsys_tasks.printable import printable

if TYPE_CHECKING:
    from recsys_tasks.recommend.recommender import Recommendations, Recommender
    from recsys_tasks.recommend.search import Filter

TIERS = {
    "model": "from the model",
    "fold_in": "from what is known of this user, whom the model was not trained on",
    "popular": "from the popular list, because the model knows nothing of this user",
}
"""The tier of an answer, in words."""


def add_commands(commands: Subcommands) -> None:
    """Adds the four commands."""
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
    search = add_command(
        commands,
        "search",
        search_titles,
        "find movies and their ids by words of the title",
        "All words must be in the title, in any order; case and accents do not count. Where no title\n"
        "holds them, the nearest titles are shown.\n\n"
        "example:\n  recsys search toy story",
    )
    search.add_argument("title", nargs="+", help="words of the title")
    _add_common(search, genre=False)
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
    parser.add_argument(
        "--version", help="a version, champion, previous or candidate (default: champion)"
    )
    parser.add_argument("--cache", type=Path, help="folder of downloads (default: ~/.cache/recsys)")
    if genre:
        parser.add_argument("--genre", help="only movies of this genre")


def recommend_items(arguments: Namespace) -> Answer:
    """``recsys recommend``."""
    recommender = _recommender(arguments)
    chosen = _filter(recommender, arguments.genre)
    exclude, exact = not arguments.include_seen, arguments.exact
    if arguments.user is not None:
        answer = recommender.recommend(arguments.user, arguments.k, exclude, chosen, exact)
    elif arguments.liked:
        answer = recommender.recommend_for(arguments.liked, arguments.k, exclude, chosen, exact)
    else:
        genres = arguments.likes_genre
        _refuse_unknown_genres(recommender, genres)
        answer = recommender.recommend_for_features(genres, arguments.k, chosen, exact)
    heading = _heading(answer, recommender)
    return Answer(_document(answer), f"{heading}\n{_table(answer)}")


def similar_items(arguments: Namespace) -> Answer:
    """``recsys similar``."""
    recommender = _recommender(arguments)
    chosen = _filter(recommender, arguments.genre)
    try:
        answer = recommender.similar(arguments.movie, arguments.k, chosen)
    except NotFound as error:
        raise NotFound(f"{error}; recsys search TITLE finds a movie's id") from None
    movie = next(one for one in recommender.artifacts.movies if one.movie_id == arguments.movie)
    document = {**_document(answer), "movie_id": movie.movie_id, "title": movie.title}
    heading = f"movies like {printable(movie.title)}, movie {movie.movie_id} ({_source(answer)})"
    return Answer(document, f"{heading}\n{_table(answer)}")


def search_titles(arguments: Namespace) -> Answer:
    """``recsys search``."""
    from recsys_tasks.recommend.titles import find_titles

    recommender, wanted = _recommender(arguments), " ".join(arguments.title)
    exact, found = find_titles(recommender.artifacts.movies, wanted, arguments.k)
    dataset, version = arguments.dataset, recommender.version
    document = {
        "dataset": dataset,
        "version": version,
        "exact": exact,
        "items": [asdict(movie) for movie in found],
    }
    if not found:
        raise NotFound(f"no title of {dataset} {version} holds {wanted!r}, and none is near")
    heading = "the most liked first" if exact else f"no title holds {wanted!r}; the nearest titles"
    lines = [
        f"{movie.movie_id:>8}  {_cut(printable(movie.title), 56):<56}  {printable(', '.join(movie.genres))}"
        for movie in found
    ]
    then = f"recsys similar --movie {found[0].movie_id} --dataset {dataset} goes on from the first"
    return Answer(document, "\n".join([heading, *lines, then]))


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
    recommender, store = _recommender(arguments), open_store()
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
    from recsys_tasks.publish.naming import CHAMPION, named_version
    from recsys_tasks.recommend.recommender import Recommender

    store, dataset = open_store(), arguments.dataset
    version = named_version(store, dataset, arguments.version or CHAMPION)
    return Recommender.load(store, dataset, version=version, cache=arguments.cache)


def _filter(recommender: "Recommender", genre: str | None) -> "Filter | None":
    if genre is None:
        return None
    _refuse_unknown_genres(recommender, [genre])
    return lambda movie: genre in movie.genres


def _refuse_unknown_genres(recommender: "Recommender", genres: Sequence[str]) -> None:
    """Refuses a genre that no movie has: its list could only be empty."""
    from recsys_tasks.config.settings import did_you_mean
    from recsys_tasks.errors import NotFound

    known = sorted({genre for movie in recommender.artifacts.movies for genre in movie.genres})
    for genre in genres:
        if genre not in known:
            near = did_you_mean(genre, known) or did_you_mean(genre.title(), known)
            raise NotFound(f"there is no genre {genre}{near}; there are: {', '.join(known)}")


def _document(answer: "Recommendations") -> dict[str, Any]:
    items = [item._asdict() for item in answer.items]
    return {**asdict(replace(answer, items=())), "items": items}


def _heading(answer: "Recommendations", recommender: "Recommender") -> str:
    who = "" if answer.user_id is None else f"user {answer.user_id}, "
    near = _nearest_users(answer.user_id, recommender)
    return f"{who}{TIERS[answer.tier]} ({_source(answer)}){near}"


def _nearest_users(user: int | None, recommender: "Recommender") -> str:
    """For a user whom the version does not know: which ids it knows near this one."""
    import numpy as np

    known = recommender.artifacts.user_ids
    if user is None or user in known:
        return ""
    place = int(np.searchsorted(known, user))
    near = known[max(0, place - 1) : place + 1].tolist()
    said = " and ".join(map(str, near))
    return f"\nthere is no user {user} in this version; the nearest ids are {said}"


def _source(answer: "Recommendations") -> str:
    return f"{answer.dataset} {answer.version}"


def _table(answer: "Recommendations") -> str:
    lines = [
        f"{place:>3}  {item.movie_id:>8}  {item.score:>8.4f}  {_cut(printable(item.title), 56):<56}"
        f"  {printable(', '.join(item.genres))}"
        for place, item in enumerate(answer.items, start=1)
    ]
    if not lines:
        return "     nothing is left to recommend"
    return "\n".join([f"{'':>3}  {'movie':>8}  {'score':>8}  title", *lines])


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
