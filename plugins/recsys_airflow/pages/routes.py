"""The routes of the pages: each checks access, reads, and fills a template.

Handlers are plain functions, so FastAPI runs them in threads: reading the bucket blocks nobody.
Unknown paths come behind the guard too, so they tell an anonymous caller nothing.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import APIRouter, FastAPI, Form, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException as StarletteHTTPException

from recsys_airflow.pages import access, runs, views
from recsys_airflow.pages.catalogue import catalogue, recommender, titles_with
from recsys_airflow.pages.comparing import compared
from recsys_airflow.pages.following import consumers_follow
from recsys_airflow.promotions import deliver_in_background
from recsys_airflow.run_context import database
from recsys_airflow.schedules import usable
from recsys_airflow.scope import is_training, training_dag, training_dags
from recsys_tasks.artifacts import keys
from recsys_tasks.artifacts.manifest import NOUN_OF
from recsys_tasks.artifacts.pointer import Pointer
from recsys_tasks.config.dataset_files import settings_folder
from recsys_tasks.errors import (
    ArtifactRefused,
    GateRejected,
    NotFound,
    PermanentError,
    PublishConflict,
    RecsysError,
    SettingsError,
    TransientError,
)
from recsys_tasks.publish import channels
from recsys_tasks.publish.naming import CANDIDATE, CHAMPION, named_version, version_names
from recsys_tasks.publish.outbox import read_outbox
from recsys_tasks.publish.pointer_move import lock_name

STATIC = {
    "report.css": "text/css",
    "pages.css": "text/css",
    "leave.js": "text/javascript",
}
REFRESH_SECONDS = 10
"""After how long a page that waits for a report asks again."""

EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; sandbox allow-same-origin"
}
"""A report runs nothing and fetches nothing, and the browser is told to hold it to that.

Of the same origin, so that its links are followed with the reader's login; no script can make use of it.
"""

STATUS = {
    NotFound: 404,
    SettingsError: 400,
    GateRejected: 409,
    PublishConflict: 409,
    ArtifactRefused: 409,
    PermanentError: 502,
    TransientError: 503,
}
"""HTTP status of each of the core's errors; the first class that fits decides."""

router = APIRouter()


@cache
def application() -> access.Guard:
    """The pages behind their guard."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(router)
    app.add_exception_handler(RecsysError, _say_error)
    app.add_exception_handler(AirflowNotFoundException, _say_connection)
    app.add_exception_handler(StarletteHTTPException, _say_refusal)
    return access.Guard(app)


@router.get("/")
def show_datasets(request: Request) -> Response:
    """Every dataset and its champion."""
    user = access.reader(request)
    datasets = [one for one in catalogue().datasets() if access.may_read(user, one.name)]
    told = {one.name for one in datasets if _may_read_runs(request, one.name)}
    return _page(request, "datasets.html", datasets=datasets, told=told, broken=_broken_files())


@router.get("/datasets/{dataset}")
def show_dataset(request: Request, dataset: str, every: bool = False) -> Response:
    """A dataset's versions and red runs, newest first, its quality over time, its champion's moves."""
    published = catalogue()
    champion = published.champion(dataset)
    rows = published.rows(dataset)
    endings = published.endings(dataset) if _may_read_runs(request, dataset) else []
    if not (rows or champion or endings):
        raise NotFound(f"nothing is published for the dataset {dataset}")
    return _page(
        request,
        "dataset.html",
        dataset=dataset,
        champion=champion,
        refused=published.refusals(dataset),
        shown=rows if every else rows[: views.PAGE],
        total=len(rows),
        plot=views.quality_over_time(rows, champion, endings),
        red=[ending for ending in endings if ending.is_red],
        looked_at=len(endings),
        moves=published.moves(dataset, champion),
        undelivered=read_outbox(published.store, dataset).sentence(),
        may_move=access.may_move(access.reader(request), dataset),
    )


@router.get("/datasets/{dataset}/compare")
def show_comparison(request: Request, dataset: str, a: str = "", b: str = "") -> Response:
    """Any two versions: by name, or as the champion, its predecessor, or the candidate."""
    store = catalogue().store
    before, now = (named_version(store, dataset, name) for name in (a or CHAMPION, b or CANDIDATE))
    champion = catalogue().champion(dataset)
    return _page(
        request,
        "compare.html",
        dataset=dataset,
        a=before,
        b=now,
        names=version_names(store, dataset),
        champion=champion.version if champion else None,
        found=compared(dataset, before, now),
        may_move=access.may_move(access.reader(request), dataset),
    )


@router.get("/datasets/{dataset}/versions/{version}")
def show_version(
    request: Request,
    dataset: str,
    version: str,
    user: str = "",
    movie: str = "",
    item: str = "",
    title: str = "",
) -> Response:
    """One version: its verdict, its files, and what it answers; ``movie`` is another name of ``item``."""
    item = item or movie
    published = catalogue()
    manifest = published.manifest(dataset, version)
    champion = published.champion(dataset)
    return _page(
        request,
        "version.html",
        dataset=dataset,
        version=version,
        manifest=manifest,
        refused=published.refusals(dataset).get(version),
        is_champion=champion is not None and champion.version == version,
        rules=sorted(map(views.rule, manifest.gate.rules), key=lambda rule: rule.passed),
        files=views.files(manifest),
        noun=NOUN_OF[manifest.schema_version],
        answer=_ask(dataset, version, user, item, title),
        asked={"user": user, "item": item, "title": title},
        may_move=access.may_move(access.reader(request), dataset),
    )


@router.get("/datasets/{dataset}/versions/{version}/report")
def show_report(request: Request, dataset: str, version: str) -> Response:
    """The report that was published with a version, and where one can go on from it."""
    document = catalogue().store.get(keys.version(dataset, version) + "report.html").decode()
    links = _links(request, dataset, version)
    return HTMLResponse(views.with_links(document, links), headers=REPORT_HEADERS)


@router.get("/datasets/{dataset}/versions/{version}/files/{name}")
def download(dataset: str, version: str, name: str) -> Response:
    """One file of a version, checked against the manifest on the way."""
    published = catalogue()
    facts = published.manifest(dataset, version).files.get(name)
    if facts is None:
        raise NotFound(f"version {version} of {dataset} has no file {name}")
    folder = tempfile.TemporaryDirectory(prefix="recsys-download-")
    path = Path(folder.name) / name
    published.store.download_file(keys.version(dataset, version) + name, path, facts.sha256)
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=name,
        background=BackgroundTask(folder.cleanup),
    )


@router.get("/datasets/{dataset}/runs/{version}/report")
def show_run_report(request: Request, dataset: str, version: str) -> Response:
    """The report of a run, published or not, as long as the run's files are kept."""
    if not _may_read_runs(request, dataset):
        needed = training_dag(dataset)
        raise HTTPException(403, f"This needs the right to read the runs of the DAG {needed}.")
    document = catalogue().store.get(keys.runs(dataset, version) + "report.html")
    return HTMLResponse(document, headers=REPORT_HEADERS)


