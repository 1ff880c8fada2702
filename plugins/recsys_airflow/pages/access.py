"""Checks who may see the pages and who may move the champion, and that a move was confirmed.

A request without a valid login gets 401, whatever it asks for, before any route is looked up; a
browser that follows a link is sent to the login, and back afterwards. To read of a dataset, one must be
allowed to read the DAG that trains it; to promote, to edit it.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.configuration import conf
from fastapi import HTTPException, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from recsys_airflow.scope import training_dag, training_dags
from recsys_tasks.artifacts import keys

TOKEN_SECONDS = 600
"""How long a form may be looked at before it is sent; one that has moved the champion is of no more use."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer; a route that sets one of them itself keeps its own."""


class Guard:
    """Lets only those in who are logged in and may read the DAG; adds ``HEADERS`` to every answer.

    Args:
        app: the ASGI application behind it.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers 401 or 403 itself, or hands the request on with its user."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        answer = await self._refusal(request) or self.app
        await answer(scope, receive, _with_headers(send))

    async def _refusal(self, request: Request) -> Response | None:
        try:
            user = await get_user(request, None, await bearer_scheme(request))
        except HTTPException:
            return _to_login(request) or PlainTextResponse("Log in to Airflow first.", 401)
        wanted = dags_of(request)
        if not await run_in_threadpool(may_read_any, user, wanted):
            return PlainTextResponse(f"This needs the right to read the DAG {wanted[0]}.", 403)
        request.state.reader = user
        return None


def reader(request: Request) -> Any:
    """The user whom the guard let in."""
    return request.state.reader


def dags_of(request: Request) -> list[str]:
    """The DAG that trains the dataset of an address; where it names none, the DAGs of all of them."""
    named = re.search(r"/datasets/([^/]+)", request.url.path)
    if named and keys.is_dataset(named[1]):
        return [training_dag(named[1])]
    return training_dags()


def may_read_any(user: Any, dag_ids: Iterable[str]) -> bool:
    """Whether the user may read one of the DAGs."""
    return any(_may("GET", user, dag_id) for dag_id in dag_ids)


def may_read(user: Any, dataset: str) -> bool:
    """Whether the user may read the DAG that trains a dataset."""
    return _may("GET", user, training_dag(dataset))


def may_move(user: Any, dataset: str) -> bool:
    """Whether the user may edit the DAG that trains a dataset, and so promote and roll back."""
    return _may("PUT", user, training_dag(dataset))


def may_read_run(user: Any, dag_id: str) -> bool:
    """Whether the user may read the runs of a DAG."""
    return bool(
        get_auth_manager().is_authorized_dag(
            method="GET",
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=dag_id),
            user=user,
        )
    )


def require_mover(request: Request, dataset: str) -> Any:
    """The user, who may move the champion of a dataset.

    Raises:
        HTTPException: 403 for everyone else.
    """
    user = reader(request)
    if not may_move(user, dataset):
        needed = training_dag(dataset)
        raise HTTPException(403, f"Moving the champion needs the right to edit the DAG {needed}.")
    return user


def intent(user: Any, action: str, at_move: int) -> str:
    """What a form carries to show, when it comes back, that this user saw it on this site.

    Args:
        user: who looks at the form.
        action: what the form does, with its dataset and version.
        at_move: the pointer's move that the page shows: once the pointer has moved, the form is stale.
    """
    return _signer().dumps([str(user.get_id()), action, at_move])


def require_intent(request: Request, user: Any, action: str, token: str) -> int:
    """The move that the form showed; refuses one of another site, user, action or time.

    Raises:
        HTTPException: 403.
    """
    try:
        said = _signer().loads(token, max_age=TOKEN_SECONDS)
    except BadSignature:
        said = [None, None, None]
    if said[:2] != [str(user.get_id()), action] or _is_foreign(request):
        raise HTTPException(403, "This form is stale or was not made here: open the page again.")
    return int(said[2])


def _to_login(request: Request) -> Response | None:
    """Airflow's login, which leads back here, for a browser that follows a link; else nothing."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return None
    airflow = str(request.scope.get("root_path", "")).rstrip("/").removesuffix("/recsys")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{airflow}/api/v2/auth/login?{urlencode({'next': here})}", 302)


def _is_foreign(request: Request) -> bool:
    """Whether the browser says that another site sent the request."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    host = request.headers.get("host")
    return site != "same-origin" or (origin is not None and urlsplit(origin).netloc != host)


def _may(method: Any, user: Any, dag_id: str) -> bool:
    details = DagDetails(id=dag_id)
    return bool(get_auth_manager().is_authorized_dag(method=method, details=details, user=user))


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="recsys")


def _with_headers(send: Any) -> Any:
    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
