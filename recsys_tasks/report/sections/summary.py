"""Head of the page: when, how long, of what; and in three sentences how good, what changed, what to do."""

from collections.abc import Iterator
from typing import Any

from recsys_tasks.report import formatting
from recsys_tasks.report.blocks import Facts

TERMS = {
    "precision@k": "Share of the first k titles of a list that the user liked.",
    "recall@k": "Share of what the user liked that is among the first k titles.",
    "NDCG@k": "As recall@k, but a title counts more the higher it stands; 1 is the best order.",
    "MRR": "One divided by the place of the first title that the user liked, mean over users.",
    "AUC": "Chance that a title the user liked stands above one that the user did not; 0.5 is random.",
    "as served": "With everything that the user has rated left out, as a consumer shows it.",
    "test part": "Ratings held back from training, to be found again.",
    "95 % interval": "Where the true value lies in 95 of 100 such measurements over other users.",
    "gate": "The rules that a version must meet before anyone can get it.",
    "champion": "The version that consumers get now.",
    "judged, finalised": "The model that was measured, and the one that answers: fitted on the test part too.",
    "popular list": "The same most liked titles for everyone: the least that a model must beat.",
    "EASE, iALS": "Two known models of another kind, to compare with.",
    "epoch": "One pass of the training over all liked titles.",
    "embedding": "The numbers that stand for a user or a movie in the model.",
    "index": "What finds the best titles for a user fast; its recall is how many it does not miss.",
    "positive": "A rating high enough to count as liked.",
    "search_k": "How much of the index one search looks at: more finds more and takes longer.",
    "coverage@k": "Share of the catalogue that is in any user's first k titles.",
    "Gini": "How unevenly titles are shown: 0 all alike, near 1 a few titles only.",
    "novelty@k": "How little known the first k titles are, in bits: one more, known by half as many.",
    "validation part": "Ratings held back to choose the settings by; the test part stays unseen.",
    "WARP": "Training that pushes a liked title above one that was not, as LightFM does.",
    "ridge-svd": "A model solved at once from all ratings, without epochs.",
    "effective rank": "How many directions the vectors use; near 1, every title looks alike.",
    "density": "Share of all pairs of user and movie that are rated.",
    "preset": "A named set of settings; the section Settings tells what differs from it.",
    "as of": "The moment up to which ratings were read.",
}
"""Every term of the page, explained in a line; names of one line are separated by commas."""


def terms_in(page: str) -> dict[str, str]:
    """The terms that a page uses, by the text below its style."""
    text = page.partition("</style>")[2].casefold()
    return {
        term: meaning
        for term, meaning in TERMS.items()
        if any(name.partition("@k")[0].casefold() in text for name in term.split(", "))
    }


LEAST = 30
"""Users of a group below which its mean says little."""


def about(facts: Facts) -> str:
    """Date, duration and size, in a line."""
    return " · ".join(_about(facts))


def _about(facts: Facts) -> Iterator[str]:
    run, data = facts.get("run") or {}, facts.get("data") or {}
    if moment := run.get("run_after"):
        yield f"Run of {str(moment)[:16].replace('T', ' ')} UTC"
    seconds = [
        note.get("seconds")
        for note in facts.get("timings") or ()
        if formatting.is_number(note.get("seconds"))
    ]
    if seconds:
        yield f"took {formatting.duration(sum(seconds))}"
    words = {"users": "users", "items": "movies", "ratings": "ratings"}
    if "events" in data:
        words = {"users": "users", "items": "items", "events": "events"}
    sizes = [
        f"{formatting.count(data[name])} {word}"
        for name, word in words.items()
        if formatting.is_number(data.get(name))
    ]
    if sizes:
        yield ", ".join(sizes)


def lead(facts: Facts) -> tuple[str, ...]:
    """Up to three sentences: how good against what, what changed since the champion, what to look at."""
    return tuple(filter(None, (_standing(facts), _since(facts), _look_at(facts))))


def _standing(facts: Facts) -> str:
    metrics = facts.get("metrics") or {}
    standing = metrics.get("standing")
    if isinstance(standing, dict) and standing.get("sentence"):
        return str(standing["sentence"])
    return next((str(found) for found in metrics.get("findings") or ()), "")


def _since(facts: Facts) -> str:
    compared: Any = (facts.get("metrics") or {}).get("champion") or {}
    gap = compared.get("precision_at_5") or {}
    if not formatting.is_number(gap.get("difference")):
        why = compared.get("not_compared")
        return f"It was not compared with a champion: {why}." if why else ""
    said = (
        f"Against the champion {compared.get('version')}, precision@5 changed by "
        f"{formatting.signed(gap['difference'])} (95 % interval {formatting.signed(gap.get('low'))} "
        f"to {formatting.signed(gap.get('high'))})"
    )
    churn = compared.get("churn")
    if not formatting.is_number(churn):
        return f"{said}."
    return (
        f"{said}; {formatting.share(churn)} of the users get a top ten of which over half is new."
    )


def _look_at(facts: Facts) -> str:
    """The group of users with the lowest precision@5 among those large enough to say something."""
    slices = (facts.get("metrics") or {}).get("slices") or {}
    known = {
        name: part["precision_at_5"]
        for name, part in slices.items()
        if name.startswith("users.")
        and formatting.is_number((part or {}).get("precision_at_5"))
        and (part.get("users") or 0) >= LEAST
    }
    if len(known) < 2:
        return ""
    name = min(known, key=lambda group: known[group])
    return (
        f"Look at users with {formatting.group(name)} training positives: they are served worst, with "
        f"precision@5 {formatting.measure(known[name])}."
    )
