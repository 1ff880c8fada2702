"""The recommender's pages in Airflow's own application: who may see what, and what they then see.

Airflow's API server, its simple auth manager with an administrator and a viewer, the test run's own
S3 server and Postgres; no browser.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tiny_version import DATASET, make_version, unchecked

from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.object_store import ObjectStore
from recsys_tasks.artifacts.pointer import read_pointer
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.pipeline import champion_event
from recsys_tasks.publish import channels, publisher
from recsys_tasks.publish.history import history

pytestmark = [pytest.mark.airflow, pytest.mark.services]

FIRST, SECOND = "20261124T030000Z-00000001", "20261125T030000Z-00000002"
REJECTED = "20261126T030000Z-00000003"
FAILED = "20261127T030000Z-00000004"
HOSTILE = "<script>alert('x')</script>"
PATHS = (
    "/",
    f"/datasets/{DATASET}",
    f"/datasets/{DATASET}/versions/{FIRST}",
    f"/datasets/{DATASET}/compare",
    f"/datasets/{DATASET}/versions/{FIRST}/report",
    f"/datasets/{DATASET}/versions/{FIRST}/files/items.jsonl",
    f"/datasets/{DATASET}/versions/{FIRST}/promote",
    f"/datasets/{DATASET}/rollback",
    f"/datasets/{DATASET}/runs/{FAILED}/report",
    "/run?dag_id=recsys_train&run_id=x",
    "/leave?dag_id=recsys_train&run_id=x",
    "/static/pages.css",
    "/no/such/page",
    "/docs",
    "/openapi.json",
)
HEAVY = {
    "annoy",
    "boto3",
    "fastapi",
    "jinja2",
    "matplotlib",
    "numpy",
    "psycopg2",
    "scipy",
    "sqlalchemy",
}
"""Libraries of ours that take a tenth of a second or more to import, or that only a page needs."""

Get = Callable[..., Any]


@pytest.fixture(scope="module")
def airflow_app(metadata: Path) -> Iterator[Any]:
    """Airflow's application with the plugins folder's plugins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "anna:admin,vera:viewer")
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0" * 64)
        patch.setenv("AIRFLOW__API__SECRET_KEY", "1" * 32)
        from airflow.api_fastapi.app import create_app

        yield create_app(apps="core")


