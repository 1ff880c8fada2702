"""``recommend``, ``similar``, ``search``: ask the champion, or a version by name."""

import shlex
from argparse import Namespace

from recsys_tasks.cli import Answer, Subcommands, add_command
from recsys_tasks.cli.answers import (
    add_common,
    answer_document,
    answer_table,
    headline,
    item_filter,
    named,
    open_recommender,
    refuse_unknown_categories,
    shown,
    source,
    typed_id,
    width,
)
from recsys_tasks.errors import NotFound
from recsys_tasks.printable import printable


def add_commands(commands: Subcommands) -> None:
    """Adds the three commands."""
    recommend = add_command(
        commands,
        "recommend",
        recommend_items,
        "recommend items to a user",
        "The answer names its tier: model, fold_in or popular. A user whom the version does not\n"
        "know gets the popular list. The score is the exact dot product; strength, in [0, 1], has\n"
        "the same order.\n\n"
        "examples:\n  recsys recommend --user 42 -k 10\n"
        "  recsys recommend --liked 1 --liked 260     someone who liked these items\n"
        "  recsys recommend --likes-category Sci-Fi   someone who likes this category\n"
        "  recsys recommend --user 42 --category Comedy --json",
    )
    who = recommend.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", help="id of a user")
    who.add_argument("--liked", action="append", help="id of an item liked; repeat")
    who.add_argument(
        "--likes-category",
        "--likes-genre",
        dest="likes",
        action="append",
        metavar="CATEGORY",
        help="a category; repeat",
    )
    recommend.add_argument("--include-seen", action="store_true", help="items seen before, too")
    recommend.add_argument("--exact", action="store_true", help="score every item, no index")
    add_common(recommend)
    similar = add_command(
        commands,
        "similar",
        similar_items,
        "find items like one item",
        "example:\n  recsys similar --item 260 -k 10",
    )
    similar.add_argument("--item", "--movie", required=True, help="id of an item")
    add_common(similar)
    search = add_command(
        commands,
        "search",
        search_titles,
        "find items and their ids by words of the title",
        "All words must be in the title, in any order; case and accents do not count. Where no title\n"
        "holds them, the nearest titles are shown.\n\n"
        "example:\n  recsys search toy story",
    )
    search.add_argument("title", nargs="+", help="words of the title")
    add_common(search, filters=False)


def recommend_items(arguments: Namespace) -> Answer:
    """``recsys recommend``."""
    recommender = open_recommender(arguments)
    chosen = item_filter(arguments, recommender)
    exclude, exact = not arguments.include_seen, arguments.exact
    if arguments.user is not None:
        user = typed_id(recommender, arguments.user)
        answer = recommender.recommend(user, arguments.k, exclude, chosen, exact)
    elif arguments.liked:
        liked = [typed_id(recommender, item) for item in arguments.liked]
        answer = recommender.recommend_for(liked, arguments.k, exclude, chosen, exact)
    else:
        refuse_unknown_categories(recommender, arguments.likes)
        answer = recommender.recommend_for_features(arguments.likes, arguments.k, chosen, exact)
    text = f"{headline(answer, recommender)}\n{answer_table(answer, recommender)}"
    return Answer(answer_document(answer, recommender), text)


def similar_items(arguments: Namespace) -> Answer:
    """``recsys similar``."""
    recommender = open_recommender(arguments)
    chosen = item_filter(arguments, recommender)
    artifacts, asked = recommender.artifacts, typed_id(recommender, arguments.item)
    noun = artifacts.noun
    try:
        answer = recommender.similar(asked, arguments.k, chosen)
    except NotFound as error:
        raise NotFound(f"{error}; recsys search TITLE finds its id") from None
    item = artifacts.items[artifacts.items_by_id.row(asked)]
    ids = {f"{name}_id": item.item_id for name in dict.fromkeys((noun, "item"))}
    document = {**answer_document(answer, recommender), **ids, "title": item.title}
    like = f"{printable(item.title)}, {noun} {shown(item.item_id)}"
    heading = f"{noun}s like {like} ({source(answer)})"
    return Answer(document, f"{heading}\n{answer_table(answer, recommender)}")


def search_titles(arguments: Namespace) -> Answer:
    """``recsys search``."""
    from recsys_tasks.artifacts.items import in_answer
    from recsys_tasks.recommend.titles import find_titles

    recommender, wanted = open_recommender(arguments), " ".join(arguments.title)
    noun = recommender.artifacts.noun
    exact, found = find_titles(recommender.shown(), wanted, arguments.k)
    dataset, version = arguments.dataset, recommender.version
    document = {
        "dataset": dataset,
        "version": version,
        "policy_sha256": recommender.policy_sha256,
        "exact": exact,
        "items": [
            in_answer(noun, item.item_id, item.title, item.categories)
            | {"positives": item.positives}
            for item in found
        ],
    }
    if not found:
        raise NotFound(f"no title of {dataset} {version} holds {wanted!r}, and none is near")
    heading = "the most liked first" if exact else f"no title holds {wanted!r}; the nearest titles"
    wide = width(item.item_id for item in found)
    lines = [f"{shown(item.item_id):>{wide}}  {named(item)}" for item in found]
    first = shlex.quote(shown(found[0].item_id))
    then = f"recsys similar --{noun} {first} --dataset {dataset} goes on from the first"
    return Answer(document, "\n".join([heading, *lines, then]))
