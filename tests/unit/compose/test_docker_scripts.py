"""The scripts in docker/: what each shell line does, run for real or against a written stand-in."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
SCRIPTS = sorted(DOCKER.rglob("*.sh"))
merge = run_path(str(DOCKER / "constraints.py"))["merge"]
fill = run_path(str(DOCKER / "make_env.py"))["fill"]

MC = """#!/bin/sh
# Stands in for MinIO's client: writes down each call and the line on its standard input, and answers as
# the client does, of a user whose name is a policy's name too.
echo "$*" >> "$CALLS"
case "$*" in
    *"alias set"* | *"user add"*) IFS= read -r secret && echo "$secret" >> "$SECRETS" ;;
    *"user info"*)
        user=${*##* }
        policies=$(while read -r policy of; do [ "$of" = "$user" ] && printf '%s,' "$policy"; done < "$ATTACHED")
        printf '{\\n "status": "success",\\n "accessKey": "%s",\\n' "$user"
        [ -z "$policies" ] || printf ' "policyName": "%s",\\n' "${policies%,}"
        printf ' "userStatus": "enabled"\\n}\\n' ;;
    *"policy attach"*) echo "$5 $7" >> "$ATTACHED" ;;
    *"rule export"*) grep -q "rule add" "$CALLS" && echo '{"Prefix": "airflow-logs/"}' ;;
    *"mb "*) test -z "${FAIL:-}" ;;
esac
"""


AIRFLOW = """#!{python}
# Stands in for Airflow's command: writes down each call; asks for a password that is not given, twice.
import getpass, os, sys
calls = os.environ["CALLS"]
with open(calls, "a") as file:
    print(*sys.argv[1:], file=file)
if sys.argv[1:3] == ["users", "create"] and "--password" not in sys.argv:
    with open(calls + ".asked", "w") as file:
        print(getpass.getpass("Password:"), getpass.getpass("Repeat for confirmation:"), sep="\\n", file=file)
