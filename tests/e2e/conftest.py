"""What the end-to-end tests share: a newcomer's stack, with Airflow's local executor."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack_processes import run_recsys, wait_for_silence


@pytest.fixture(scope="package", autouse=True)
def revision() -> Iterator[None]:
    """The same revision in every stack's manifests, whatever is committed while the tests run."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RECSYS_REVISION", "as tested")
        yield


@pytest.fixture(scope="package")
def local_stack(service_home: Path) -> Iterator[Path]:
    """State folder of a stack that is up; once it is down, none of its processes lives."""
    folder = service_home / "e2e"
    code, _, stderr = run_recsys(folder, "up")
    assert code == 0, stderr
    yield folder
    assert run_recsys(folder, "down")[0] == 0
    assert wait_for_silence(folder) == []
