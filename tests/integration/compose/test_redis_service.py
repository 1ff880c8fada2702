"""The compose file's Redis: its start line and its health check, as they stand there but for the port."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from recsys_tasks.devstack.ports import free_port

FILE = Path(__file__).parents[3] / "docker-compose.yaml"
PASSWORD = "s3cret"

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="NOT TESTED: redis-server is not installed"
)


@pytest.fixture
def redis(tmp_path):
    """The service's health check, and the server in a folder of its own when it has become healthy."""
    service, port = yaml.safe_load(FILE.read_text())["services"]["redis"], free_port()
    shell, option, line = (word.replace("$$", "$") for word in service["command"])
    line = line.replace("redis-server -", f"redis-server - --port {port} --bind 127.0.0.1")
    check = service["healthcheck"]["test"][1].replace("$$", "$")
    check = check.replace("redis-cli", f"redis-cli -p {port}")
    environ = {**os.environ, "REDIS_PASSWORD": PASSWORD}
    with subprocess.Popen([shell, option, line], env=environ, cwd=tmp_path) as server:
        deadline = time.monotonic() + 20
        while not is_healthy(check, PASSWORD) and time.monotonic() < deadline:
            time.sleep(0.1)
        yield check, server
        server.kill()


def is_healthy(check: str, password: str) -> bool:
    environ = {**os.environ, "REDIS_PASSWORD": password}
    return subprocess.run(["sh", "-c", check], env=environ, capture_output=True).returncode == 0


def test_it_becomes_healthy_asks_for_its_password_and_shows_it_to_nobody(redis):
    check, server = redis
    assert is_healthy(check, PASSWORD)
    assert not is_healthy(check, "another")
    assert PASSWORD not in str(psutil.Process(server.pid).cmdline())


def test_told_to_stop_it_stops_itself_with_its_queue_on_disk(redis, tmp_path):
    _, server = redis
    server.terminate()
    assert server.wait(20) == 0
    assert list((tmp_path / "appendonlydir").glob("*.aof"))
