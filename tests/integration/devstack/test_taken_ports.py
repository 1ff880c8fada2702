"""A port that is free when looked at and another's when the server starts: the next one is tried."""

import secrets
import shutil
import socket
import sys
from pathlib import Path

import psycopg2
import pytest

from recsys_tasks.devstack import ports
from recsys_tasks.devstack.accounts import Account
from recsys_tasks.devstack.airflow_services import API_SERVER
from recsys_tasks.devstack.celery_parts import CeleryParts
from recsys_tasks.devstack.credentials import Credentials
from recsys_tasks.devstack.ports import LOOPBACK, PortTaken, answers, on_a_port
from recsys_tasks.devstack.postgres import FORGETFUL, start_postgres
from recsys_tasks.devstack.process import start_child
from recsys_tasks.devstack.redis import RedisServer
from recsys_tasks.devstack.s3 import make_bucket, start_s3
from recsys_tasks.devstack.supervisor import Options, Supervisor
from recsys_tasks.errors import DatabaseUnavailable, StoreUnavailable

pytestmark = pytest.mark.services


@pytest.fixture
def taken(monkeypatch):
    """A port that another program listens on, and that looks free at the first look."""
    with socket.create_server((LOOPBACK, 0)) as other:
        port, looks, is_free = other.getsockname()[1], [], ports.is_free

        def first_look_deceives(asked):
            looks.append(asked)
            return looks == [port] or is_free(asked)

        monkeypatch.setattr(ports, "is_free", first_look_deceives)
        yield port


def test_postgres_takes_another_port(taken, service_home):
    home = service_home / "taken-port"
    home.mkdir(mode=0o711)
    server = start_postgres(home, "secret", settings=FORGETFUL, usual=taken)
    try:
        assert server.port != taken
        psycopg2.connect(server.url).close()
    finally:
        server.stop()


def test_the_s3_server_takes_another_port_and_is_not_mistaken_for_the_other_program(
    taken, tmp_path
):
    server = start_s3(tmp_path, "key", secrets.token_hex(20), "recsys", usual=taken)
    try:
        assert server.port != taken
        make_bucket(server.access)
    finally:
        server.stop()


@pytest.mark.skipif(not shutil.which("redis-server"), reason="NOT TESTED: no redis-server here")
def test_the_broker_takes_another_port(taken, tmp_path):
    parts = CeleryParts(
        tmp_path, Credentials.keep(tmp_path), RedisServer(0, ""), Account(), workers={}
    )
    broker = parts.start_broker(None, taken)
    try:
        assert parts.broker.port != taken
        assert answers(broker, parts.broker.port)
    finally:
        broker.stop()


def test_airflows_servers_are_ended_and_started_on_another_port(taken, tmp_path, monkeypatch):
    supervisor, plans = Supervisor(Options(str(tmp_path), "dags", "plugins", {})), []

    def start_servers(plan):
        plans.append(plan.port)
        return [web_server(API_SERVER, plan.port, tmp_path)]

    services = "recsys_tasks.devstack.supervisor.airflow_services"
    monkeypatch.setattr(f"{services}.start_servers", start_servers)
    monkeypatch.setattr(f"{services}.start_migration", lambda _plan: None)
    monkeypatch.setattr(f"{services}.healthy_servers", lambda _plan, _since: {API_SERVER})
    monkeypatch.setattr("recsys_tasks.devstack.supervisor.USUAL_PORTS", {"airflow": taken})
    plan = supervisor._start_airflow(0, None)
    try:
        assert plans == [taken, plan.port]
        assert [child.is_alive() for child in supervisor.children] == [True]
        assert f"({taken} is taken)" in supervisor.status.parts[-1].address
    finally:
        supervisor._end(supervisor.children)


@pytest.mark.parametrize(
    ("start", "error"),
    [
        (lambda home, port: start_s3(home, "k", "s" * 20, "recsys", port=port), StoreUnavailable),
        (lambda home, port: start_postgres(home, "s", port=port), DatabaseUnavailable),
    ],
)
def test_a_port_that_was_asked_for_is_the_only_one(start, error, taken, service_home):
    home = service_home / error.__name__
    home.mkdir(mode=0o711)
    with pytest.raises(error, match=f"port {taken} is taken"):
        start(home, taken)


def test_no_port_is_tried_for_ever():
    tried = []

    def always_late(port):
        tried.append(port)
        raise PortTaken

    with pytest.raises(PortTaken, match="the part cannot start"):
        on_a_port("the part", always_late, None)
    assert len(tried) == ports.FREE_TRIES


def web_server(name: str, port: int, folder: Path):
    command = [sys.executable, "-m", "http.server", "--bind", LOOPBACK, str(port)]
    return start_child(name, command, folder / f"{port}.log")