@router.get("/run")
def show_run(request: Request, session: SessionDep, dag_id: str, run_id: str) -> Response:
    """The report of a DAG run, for the tab that Airflow shows on it."""
    if not access.may_read_run(access.reader(request), dag_id):
        raise HTTPException(403, f"This needs the right to read the runs of the DAG {dag_id}.")
    if not is_training(dag_id):
        raise HTTPException(404, f"Only runs that train have a report; this is one of {dag_id}.")
    run = runs.run_of(session, dag_id, run_id)
    try:
        document = runs.report_of(catalogue().store, run)
    except NotFound:
        text = f"The report of version {run.version} of {run.dataset} is written by the run's last task."
        if runs.is_open(session, dag_id, run_id):
            text += f" This page looks again every {REFRESH_SECONDS} seconds."
            return _message(request, 404, text, "No report yet", REFRESH_SECONDS)
        return _message(request, 404, f"{text} The run ended without.", "No report")
    return HTMLResponse(document, headers=REPORT_HEADERS)


@router.get("/leave")
def leave(request: Request, dag_id: str, run_id: str, task_id: str = "") -> Response:
    """Leads to a run in Airflow, or to a task's log, out of the frame in which a report is shown."""
    dag, run, task = (quote(name, safe="") for name in (dag_id, run_id, task_id))
    airflow = _root(request).removesuffix("/recsys")
    address = f"{airflow}/dags/{dag}/runs/{run}" + (f"/tasks/{task}" if task else "")
    return _page(request, "leave.html", address=address)


@router.get("/datasets/{dataset}/versions/{version}/promote")
def ask_promotion(request: Request, dataset: str, version: str) -> Response:
    """What a promotion would change, and a form that makes it happen."""
    user = access.require_mover(request, dataset)
    published = catalogue()
    manifest, champion = published.manifest(dataset, version), published.champion(dataset)
    return _page(
        request,
        "move.html",
        deed="Promote",
        dataset=dataset,
        version=version,
        champion=champion,
        is_accepted=manifest.gate.accepted,
        refused=published.refusals(dataset).get(version),
        is_older=champion is not None and channels.is_older(version, champion.version),
        found=compared(dataset, champion.version if champion else None, version),
        token=access.intent(user, f"promote {dataset} {version}", _move_of(champion)),
    )


@router.post("/datasets/{dataset}/versions/{version}/promote")
def promote(
    request: Request,
    dataset: str,
    version: str,
    token: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    force: Annotated[bool, Form()] = False,
    older: Annotated[bool, Form()] = False,
) -> Response:
    """Points the champion at a version."""
    user, at_move = _meant(request, dataset, f"promote {dataset} {version}", token, reason)
    channels.promote(
        catalogue().store,
        database().advisory_lock(lock_name(dataset)),
        dataset,
        version,
        user.get_name(),
        reason,
        force,
        older,
        at_move,
        follow=consumers_follow(),
    )
    deliver_in_background(dataset)
    return RedirectResponse(f"{_root(request)}/datasets/{dataset}", 303)