@pytest.fixture
def ask(airflow_app: Any) -> Callable[[str | None], Any]:
    """A client for a user's role, or for nobody."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    def client(role: str | None) -> TestClient:
        found = TestClient(airflow_app, base_url="http://testserver", follow_redirects=False)
        if role:
            user = SimpleAuthManagerUser(username=f"{role}-user", role=role)
            found.cookies["_token"] = get_auth_manager().generate_jwt(user)
        return found

    return client


@pytest.fixture(scope="module")
def published(
    s3: StoreAccess, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObjectStore]:
    """A bucket with three versions, one of them rejected; the second is the champion."""
    access = replace(s3, bucket="pages")
    store = ObjectStore(access)
    store.ensure_bucket()
    for version, accepted in ((FIRST, True), (SECOND, True), (REJECTED, False)):
        folder = tmp_path_factory.mktemp("version") / version
        manifest = make_version(folder, version, accepted=accepted)
        publisher.publish(store, DATASET, version, folder, manifest)
        store.put(keys.version(DATASET, version) + "report.html", b"<h1>a report</h1>")
    for version, verdict, reason in (
        (SECOND, "accepted", ""),
        (FAILED, "rejected", f"gate: precision 0.01 {HOSTILE}"),
    ):
        outcome = {
            "dataset": DATASET,
            "version": version,
            "dag_id": "recsys_train",
            "run_id": f"manual__{version[-1]}",
            "run_after": "2026-11-27T03:00:00+00:00",
            "verdict": verdict,
            "reason": reason,
            "metrics": {"precision_at_5": 0.01},
        }
        store.put_json(keys.runs(DATASET, version) + "outcome.json", outcome)
    store.put(keys.runs(DATASET, FAILED) + "report.html", b"<h1>Rejected</h1>")
    from contextlib import nullcontext

    for version, by in ((FIRST, "test/first"), (SECOND, HOSTILE)):
        channels.promote(store, nullcontext(), DATASET, version, by, verify=unchecked)
    with pytest.MonkeyPatch.context() as patch:
        connect(patch, access, postgres_url)
        yield store


def connect(patch: pytest.MonkeyPatch, access: StoreAccess, postgres_url: str) -> None:
    """Airflow's two connections, as its environment gives them."""
    extra = {"endpoint_url": access.endpoint, "bucket": access.bucket}
    keys_of = {"login": access.access_key, "password": access.secret_key}
    patch.setenv(
        "AIRFLOW_CONN_RECSYS_S3",
        json.dumps({"conn_type": "generic", **keys_of, "extra": extra}),
    )
    patch.setenv("AIRFLOW_CONN_RECSYS_DB", postgres_url.replace("postgresql://", "postgres://"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nobody_gets_nothing_but_401(ask: Get, path: str, method: str) -> None:
    answer = ask(None).request(method, f"/recsys{path}")
    assert answer.status_code == 401
    assert FIRST not in answer.text


@pytest.mark.parametrize("path", [path for path in PATHS if "static" not in path])
def test_a_link_followed_while_logged_out_leads_to_the_login_and_back(
    ask: Get, published: ObjectStore, path: str
) -> None:
    browser = ask(None)
    answer = browser.get(f"/recsys{path}", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 302
    login = browser.get(answer.headers["location"])
    assert login.status_code == 307
    asked = parse_qs(urlsplit(login.headers["location"]).query)
    assert asked["next"] == [f"/recsys{path}"]
    assert FIRST not in answer.text


def test_no_route_is_missing_among_the_paths_that_nobody_gets() -> None:
    from recsys_airflow.pages.routes import router

    asked = [path.partition("?")[0] for path in PATHS]
    routes: list[Any] = list(router.routes)
    unasked = [route for route in routes if not any(map(route.path_regex.fullmatch, asked))]
    assert [route.path for route in unasked] == []


def test_a_forged_login_is_no_login(ask: Get) -> None:
    client = ask(None)
    client.cookies["_token"] = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhbm5hIn0.x"
    assert client.get("/recsys/").status_code == 401


def test_every_answer_tells_the_browser_what_it_may_do(ask: Get, published: ObjectStore) -> None:
    for role in (None, "viewer"):
        for path in PATHS:
            headers = ask(role).get(f"/recsys{path}").headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_a_viewer_sees_datasets_versions_verdicts_and_who_promoted(
    ask: Get, published: ObjectStore
) -> None:
    viewer = ask("viewer")
    assert SECOND in viewer.get("/recsys/").text
    page = viewer.get(f"/recsys/datasets/{DATASET}").text
    places = [page.index(f"{version}/report") for version in (REJECTED, SECOND, FIRST)]
    assert places == sorted(places)
    assert "rejected" in page
    assert "test/first" in page
    assert "<svg" in page


def test_a_rejected_run_is_listed_with_its_reason_and_its_report(
    ask: Get, published: ObjectStore
) -> None:
    viewer = ask("viewer")
    page = viewer.get(f"/recsys/datasets/{DATASET}").text
    assert "1 of the last 2 runs." in page
    assert "Rejected: precision 0.01 &lt;script&gt;" in page
    assert "The champion stays." in page
    assert "/dags/recsys_train/runs/manual__4/tasks/gate" in page
    assert "/dags/recsys_train/runs/manual__4" in page
    assert "manual__2" not in page
    link = f"/recsys/datasets/{DATASET}/runs/{FAILED}/report"
    assert link in page
    assert link in viewer.get("/recsys/").text
    report = viewer.get(link)
    assert report.text == "<h1>Rejected</h1>"
    assert report.headers["content-security-policy"].endswith("sandbox allow-same-origin")


def test_what_others_wrote_is_shown_as_text(ask: Get, published: ObjectStore) -> None:
    page = ask("viewer").get(f"/recsys/datasets/{DATASET}").text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert len(re.findall("<script", page)) == 1


def test_a_version_shows_its_files_with_hashes_and_gives_them(
    ask: Get, published: ObjectStore
) -> None:
    viewer, manifest = ask("viewer"), read_manifest(published, DATASET, FIRST)
    page = viewer.get(f"/recsys/datasets/{DATASET}/versions/{FIRST}").text
    assert all(file.sha256 in page for file in manifest.files.values())
    answer = viewer.get(f"/recsys/datasets/{DATASET}/versions/{FIRST}/files/items.jsonl")
    assert len(answer.content) == manifest.files["items.jsonl"].bytes
    assert "attachment" in answer.headers["content-disposition"]


@pytest.mark.parametrize("name", ["../../secret", "%2e%2e%2fmanifest.json", "nothing.npy"])
def test_only_files_that_the_manifest_names_are_given(
    ask: Get, published: ObjectStore, name: str
) -> None:
    answer = ask("viewer").get(f"/recsys/datasets/{DATASET}/versions/{FIRST}/files/{name}")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    ("question", "told"),
    [("user=8", "For user 8"), ("movie=9", "Movies like 9"), ("title=№12", "Film №12")],
)
def test_a_version_answers_from_its_own_files(
    ask: Get,
    published: ObjectStore,
    question: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    answer = ask("viewer").get(f"/recsys/datasets/{DATASET}/versions/{FIRST}?{question}")
    assert answer.status_code == 200, answer.text
    assert told in answer.text
    assert answer.text.count("?movie=") >= 1


def test_a_question_that_makes_no_sense_is_answered_in_words(
    ask: Get, published: ObjectStore
) -> None:
    answer = ask("viewer").get(f"/recsys/datasets/{DATASET}/versions/{FIRST}?user=me")
    assert answer.status_code == 400
    assert "not the number of a user" in answer.text


def test_a_report_may_run_nothing(ask: Get, published: ObjectStore) -> None:
    answer = ask("viewer").get(f"/recsys/datasets/{DATASET}/versions/{FIRST}/report")
    assert answer.text == "<h1>a report</h1>"
    assert answer.headers["content-security-policy"].endswith("sandbox allow-same-origin")


def test_a_published_report_leads_on_to_its_version_and_the_champion(
    ask: Get, published: ObjectStore
) -> None:
    path = keys.version(DATASET, FIRST) + "report.html"
    published.put(path, b"<header><h1>a report</h1></header>")
    shown = ask("viewer").get(f"/recsys/datasets/{DATASET}/versions/{FIRST}/report").text
    published.put(path, b"<h1>a report</h1>")
    for link in (f"versions/{FIRST}", f"compare?a={SECOND}&amp;b={FIRST}", f"{SECOND}/report"):
        assert f'/recsys/datasets/{DATASET}/{link}"' in shown or f'{link}"' in shown
    assert shown.startswith("<header><h1>a report</h1><nav")


def test_a_link_out_of_a_report_names_a_page_of_airflows_only(
    ask: Get, published: ObjectStore
) -> None:
    asked = {"dag_id": "//evil.example/", "run_id": "x y", "task_id": '"><script>'}
    page = ask("viewer").get("/recsys/leave", params=asked).text
    assert 'href="/dags/%2F%2Fevil.example%2F/runs/x%20y/tasks/%22%3E%3Cscript%3E"' in page


def test_what_is_not_there_is_404(ask: Get, published: ObjectStore) -> None:
    viewer = ask("viewer")
    assert viewer.get("/recsys/no/such/page").status_code == 404
    assert viewer.get("/recsys/datasets/nothing").status_code == 404
    missing = "20200101T000000Z-00000000"
    assert viewer.get(f"/recsys/datasets/{DATASET}/versions/{missing}").status_code == 404


def test_the_tab_of_a_run_shows_that_runs_report(ask: Get, published: ObjectStore) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType
    from sqlalchemy import update

    from recsys_tasks.pipeline.run import Run

    moment = datetime(2026, 11, 27, 3, tzinfo=UTC)
    run = Run("movielens", "recsys_train", "manual__one+1", moment)
    with create_session() as session:
        session.add(
            DagRun(
                dag_id=run.dag_id,
                run_id=run.run_id,
                run_after=moment,
                run_type=DagRunType.MANUAL,
                conf={},
            )
        )
    viewer, where = ask("viewer"), {"dag_id": run.dag_id, "run_id": run.run_id}
    waiting = viewer.get("/recsys/run", params=where).text
    assert "No report yet" in waiting
    assert '<meta http-equiv="refresh" content="10">' in waiting
    with create_session() as session:
        wanted = (DagRun.dag_id == run.dag_id, DagRun.run_id == run.run_id)
        session.execute(update(DagRun).where(*wanted).values(state="failed"))
    ended = viewer.get("/recsys/run", params=where).text
    assert "ended without" in ended
    assert "refresh" not in ended
    published.put(keys.runs(run.dataset, run.version) + "report.html", b"of this run")
    assert viewer.get("/recsys/run", params=where).text == "of this run"
    other = viewer.get("/recsys/run", params={"dag_id": "other", "run_id": "x"})
    assert other.status_code == 404


def test_a_run_whose_conf_is_refused_has_a_report_and_an_outcome_that_say_why(
    ask: Get, published: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    from recsys_airflow import run_context

    run = DagRun(
        dag_id="recsys_train",
        run_id="manual__refused",
        run_after=datetime(2026, 11, 28, 3, tzinfo=UTC),
        run_type=DagRunType.MANUAL,
        conf={"dataset": "refusals", "train.epoch": 40},
    )
    monkeypatch.setattr(run_context, "get_current_context", lambda: {"dag_run": run})
    written = run_context.write_report()
    assert written["verdict"] == "failed"
    assert written["reason"] == (
        "settings: no such setting in the run's conf: train.epoch; did you mean train.epochs?"
    )
    with create_session() as session:
        session.add(run)
    viewer, where = ask("viewer"), {"dag_id": "recsys_train", "run_id": "manual__refused"}
    page = viewer.get("/recsys/run", params=where).text
    assert "Failed at settings" in page
    assert "train.epoch" in page
    assert "manual__refused" in viewer.get("/recsys/datasets/refusals").text


def test_a_viewer_cannot_promote_nor_roll_back(ask: Get, published: ObjectStore) -> None:
    viewer = ask("viewer")
    for path in (f"/datasets/{DATASET}/versions/{FIRST}/promote", f"/datasets/{DATASET}/rollback"):
        assert viewer.get(f"/recsys{path}").status_code == 403
        assert viewer.post(f"/recsys{path}", data={"reason": "x"}).status_code == 403
    assert "Promote …" not in viewer.get(f"/recsys/datasets/{DATASET}/versions/{FIRST}").text


def token_in(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page)[1]  # type: ignore[index]


def test_a_promotion_needs_a_token_of_its_own_form_and_a_reason(
    ask: Get, published: ObjectStore
) -> None:
    admin, path = ask("admin"), f"/recsys/datasets/{DATASET}/versions/{FIRST}/promote"
    token = token_in(admin.get(path).text)
    other = token_in(admin.get(f"/recsys/datasets/{DATASET}/rollback").text)
    before = read_pointer(published, DATASET)
    form = {"token": token, "reason": "better movies"}
    foreign = {"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}
    refused = [
        admin.post(path, data={"reason": "x"}),
        admin.post(path, data=form | {"token": other}),
        admin.post(path, data=form | {"token": token + "x"}),
        *(admin.post(path, data=form, headers=headers) for headers in foreign),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    assert admin.post(path, data=form | {"reason": " "}).status_code == 400
    assert read_pointer(published, DATASET) == before


def test_an_editor_rolls_back_and_promotes_with_name_and_reason(
    ask: Get, published: ObjectStore
) -> None:
    admin, back = ask("admin"), f"/recsys/datasets/{DATASET}/rollback"
    form = {"token": token_in(admin.get(back).text), "reason": "odd movies", "undo": SECOND}
    answer = admin.post(back, data=form, headers={"origin": "http://testserver"})
    assert answer.status_code == 303
    assert admin.post(back, data=form).status_code == 409
    assert answer.headers["location"] == f"/recsys/datasets/{DATASET}"
    now = read_pointer(published, DATASET)
    assert now is not None
    assert (now.version, now.promoted_by, now.reason) == (FIRST, "admin-user", "odd movies")
    again = f"/recsys/datasets/{DATASET}/versions/{SECOND}/promote"
    form = {"token": token_in(admin.get(again).text), "reason": "they were fine"}
    assert admin.post(again, data=form).status_code == 303
    assert read_pointer(published, DATASET).version == SECOND  # type: ignore[union-attr]


def test_a_form_is_good_for_the_one_move_that_it_showed(ask: Get, published: ObjectStore) -> None:
    """Also after the champion has come back to the same version."""
    admin, back = ask("admin"), f"/recsys/datasets/{DATASET}/rollback"
    stale = {"token": token_in(admin.get(back).text), "reason": "x", "undo": SECOND}
    assert admin.post(back, data=stale | {"undo": FIRST}).status_code == 403
    assert admin.post(back, data=stale).status_code == 303
    again = f"/recsys/datasets/{DATASET}/versions/{SECOND}/promote"
    form = {"token": token_in(admin.get(again).text), "reason": "fine"}
    assert admin.post(again, data=form).status_code == 303
    moves = len(history(published, DATASET))
    answer = admin.post(back, data=stale)
    assert (answer.status_code, SECOND in answer.text) == (409, True)
    assert len(history(published, DATASET)) == moves


def test_a_form_left_open_for_long_is_stale(
    ask: Get, published: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recsys_airflow.pages import access

    admin, back = ask("admin"), f"/recsys/datasets/{DATASET}/rollback"
    form = {"token": token_in(admin.get(back).text), "reason": "x", "undo": SECOND}
    monkeypatch.setattr(access, "TOKEN_SECONDS", -1)
    assert admin.post(back, data=form).status_code == 403


def test_an_older_version_is_promoted_only_with_a_second_yes(
    ask: Get, published: ObjectStore
) -> None:
    admin, path = ask("admin"), f"/recsys/datasets/{DATASET}/versions/{FIRST}/promote"
    page = admin.get(path).text
    assert "older than the champion" in page
    answer = admin.post(path, data={"token": token_in(page), "reason": "x"})
    assert answer.status_code == 409
    assert SECOND in answer.text
    assert read_pointer(published, DATASET).version == SECOND  # type: ignore[union-attr]


def test_a_version_with_a_damaged_file_is_not_promoted_and_not_shown_as_accepted(
    ask: Get, published: ObjectStore
) -> None:
    admin, page = ask("admin"), f"/recsys/datasets/{DATASET}/versions/{FIRST}"
    key = keys.version(DATASET, FIRST) + "popular.json"
    whole = published.get(key)
    assert ">Accepted<" in admin.get(page).text
    published.put(key, b"[]")
    form = {"token": token_in(admin.get(f"{page}/promote").text), "reason": "x", "older": "true"}
    answer = admin.post(f"{page}/promote", data=form)
    assert (answer.status_code, "popular.json" in answer.text) == (409, True)
    assert ">Accepted<" not in admin.get(page).text
    assert ">refused<" in admin.get(f"/recsys/datasets/{DATASET}").text
    published.put(key, whole)
    publisher.check_files(published, DATASET, FIRST)
    assert ">Accepted<" in admin.get(page).text


def test_a_move_on_the_page_sends_the_event_that_the_task_sends(
    ask: Get, published: ObjectStore
) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from recsys_airflow import CHAMPION

    with create_session() as session:
        if session.scalar(select(AssetModel).where(AssetModel.name == CHAMPION.name)) is None:
            session.add(AssetModel(name=CHAMPION.name, uri=CHAMPION.uri))
        before = len(session.scalars(select(AssetEvent)).all())
    admin, back = ask("admin"), f"/recsys/datasets/{DATASET}/rollback"
    form = {"token": token_in(admin.get(back).text), "reason": "x", "undo": SECOND}
    assert admin.post(back, data=form).status_code == 303
    again = f"/recsys/datasets/{DATASET}/versions/{SECOND}/promote"
    form = {"token": token_in(admin.get(again).text), "reason": "fine"}
    assert admin.post(again, data=form).status_code == 303
    with create_session() as session:
        events = session.scalars(select(AssetEvent).order_by(AssetEvent.id)).all()
        told = [event.extra for event in events[before:]]
    assert [extra["version"] for extra in told] == [FIRST, SECOND]
    manifest = read_manifest(published, DATASET, SECOND)
    assert told[1] == channels.announcement(manifest)


def test_an_approver_is_told_what_the_move_does_to_whom(published: ObjectStore) -> None:
    from types import SimpleNamespace

    from recsys_airflow.approval_operator import what_changes

    run: Any = SimpleNamespace(dataset=DATASET, version=FIRST)
    assert what_changes(run).startswith(f"Consumers who move from {SECOND} to {FIRST} show")


def test_the_home_page_says_why_the_triggerer_is_red(airflow_app: Any) -> None:
    from recsys_airflow.airflow_local_settings import DASHBOARD_UIALERTS

    (note,) = DASHBOARD_UIALERTS
    assert "none runs" in note.text


def test_any_two_versions_are_compared_with_the_numbers_of_the_command_line(
    ask: Get, published: ObjectStore
) -> None:
    from recsys_tasks.pipeline.compare import compare_versions

    page = ask("viewer").get(f"/recsys/datasets/{DATASET}/compare?a={REJECTED}&b={FIRST}")
    assert page.status_code == 200
    found = compare_versions(published, DATASET, REJECTED, FIRST)
    assert found.html() in page.text
    assert f'value="{REJECTED}" selected' in page.text
    assert ask("viewer").get(f"/recsys/datasets/{DATASET}/compare?a=x&b=y").status_code == 404


def test_without_names_the_champion_and_the_candidate_are_compared(
    ask: Get, published: ObjectStore
) -> None:
    viewer = ask("viewer")
    page = viewer.get(f"/recsys/datasets/{DATASET}/compare").text
    assert f'value="{SECOND}" selected>{SECOND}, champion' in page
    assert f'value="{REJECTED}" selected' in page
    same = viewer.get(f"/recsys/datasets/{DATASET}/compare?b=champion").text
    assert "Both are the same version." in same


def test_a_move_says_what_it_does_to_whom_and_its_button_names_what_consumers_will_get(
    ask: Get, published: ObjectStore
) -> None:
    from recsys_tasks.pipeline.compare import compare_versions

    admin = ask("admin")
    for path, to, button in (
        (f"versions/{REJECTED}/promote", REJECTED, "Give consumers"),
        ("rollback", FIRST, "Roll back to"),
    ):
        page = admin.get(f"/recsys/datasets/{DATASET}/{path}").text
        found = compare_versions(published, DATASET, SECOND, to)
        assert found.summary() in page
        assert found.html() in page
        assert f"<button>{button} {to}</button>" in page


def test_a_version_whose_files_are_gone_is_still_offered_and_the_page_says_what_is_missing(
    ask: Get, published: ObjectStore, sealed_shell: str
) -> None:
    page = ask("admin").get(f"/recsys/datasets/{DATASET}/versions/{sealed_shell}/promote")
    assert page.status_code == 200
    assert "The two cannot be compared" in page.text


@pytest.fixture
def sealed_shell(published: ObjectStore) -> Iterator[str]:
    """A version of which nothing but the manifest is in the bucket."""
    version = "20261129T030000Z-0000000a"
    sealed = publisher.read_manifest(published, DATASET, SECOND)
    lost = sealed.files["items.jsonl"].model_copy(update={"sha256": "0" * 64})
    files = {**sealed.files, "items.jsonl": lost}
    shell = sealed.model_copy(update={"version": version, "files": files})
    published.put(keys.manifest(DATASET, version), shell.to_bytes())
    yield version
    published.delete(keys.manifest(DATASET, version))


@pytest.fixture
def served(airflow_app: Any) -> Iterator[tuple[str, str, str]]:
    """URL, user and password of the application behind a real port."""
    import uvicorn
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    passwords = json.loads(Path(SimpleAuthManager.get_generated_password_file()).read_text())
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(airflow_app, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", "anna", passwords["anna"]
    server.should_exit = True
    thread.join()


def test_a_move_from_the_command_line_sends_the_event_over_airflows_api(
    served: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.asset import AssetActive, AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from recsys_airflow import CHAMPION

    for name, value in zip(champion_event.NAMES, served, strict=True):
        monkeypatch.setenv(name, value)
    wanted = select(AssetModel).where(AssetModel.name == CHAMPION.name)
    with create_session() as session:
        if session.scalar(wanted) is None:
            session.add(AssetModel(name=CHAMPION.name, uri=CHAMPION.uri))
            session.flush()
        session.add(AssetActive.for_asset(session.scalar(wanted)))
    told, how = champion_event.send_champion_event({"dataset": DATASET, "version": FIRST})
    assert told, how
    with create_session() as session:
        newest = session.scalars(select(AssetEvent).order_by(AssetEvent.id.desc())).first()
        assert newest.extra["version"] == FIRST


def test_a_settings_file_that_is_refused_is_said_on_the_first_page(
    ask: Get, published: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tea.toml").write_text('dataset = "tea"\n[dag]\ncron = "<b>"\n')
    assert "Settings refused" not in ask("viewer").get("/recsys/").text
    monkeypatch.setenv("RECSYS_SETTINGS_DIR", str(tmp_path))
    page = ask("viewer").get("/recsys/").text
    assert "no DAG: tea.toml: [dag] cron: &#39;&lt;b&gt;&#39;" in page


def test_half_a_version_is_not_counted(ask: Get, published: ObjectStore) -> None:
    half = keys.version(DATASET, "20261130T030000Z-0000000f") + "seen.npz"
    published.put(half, b"half")
    page = ask("viewer").get("/recsys/").text
    published.delete(half)
    assert '<td data-label="Versions">3</td>' in page


def test_a_rejected_version_is_promoted_only_with_a_second_yes(
    ask: Get, published: ObjectStore
) -> None:
    admin, path = ask("admin"), f"/recsys/datasets/{DATASET}/versions/{REJECTED}/promote"
    page = admin.get(path).text
    assert "The gate rejected this version" in page
    answer = admin.post(path, data={"token": token_in(page), "reason": "hotfix"})
    assert answer.status_code == 409
    assert read_pointer(published, DATASET).version == SECOND  # type: ignore[union-attr]


def test_the_pages_stay_up_and_say_so_when_the_store_is_away(
    ask: Get, published: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = replace(published.access, endpoint="http://127.0.0.1:9")
    connect(monkeypatch, away, "postgresql://nobody:x@127.0.0.1:9/none")
    answer = ask("viewer").get("/recsys/")
    assert answer.status_code == 503
    assert "127.0.0.1:9" in answer.text
    assert published.access.secret_key not in answer.text


def test_a_promotion_says_so_when_postgres_is_away(
    ask: Get, published: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, path = ask("admin"), f"/recsys/datasets/{DATASET}/versions/{FIRST}/promote"
    form = {"token": token_in(admin.get(path).text), "reason": "x", "older": "true"}
    connect(monkeypatch, published.access, "postgresql://nobody:x@127.0.0.1:9/none")
    assert admin.post(path, data=form).status_code == 503
    assert read_pointer(published, DATASET).version == SECOND  # type: ignore[union-attr]


def test_a_version_is_read_once_however_often_its_page_is_asked_for(
    ask: Get, published: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recsys_airflow.pages import catalogue

    read: list[str] = []
    real = catalogue.read_manifest
    monkeypatch.setattr(
        catalogue, "read_manifest", lambda *asked: read.append(asked[2]) or real(*asked)
    )
    monkeypatch.setattr(catalogue, "_rows", {})
    viewer = ask("viewer")
    for _ in range(3):
        assert viewer.get(f"/recsys/datasets/{DATASET}").status_code == 200
    assert sorted(read) == [FIRST, SECOND, REJECTED]


def test_parsing_the_plugin_imports_nothing_heavy(project: Path) -> None:
    import subprocess
    import sys

    code = (
        "import airflow.plugins_manager, airflow.listeners, sys; before = set(sys.modules); import recommender_pages, recommender_notes; "
        "import json; print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project / "plugins",
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"recommender_notes", "recommender_pages"} <= imported
    assert imported.isdisjoint(HEAVY)
