"""The report: whatever a run left is shown, safely, on one page that needs nothing else."""

import copy
import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_tasks.report import formatting
from recsys_tasks.report.headline import headline, outcome_facts
from recsys_tasks.report.page import render_report, rule_of

HOSTILE = "<script>alert('x')</script> & \"Co\" $\\alpha$"


def view(precision: float) -> dict[str, Any]:
    return {
        "precision_at_5": precision,
        "recall_at_10": 0.14,
        "ndcg_at_10": 0.16,
        "mrr": 0.3,
        "auc": 0.92,
        "users": 599,
        "coverage_at_10": 0.12,
        "standard_errors": {"precision_at_5": 0.009, "recall_at_10": 0.01},
    }


DIFFERENCE = {"difference": 0.0272, "low": 0.0146, "high": 0.0406, "users": 599}
VIEWS = {
    name: view(0.1337 - 0.02 * place)
    for place, name in enumerate(("test_served", "test", "test_unmasked", "train"))
}
FACTS: dict[str, Any] = {
    "run": {"dataset": "movielens", "version": "20261124T020000Z-1a2b3c4d", "run_id": HOSTILE},
    "gate": {
        "accepted": True,
        "rules": [
            {
                "name": "min_precision",
                "value": 0.13372,
                "bound": 0.05,
                "passed": True,
                "reason": "precision@5 as served is 0.1337, must be at least 0.05",
            }
        ],
    },
    "metrics": {
        **VIEWS,
        "baselines": {"popular": VIEWS, "random": {"test_served": {"users": 0}}},
        "findings": [HOSTILE],
        "intervals": {"popular": {"precision_at_5": DIFFERENCE}, "random": {}},
        "champion": {"version": "v", "churn": 0.25, "precision_at_5": DIFFERENCE},
        "slices": {
            "users.5-19": {"users": 12, "precision_at_5": 0.2},
            "users.20+": {"users": 0},
            "users.1-4": {"users": 9, "precision_at_5": 0.1},
            "items.head": {"users": 12, "precision_at_5": 0.2},
        },
    },
    "champion": {"version": "20261123T020000Z-99887766", "metrics": VIEWS},
    "history": [
        {"epoch": epoch, "seconds": 0.3, "validation": 0.1 + 0.001 * epoch} for epoch in (1, 2, 3)
    ],
    "index": {
        "metric": "angular",
        "width": 66,
        "trees": 100,
        "search_k": 200,
        "recall_at_10": 0.985,
        "curve": [{"search_k": 100, "recall_at_10": 0.9}, {"search_k": 200, "recall_at_10": 0.985}],
    },
    "index_seconds": [0.0001, 0.0002],
    "data": {
        "ratings": 100004,
        "oldest_rating": 789652009,
        "density": 0.0164,
        "histogram": {"0.5": 1101, "5": 15095},
        "features": {"rows": 9066, "columns": 9086, "elements": 29298},
        "files": [{"role": "movies", "name": HOSTILE, "sha256": "ab" * 32, "loaded": 9066}],
        "as_of": "2026-11-24",
    },
    "checks": [
        {"name": "users", "value": 671, "bound": 1, "passed": True, "at_most": False},
        {"name": "positive_share", "value": 0.15, "bound": 1, "passed": True, "at_most": True},
    ],
    "activity": {"users": {"200-999": 9, "50-199": 3}, "items": {"0": 1}, "top_tenth": 0.62},
    "index_found": {"times_scan": 0.105},
    "changes": [{"name": "ratings", "before": 99321, "now": 100004}],
    "examples": [
        {
            "user_id": 15,
            "liked": [{"title": HOSTILE, "genres": ["Crime"], "rating": 4.5}],
            "recommended": [{"title": "Fight Club (1999)", "genres": [HOSTILE], "score": 3.1}],
            "champion": [{"title": "Memento (2000)"}],
        }
    ],
    "neighbours": [{"title": HOSTILE, "before": [HOSTILE], "now": ["Fargo (1996)"]}],
    "timings": [
        {"step": "train", "seconds": 12.4, "peak_mb": 300, "failure": ""},
        {"step": "gate", "seconds": 0.02, "peak_mb": 301, "failure": HOSTILE},
    ],
    "failures": [],
    "settings": {"index": {"min_recall": 0.98}, "source.movies": HOSTILE, "train.genres": True},
    "libraries": {"numpy": "2.4.1"},
    "code": {"revision": "553385a"},
}