@router.get("/datasets/{dataset}/rollback")
def ask_rollback(request: Request, dataset: str) -> Response:
    """What a rollback would change, and a form that makes it happen."""
    user = access.require_mover(request, dataset)
    champion = catalogue().champion(dataset)
    if champion is None or champion.previous is None:
        raise NotFound(f"the champion of {dataset} has no predecessor")
    return _page(
        request,
        "move.html",
        deed="Roll back",
        dataset=dataset,
        version=champion.previous,
        champion=champion,
        is_accepted=True,
        refused=catalogue().refusals(dataset).get(champion.previous),
        is_older=False,
        found=compared(dataset, champion.version, champion.previous),
        token=access.intent(user, f"rollback {dataset} {champion.version}", champion.move),
    )


@router.post("/datasets/{dataset}/rollback")
def roll_back(
    request: Request,
    dataset: str,
    undo: Annotated[str, Form()] = "",
    token: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Points the champion back from the version that the form named."""
    user, at_move = _meant(request, dataset, f"rollback {dataset} {undo}", token, reason)
    channels.rollback(
        catalogue().store,
        database().advisory_lock(lock_name(dataset)),
        dataset,
        undo,
        user.get_name(),
        reason,
        at_move,
        follow=consumers_follow(),
    )
    deliver_in_background(dataset)
    return RedirectResponse(f"{_root(request)}/datasets/{dataset}", 303)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """The pages' styles and their one script."""
    if name not in STATIC:
        raise HTTPException(404, "There is no such page.")
    return Response(views.static(name), media_type=STATIC[name])


@router.api_route("/{path:path}", methods=EVERY_METHOD)
def nothing() -> Response:
    """Whatever else is asked for."""
    raise HTTPException(404, "There is no such page.")


def _links(request: Request, dataset: str, version: str) -> dict[str, str]:
    """Where one goes on from a version's report, by what is there."""
    root, run = _root(request), catalogue().manifest(dataset, version).run
    here, champion = f"{root}/datasets/{dataset}", catalogue().champion(dataset)
    links = {"This version": f"{here}/versions/{version}", "All versions": here}
    if is_training(run.dag_id):
        links["Run"] = f"{root}/leave?{urlencode({'dag_id': run.dag_id, 'run_id': run.run_id})}"
    if champion and champion.version != version:
        query = urlencode({"a": champion.version, "b": version})
        links["What differs from the champion"] = f"{here}/compare?{query}"
        links["The champion's report"] = f"{here}/versions/{champion.version}/report"
    return links


def _broken_files() -> list[SettingsError]:
    """What is wrong with settings files, whose datasets have no DAG."""
    folder = settings_folder()
    return usable(folder)[1] if folder else []


def _may_read_runs(request: Request, dataset: str) -> bool:
    return access.may_read_run(access.reader(request), training_dag(dataset))


def _ask(dataset: str, version: str, user: str, item: str, title: str) -> dict[str, Any] | None:
    """What a version answers to the one of its three questions that was asked."""
    if not (user or item or title):
        return None
    version_asked = recommender(dataset, version)
    noun = version_asked.artifacts.noun
    if title:
        found = titles_with(title, version_asked.shown())
        return {"heading": f"Titles with “{title}”", "items": found}
    if item:
        near = version_asked.similar(views.identifier(item, noun, noun), 10)
        return {"heading": f"{noun.capitalize()}s like {item}", "items": near.items}
    best = version_asked.recommend(views.identifier(user, "user", noun), 10)
    tier = best.tier.replace("_", "-")
    return {"heading": f"For user {user} (tier: {tier})", "items": best.items}


def _meant(request: Request, dataset: str, action: str, token: str, reason: str) -> tuple[Any, int]:
    """The user who may move the champion, meant to, and said why; and the move that the user saw."""
    user = access.require_mover(request, dataset)
    at_move = access.require_intent(request, user, action, token)
    if not reason.strip():
        raise SettingsError("a reason is needed: it stays in the champion's history")
    return user, at_move


def _move_of(champion: Pointer | None) -> int:
    return champion.move if champion else 0


def _page(request: Request, template: str, status: int = 200, **facts: Any) -> Response:
    text = views.template(template).render(
        root=_root(request),
        airflow=_root(request).removesuffix("/recsys"),
        dag_id=training_dag(facts["dataset"]) if "dataset" in facts else training_dags()[0],
        **facts,
    )
    return HTMLResponse(text, status)


def _root(request: Request) -> str:
    """Path under which the pages are mounted, without a last slash."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _message(
    request: Request,
    status: int,
    text: str,
    heading: str = "That did not work",
    refresh: int | None = None,
) -> Response:
    return _page(request, "message.html", status, text=text, heading=heading, refresh=refresh)


def _say_error(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return _message(request, status, str(error))


def _say_connection(request: Request, error: Exception) -> Response:
    return _message(request, 503, f"A connection is missing in Airflow: {error}")


def _say_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return _message(request, error.status_code, str(error.detail))