"""


def run_setup(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    fake = folder / "mc"
    fake.write_text(MC)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    (folder / "attached").touch()
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "CALLS": str(folder / "calls"),
        "ATTACHED": str(folder / "attached"),
        "SECRETS": str(folder / "secrets"),
        "STORE_URL": "http://store:9000",
        "MINIO_ROOT_USER": "root",
        "MINIO_ROOT_PASSWORD": "root-secret",
        "RECSYS_PUBLISHER_KEY": "recsys-publisher",
        "RECSYS_PUBLISHER_SECRET": "writer-secret",
        "RECSYS_CONSUMER_KEY": "reader",
        "RECSYS_CONSUMER_SECRET": "reader-secret",
    }
    return subprocess.run(
        ["sh", DOCKER / "store" / "setup.sh"],
        env={**environment, **extra},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses_in_the_shell_that_runs_it(script: Path) -> None:
    shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", script], check=True)


def test_shell_lines_of_the_compose_file_parse() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    lines = [
        service["healthcheck"]["test"][1]
        for service in services.values()
        if service.get("healthcheck", {}).get("test", [""])[0] == "CMD-SHELL"
    ]
    assert lines
    for line in lines:
        subprocess.run(["sh", "-n", "-c", line], check=True)


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ('{"dag_processor": {"status": "healthy"}}', True),
        ('{"dag_processor": {"status": "unhealthy"}}', False),
        ("", False),
    ],
)
def test_the_dag_processors_check_reads_airflows_answer(
    answer: str, healthy: bool, tmp_path: Path
) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    line = services["airflow-dag-processor"]["healthcheck"]["test"][1]
    (tmp_path / "curl").write_text(f"#!/bin/sh\nprintf '%s' '{answer}'\n")
    (tmp_path / "curl").chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", line], env={"PATH": path}, capture_output=True)
    assert (done.returncode == 0) is healthy


def test_the_store_gets_a_bucket_and_two_users_with_their_own_policies(tmp_path: Path) -> None:
    done = run_setup(tmp_path)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text()
    assert "mb --ignore-existing store/recsys" in calls
    assert "admin user add store recsys-publisher\n" in calls
    assert (tmp_path / "attached").read_text().splitlines() == [
        "recsys-publisher recsys-publisher",
        "recsys-consumer reader",
    ]
    for file in re.findall(r"policy create store \S+ (\S+)", calls):
        assert Path(file).is_file()


def test_a_policy_is_attached_once_however_often_the_setup_runs(tmp_path: Path) -> None:
    assert [run_setup(tmp_path).returncode for _ in range(2)] == [0, 0]
    calls = (tmp_path / "calls").read_text()
    assert calls.count("policy attach store recsys-publisher --user recsys-publisher") == 1
    assert calls.count("policy attach store recsys-consumer --user reader") == 1


def test_a_policy_whose_name_begins_alike_is_not_taken_for_the_one_that_is_wanted(
    tmp_path: Path,
) -> None:
    (tmp_path / "attached").write_text("recsys-publisher-old recsys-publisher\n")
    assert run_setup(tmp_path).returncode == 0
    assert "recsys-publisher recsys-publisher\n" in (tmp_path / "attached").read_text()


def test_no_secret_of_the_store_stands_in_a_command_line(tmp_path: Path) -> None:
    assert run_setup(tmp_path).returncode == 0
    assert "-secret" not in (tmp_path / "calls").read_text()
    given = (tmp_path / "secrets").read_text().split()
    assert given == ["root-secret", "writer-secret", "reader-secret"]


def test_the_administrators_password_stands_in_no_command_line(tmp_path: Path) -> None:
    fake = tmp_path / "airflow"
    fake.write_text(AIRFLOW.format(python=sys.executable))
    fake.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "CALLS": str(tmp_path / "calls"),
        "AIRFLOW_ADMIN_USER": "admin",
        "AIRFLOW_ADMIN_PASSWORD": "admin-secret",
    }
    done = subprocess.run(
        ["bash", DOCKER / "airflow" / "init.sh"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "admin-secret" not in (tmp_path / "calls").read_text()
    assert (tmp_path / "calls.asked").read_text() == "admin-secret\nadmin-secret\n"


def test_task_logs_expire_by_one_rule_however_often_the_setup_runs(tmp_path: Path) -> None:
    assert [run_setup(tmp_path).returncode for _ in range(2)] == [0, 0]
    added = [line for line in (tmp_path / "calls").read_text().splitlines() if "rule add" in line]
    assert added == ["ilm rule add --expire-days 30 --prefix airflow-logs/ store/recsys"]


def test_the_stores_setup_fails_when_the_bucket_cannot_be_made(tmp_path: Path) -> None:
    assert run_setup(tmp_path, FAIL="1").returncode != 0
    assert "user add" not in (tmp_path / "calls").read_text()


def test_the_images_version_wins_and_the_lock_fills_in_the_rest() -> None:
    image = "# Airflow's\nNumPy==2.3.0\napache-airflow==3.3.2\n"
    lock = (
        "numpy==2.4.0 \\\n    --hash=sha256:00\nlightfm_next==1.19.0 ; python_version < '3.14'\n"
        "numba==0.68.0\n    # via recsys-tasks\n"
    )
    assert merge(image, lock) == [
        "NumPy==2.3.0",
        "apache-airflow==3.3.2",
        "lightfm_next==1.19.0 ; python_version < '3.14'",
        "numba==0.68.0",
    ]


def test_two_spellings_of_a_name_are_one_package() -> None:
    assert merge("typing_extensions==4.0\n", "Typing.Extensions==4.1\n") == [
        "typing_extensions==4.0"
    ]


def test_only_empty_values_are_filled_and_never_twice_alike() -> None:
    one, other = fill("A=\nB=kept\n#C=\n"), fill("A=\nB=kept\n#C=\n")
    assert re.fullmatch(r"A=[0-9a-f]{64}\nB=kept\n#C=\n", one)
    assert one != other


def test_an_env_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / ".env"
    target.write_text("mine")
    done = subprocess.run([sys.executable, DOCKER / "make_env.py", target], capture_output=True)
    assert done.returncode == 1
    assert target.read_text() == "mine"


def test_a_new_env_file_is_its_owners_alone(tmp_path: Path) -> None:
    target = tmp_path / ".env"
    subprocess.run([sys.executable, DOCKER / "make_env.py", target], check=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