class Page(HTMLParser):
    """Names of the tags, the attributes' values, the text, and whether every tag is closed."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_report(FACTS))


def test_the_page_is_whole(page: Page) -> None:
    assert page.open == []
    assert page.tags.count("h1") == 1


def test_nothing_on_the_page_runs_or_is_fetched(page: Page) -> None:
    assert {"script", "link", "img", "iframe", "object", "form"}.isdisjoint(page.tags)
    links = [value for name, value in page.attributes if name in ("href", "src")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "http" not in render_report(FACTS)
    assert "@import" not in render_report(FACTS)


def test_every_reference_inside_the_page_has_one_target(page: Page) -> None:
    referred = {value[1:] for name, value in page.attributes if name == "href"}
    referred |= {
        found for _, value in page.attributes for found in re.findall(r"url\(#(.+?)\)", value)
    }
    assert referred <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_library_that_draws_has_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    render_report(FACTS)
    assert caplog.messages == []


def test_the_same_facts_give_the_same_bytes() -> None:
    assert render_report(FACTS) == render_report(copy.deepcopy(FACTS))


def test_a_hostile_title_is_shown_as_text(page: Page) -> None:
    written = render_report(FACTS)
    assert "<script" not in written
    assert written.count(html.escape(HOSTILE, quote=False)[:20]) >= 8


def test_the_verdict_comes_first_and_says_why(page: Page) -> None:
    rejected = copy.deepcopy(FACTS)
    rejected["gate"]["accepted"] = False
    rejected["gate"]["rules"][0] |= {"passed": False, "bound": 0.99, "reason": "only 0.1337"}
    rejected["failures"] = [{"step": "gate", "failure": "the gate rejected the candidate"}]
    text = Page(render_report(rejected)).text
    assert text.index("Rejected") < text.index("only 0.1337") < text.index("Quality")
    assert "gate: the gate rejected" not in text
    assert "✗ not met" in text
    assert "Accepted" in page.text


def test_a_run_that_failed_early_has_its_page_with_the_reason() -> None:
    reason = "ratings.csv, line 3: a rating of 7"
    facts = {
        "run": FACTS["run"],
        "failures": [{"step": "ingest", "failure": reason}],
        "timings": [{"step": "ingest", "seconds": 0.1, "peak_mb": 90, "failure": reason}],
    }
    text = Page(render_report(facts)).text
    assert "Failed at ingest" in text
    assert reason in text
    assert "Quality" not in text


def test_a_failure_after_the_gate_is_not_taken_for_a_rejection() -> None:
    facts = FACTS | {"failures": [{"step": "publish", "failure": "the store is away"}]}
    assert "Accepted, then failed at publish" in Page(render_report(facts)).text


def test_every_step_that_failed_is_named_in_order() -> None:
    failed = [{"step": step, "failure": f"no {step}"} for step in ("ingest", "publish", "promote")]
    text = Page(render_report({"failures": failed})).text
    places = [text.index(said) for said in ("no ingest", "publish: no publish", "promote: no")]
    assert places == sorted(places)


def test_rules_that_are_not_met_come_before_those_that_are(page: Page) -> None:
    rules = [
        {"name": f"rule_{place}", "value": 1, "bound": 2, "passed": place % 2 == 0}
        for place in range(4)
    ]
    text = Page(render_report({"gate": {"accepted": False, "rules": rules}})).text
    text = text[text.index("The gate") :]
    assert sorted(range(4), key=lambda place: text.index(f"Rule {place}")) == [1, 3, 0, 2]


def test_the_index_is_said_to_take_what_it_takes_as_chosen(page: Page) -> None:
    assert "A query takes 0.2 ms, 0.105 times a scan of all movies." in page.text


def test_where_exact_search_serves_the_report_says_so_and_what_it_costs() -> None:
    index = {**FACTS["index"], "search": "exact", "exact": {"recall_at_10": 1, "looked_at": 0.021}}
    text = Page(render_report({**FACTS, "index": index})).text
    assert (
        "Exact search serves: it finds all of the ten best and scores 2.1 % of the movies." in text
    )
    assert "one that is served, 0.105 times a scan of all movies." in text


def test_checks_changes_and_activity_are_in_words_and_units(page: Page) -> None:
    for said in ("least 1", "most 100 %", "+683 (+0.7 %)", "holds 62 % of the ratings"):
        assert said in page.text
    assert page.text.index("50-199") < page.text.index("200-999")


def test_the_curve_of_the_epochs_is_named_after_the_metric_that_they_are_chosen_by() -> None:
    text = Page(render_report(FACTS)).text
    assert "NDCG@10 of the validation part" in text
    assert "trained on, the finished model has NDCG@10 0.16" in text
    chosen = FACTS | {"settings": {"train": {"validate_on": "mrr"}}}
    assert "MRR of the validation part" in Page(render_report(chosen)).text


def test_of_nothing_known_there_is_a_page() -> None:
    page = Page(render_report({}))
    assert page.open == []
    assert "Not judged" in page.text


def test_intervals_stand_beside_values_and_missing_numbers_are_a_dash(page: Page) -> None:
    assert "0.134 ± 0.018" in page.text
    assert "\u2013" in page.text


def test_the_index_is_drawn_against_time_where_it_was_measured_and_search_k_else() -> None:
    assert "milliseconds a query" in Page(render_report(FACTS)).text
    untimed = {name: value for name, value in FACTS.items() if name != "index_seconds"}
    assert "search_k, nodes looked at by a query" in Page(render_report(untimed)).text


def test_a_difference_stands_with_both_ends_of_its_interval(page: Page) -> None:
    assert "+0.0272 +0.0146 +0.0406" in page.text
    assert "more than half of the top 10 changed for 25 % of the users" in page.text


def test_why_there_is_no_comparison_with_a_champion_is_said() -> None:
    metrics = FACTS["metrics"] | {"champion": {"not_compared": "there is no champion yet"}}
    text = Page(render_report(FACTS | {"metrics": metrics})).text
    assert "there is no champion yet" in text


def test_groups_of_users_stand_in_the_order_of_their_activity(page: Page) -> None:
    assert page.text.index(" 1-4 ") < page.text.index(" 5-19 ") < page.text.index(" 20+ ")


def test_a_bar_of_a_negative_value_ends_at_zero() -> None:
    rule = {"name": "max_champion_loss", "value": -0.04, "bound": -0.01, "passed": False}
    drawn = rule_of(rule)
    assert drawn.start + drawn.filled == 100
    assert drawn.start < drawn.mark < 100


def test_colours_follow_the_page_by_day_and_night() -> None:
    written = render_report(FACTS)
    assert "prefers-color-scheme: dark" in written
    drawn = re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", written)
    assert drawn == []


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_part_may_be_missing_or_empty(data: st.DataObject) -> None:
    facts = copy.deepcopy(FACTS)
    thin(facts, data)
    page = Page(render_report(facts))
    assert page.open == []
    assert "script" not in page.tags


def thin(tree: Any, data: st.DataObject) -> None:
    """Takes out or empties a few of the parts that a step writes or does not write."""
    for _ in range(data.draw(st.integers(1, 8))):
        spot = tree
        while True:
            name = data.draw(st.sampled_from(sorted(spot))) if spot else None
            if name is None or not isinstance(spot[name], dict) or data.draw(st.booleans()):
                break
            spot = spot[name]
        if name is not None:
            spot.pop(name) if data.draw(st.booleans()) else spot.update({name: None})


def test_the_head_says_when_of_what_how_good_what_changed_and_what_to_look_at() -> None:
    run = FACTS["run"] | {"run_after": "2026-11-24T02:00:00+00:00"}
    metrics = FACTS["metrics"] | {
        "standing": {"sentence": "The model is ahead of the popular list."},
        "slices": {
            "users.1-4": {"users": 90, "precision_at_5": 0.05},
            "users.20+": {"users": 90, "precision_at_5": 0.2},
            "users.0": {"users": 2, "precision_at_5": 0.0},
        },
    }
    data = FACTS["data"] | {"users": 671, "items": 9066}
    text = Page(render_report(FACTS | {"run": run, "metrics": metrics, "data": data})).text
    head = text[: text.index("The gate")]
    for said in (
        "Run of 2026-11-24 02:00 UTC · took 12 s · 671 users, 9,066 movies, 100,004 ratings",
        "The model is ahead of the popular list.",
        "precision@5 changed by +0.0272",
        "Look at users with 1-4 training positives",
    ):
        assert said in " ".join(head.split())


def test_a_rejected_run_says_what_to_do_next() -> None:
    gate = {"accepted": False, "rules": []}
    assert "The champion stays. Compare both" in render_report({"gate": gate})
    assert "The champion stays." not in render_report(FACTS)


def test_the_published_epochs_and_every_length_that_was_asked_for_are_told() -> None:
    served = VIEWS["test_served"] | {"precision_at_20": 0.0731}
    facts = FACTS | {
        "epochs": 2,
        "metrics": FACTS["metrics"] | {"test_served": served},
        "settings": {"evaluate": {"ks": [5, 20]}},
    }
    page = render_report(facts)
    assert "3 epochs" in page
    assert "The published model has 2 epochs." in page
    assert "precision@20" in page
    assert "0.0731" in page


def test_settings_that_differ_from_the_nearest_preset_stand_before_all_of_them() -> None:
    from recsys_tasks.config.settings import Settings

    given = Settings.load("quick", overrides={"train.components": 48}).flat()
    page = render_report({"settings": given})
    shown = page[page.index(">Settings</h2>") : page.index("All settings")]
    assert "The nearest preset is quick." in shown
    assert shown.count("<tr>") == 2
    assert "train.components" in shown
    assert ">48<" in shown


def test_the_drift_of_the_ratings_from_the_champions_is_told() -> None:
    data = FACTS["data"] | {"histogram": {"3": 25, "5": 75}}
    champion = FACTS["champion"] | {"histogram": {"3": 1, "5": 1}}
    assert "25 % of the ratings would have to get other stars" in render_report(
        FACTS | {"data": data, "champion": champion}
    )


def test_every_metric_of_the_tables_is_explained() -> None:
    from recsys_tasks.report.sections.quality import TABLED
    from recsys_tasks.report.sections.summary import TERMS

    names = {formatting.metric(name).partition("@")[0] for name in TABLED}
    assert names <= {term.partition("@")[0] for term in TERMS}


def test_links_lead_only_to_web_addresses() -> None:
    page = render_report({"links": {"Run": "https://airflow/x", "Bad": "javascript:alert(1)"}})
    assert '<a href="https://airflow/x">Run</a>' in page
    assert "javascript" not in page


def test_the_page_says_the_sentence_that_alert_note_and_pages_say() -> None:
    reasons = ["precision@5 as served is only 0.1; it must be at least 0.2", "lists never change"]
    rules = [{"name": name, "passed": False, "reason": name} for name in reasons]
    failure = "the gate rejected the candidate: " + "; ".join(reasons)
    facts = {
        "gate": {"accepted": False, "rules": rules},
        "failures": [{"step": "gate", "failure": failure}],
    }
    word, _, rest = headline(outcome_facts(facts)).partition(": ")
    head = Page(render_report(facts)).text.partition("The gate")[0]
    assert f"{word} {rest}" in head
    assert all(reason in head for reason in reasons)


def test_the_last_versions_and_this_run_stand_in_one_trend() -> None:
    nights = [
        ("20261122T020000Z-1", "2026-11-22T02:00:00+00:00", 0.11),
        ("20261123T020000Z-2", "2026-11-23T02:00:00", 0.12),
    ]
    before = [
        {"version": version, "run_after": moment, "precision_at_5": value}
        for version, moment, value in nights
    ]
    run = FACTS["run"] | {"run_after": "2026-11-24T02:00:00+00:00"}
    champion = FACTS["champion"] | {"version": nights[1][0]}
    page = Page(render_report(FACTS | {"trend": before, "run": run, "champion": champion}))
    text = page.text.partition("The last versions")[2]
    said = ["11-24 02:00, this run", "11-23 02:00, champion", "11-22 02:00"]
    assert sorted(said, key=text.index) == said
    assert "The last versions" not in Page(render_report(FACTS)).text


def test_every_candidate_stands_with_its_interval_and_the_chosen_one_is_marked() -> None:
    tried = [
        {"components": 64, "warp_weight": 2.5, "validation": 0.31},
        {"components": 512, "warp_weight": 2.5, "validation": 0.33, "low": 0.01, "high": 0.03},
    ]
    chosen = {"components": 512, "warp_weight": 2.5}
    text = Page(render_report({"candidates": tried, "chosen": chosen})).text
    assert "NDCG@10 on validation" in text
    assert "512 2.5 0.33 +0.0100 +0.0300 yes" in text
    assert text.count("yes") == 1


def test_only_terms_that_the_page_uses_are_explained() -> None:
    early = {"failures": [{"step": "ingest", "failure": "no ratings.csv"}]}
    assert "What the words mean" not in Page(render_report(early)).text
    assert "Gini How unevenly" in Page(render_report(FACTS | {"metrics": LISTS})).text


LISTS = {"test_served": {"gini_at_10": 0.9, "users": 5}}
