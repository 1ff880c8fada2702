"""docker-compose.yaml, read by the same library that Docker Compose is made of."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose
import pytest

ROOT = Path(__file__).parents[3]
COMPOSE = Path(compose.__file__).parent / "docker-compose"
CONFIG = ("--profile", "celery", "config", "--format", "json")
AIRFLOW = ("airflow-init", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor")
WORKERS = ("airflow-worker", "airflow-train-worker")
SECRETS = sorted(
    set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")))
)


def config(env_file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMPOSE, "-f", ROOT / "docker-compose.yaml", "--env-file", env_file, *CONFIG],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("compose") / ".env"
    subprocess.run([sys.executable, ROOT / "docker" / "make_env.py", target], check=True)
    return target


@pytest.fixture(scope="module")
def services(env_file: Path) -> dict[str, Any]:
    done = config(env_file)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def test_a_written_env_file_makes_the_whole_project_valid(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "store", "store-init", "redis", *AIRFLOW, *WORKERS}


@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_secret_is_refused_by_name(missing: str, env_file: Path, tmp_path: Path) -> None:
    lines = env_file.read_text(encoding="utf-8").splitlines()
    without = tmp_path / ".env"
    without.write_text("\n".join(line for line in lines if not line.startswith(f"{missing}=")))
    done = config(without)
    assert done.returncode != 0
    assert missing in done.stderr


def test_the_example_holds_no_secret_that_works() -> None:
    assert config(ROOT / ".env.example").returncode != 0


def test_the_example_names_every_variable_of_the_compose_file() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", text))
    read_by_compose_itself = {"COMPOSE_PROFILES"}
    named = set(re.findall(r"^#?(\w+)=", example, flags=re.M))
    assert asked | read_by_compose_itself == named


def test_the_examples_defaults_are_those_of_the_compose_file() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    assert {("COMPOSE_PROFILES", ""), *re.findall(r"\$\{(\w+):-([^}]*)\}", text)} == set(
        re.findall(r"^#(\w+)=(.*)$", example, flags=re.M)
    )


def test_ports_are_on_loopback_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_images_are_pinned(services: dict[str, Any]) -> None:
    tags = [service["image"].rpartition(":")[2] for service in services.values()]
    assert all(re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag) for tag in tags)


def test_one_service_builds_the_image_and_none_asks_a_registry_for_it(
    services: dict[str, Any],
) -> None:
    assert [name for name, service in services.items() if "build" in service] == ["airflow-init"]
    ours = {services[name]["image"] for name in (*AIRFLOW, *WORKERS)}
    assert len(ours) == 1
    assert {services[name]["pull_policy"] for name in (*AIRFLOW, *WORKERS)} == {"never"}


def test_the_folder_for_input_files_is_in_the_clone_and_never_made_by_the_engine(
    services: dict[str, Any],
) -> None:
    for name in AIRFLOW[1:]:
        (data,) = (v for v in services[name]["volumes"] if v["target"] == "/data")
        assert data["bind"].get("create_host_path", False) is False
        assert Path(data["source"]).is_dir()
    ignored = ["git", "-C", ROOT, "check-ignore", "--quiet", "data/ratings.csv"]
    if (ROOT / ".git").exists():
        assert subprocess.run(ignored).returncode == 0


def test_a_service_that_ends_leaves_no_unnamed_volume(services: dict[str, Any]) -> None:
    assert "/data" in services["store-init"]["tmpfs"]


def test_a_name_that_airflow_takes_from_pathspec_warns_in_no_log_and_others_do(
    services: dict[str, Any],
) -> None:
    chosen = services["airflow-scheduler"]["environment"]["PYTHONWARNINGS"]
    words = ("GitWildMatchPattern ('gitwildmatch') is deprecated.", "another is deprecated")
    code = "import sys, warnings; [warnings.warn(w, DeprecationWarning) for w in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={"PYTHONWARNINGS": chosen},
        capture_output=True,
        text=True,
    )
    assert words[0] not in done.stderr
    assert words[1] in done.stderr


@pytest.mark.parametrize("name", [*AIRFLOW, *WORKERS])
def test_a_task_waits_longer_for_a_busy_api_server_than_airflows_five_seconds(
    name: str, services: dict[str, Any]
) -> None:
    assert float(services[name]["environment"]["AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT"]) >= 30


def test_the_profile_of_an_env_file_holds_for_every_command(env_file: Path, tmp_path: Path) -> None:
    profiled = tmp_path / ".env"
    profiled.write_text(env_file.read_text() + "COMPOSE_PROFILES=celery\n")
    done = subprocess.run(
        [
            COMPOSE,
            "-f",
            ROOT / "docker-compose.yaml",
            "--env-file",
            profiled,
            "config",
            "--services",
        ],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert {"redis", *WORKERS} <= set(done.stdout.split()), done.stderr


def test_every_airflow_service_has_the_same_secrets_and_connections(
    services: dict[str, Any],
) -> None:
    shared = [
        {
            name: value
            for name, value in services[service]["environment"].items()
            if not name.startswith("AIRFLOW_ADMIN")
        }
        for service in AIRFLOW
    ]
    assert "AIRFLOW__API_AUTH__JWT_SECRET" in shared[0]
    assert shared.count(shared[0]) == len(AIRFLOW)


def test_without_the_profile_neither_redis_nor_a_worker_starts(services: dict[str, Any]) -> None:
    profiled = {name for name, service in services.items() if service.get("profiles")}
    assert profiled == {"redis", *WORKERS}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_the_block_of_the_others_without_airflows_own_secrets(
    name: str, services: dict[str, Any]
) -> None:
    block = services["airflow-scheduler"]["environment"]
    differing = {
        variable
        for variable, value in services[name]["environment"].items()
        if value != block[variable]
    }
    assert differing == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
    }
    assert services[name]["environment"].keys() == block.keys()


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_shares_no_disk(name: str, services: dict[str, Any]) -> None:
    assert not services[name].get("volumes")


def test_the_train_worker_takes_nothing_but_training(services: dict[str, Any]) -> None:
    queues = {name: services[name]["command"][3] for name in WORKERS}
    assert queues == {"airflow-worker": "default", "airflow-train-worker": "train"}


def test_a_token_secret_has_the_64_bytes_that_airflow_asks_for(env_file: Path) -> None:
    secret = re.search(r"^AIRFLOW_JWT_SECRET=(.*)$", env_file.read_text(), flags=re.M)
    assert secret is not None
    assert len(secret[1].encode()) >= 64


def test_the_administrators_password_is_given_to_the_init_alone(services: dict[str, Any]) -> None:
    holders = [name for name in services if "AIRFLOW_ADMIN_PASSWORD" in text_of(services[name])]
    assert holders == ["airflow-init"]


def test_airflow_gets_the_publishers_keys_and_not_the_stores_root(
    services: dict[str, Any], env_file: Path
) -> None:
    values = dict(
        line.split("=", 1) for line in env_file.read_text().splitlines() if re.match(r"\w+=", line)
    )
    for name in AIRFLOW:
        assert values["RECSYS_PUBLISHER_SECRET"] in text_of(services[name])
        assert values["MINIO_ROOT_PASSWORD"] not in text_of(services[name])


def test_connections_are_the_json_that_airflow_reads(services: dict[str, Any]) -> None:
    environment = services["airflow-scheduler"]["environment"]
    database = json.loads(environment["AIRFLOW_CONN_RECSYS_DB"])
    store = json.loads(environment["AIRFLOW_CONN_RECSYS_S3"])
    assert (database["conn_type"], database["host"], database["schema"]) == (
        "postgres",
        "postgres",
        "recsys",
    )
    assert store["extra"] == {"endpoint_url": "http://store:9000", "bucket": "recsys"}


def test_what_runs_on_has_a_health_check_and_what_ends_has_none(services: dict[str, Any]) -> None:
    checked = {name for name, service in services.items() if "healthcheck" in service}
    assert checked == set(services) - {"store-init", "airflow-init"}


def test_every_dependency_waits_for_a_state_that_can_come(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, need in service.get("depends_on", {}).items():
            ends = name.endswith("-init")
            expected = "service_completed_successfully" if ends else "service_healthy"
            assert need["condition"] == expected


def test_every_file_that_is_mounted_or_copied_is_there(services: dict[str, Any]) -> None:
    mounted = [
        Path(volume["source"])
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind" and volume["target"] != "/data"
    ]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        ROOT / source
        for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", dockerfile, flags=re.M)
        for source in line.split()[:-1]
    ]
    assert mounted
    assert copied
    assert all(path.exists() for path in mounted + copied)


def test_the_builder_is_sent_what_the_dockerfile_copies_and_no_secret() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    sources = {
        source
        for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", dockerfile, flags=re.M)
        for source in line.split()[:-1]
    }
    assert "*" in ignore
    assert {entry[1:] for entry in ignore if entry.startswith("!")} == sources


def text_of(service: dict[str, Any]) -> str:
    return json.dumps(service.get("environment", {}))
