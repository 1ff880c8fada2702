"""Who a client acts as: keys, tokens, profiles, roles, a container's role; on a cloud that enforces them."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from cloud import REGION, Cloud, enforced, running_cloud
from tiny_version import DATASET, make_version

from recsys_tasks.artifacts.object_store import ObjectStore, Patience
from recsys_tasks.artifacts.versions import read_manifest
from recsys_tasks.config.connections import Connections, StoreAccess
from recsys_tasks.config.s3_client import forget_credentials, identity_of, s3_client
from recsys_tasks.devstack import doctor
from recsys_tasks.errors import PermanentError, SettingsError
from recsys_tasks.publish.publisher import publish

QUICK = Patience(tries=4, first_pause=0.01)


@pytest.fixture(scope="module")
def account() -> Iterator[Cloud]:
    with running_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(account: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """An account whose machine has no credential of its own; policies are enforced when a test says so."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    forget_credentials()
    account.life = None
    account.used.clear()
    yield account
    forget_credentials()


@pytest.fixture
def name(cloud: Cloud) -> str:
    """An empty bucket, outside us-east-1."""
    name = f"team-{secrets.token_hex(6)}"
    place = {"LocationConstraint": REGION}
    cloud.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
    return name


def reach(access: StoreAccess) -> ObjectStore:
    return ObjectStore(access, QUICK)


def test_a_connection_without_keys_and_endpoint_uses_the_machines_own_role(
    cloud: Cloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = cloud.make_role(f"machine-{name}", name)
    with cloud.container_role(role) as variables, enforced():
        for variable, text in (variables | {"AWS_ENDPOINT_URL": cloud.url}).items():
            monkeypatch.setenv(variable, text)
        store = reach(StoreAccess.of_connection(None, None, {"bucket": name}))
        store.put("a", b"1")
        assert store.get("a") == b"1"
        assert f"assumed-role/machine-{name}" in identity_of(store.access)


def test_without_any_credential_the_error_says_so_and_is_not_retried(
    cloud: Cloud, name: str
) -> None:
    with pytest.raises(PermanentError, match=r"[Uu]nable to locate credentials"):
        reach(StoreAccess(cloud.url, name)).get("a")


def test_the_role_of_a_connection_is_assumed_with_its_keys(cloud: Cloud, name: str) -> None:
    role, keys = cloud.make_role(f"writer-{name}", name), cloud.make_user(f"user-{name}")
    extra = {"endpoint_url": cloud.url, "bucket": name, "region_name": REGION}
    with enforced():
        alone = reach(StoreAccess.of_connection(**keys, extra=extra))
        with pytest.raises(PermanentError, match="403 AccessDenied"):
            alone.put("a", b"1")
        acting = reach(StoreAccess.of_connection(**keys, extra=extra | {"role_arn": role}))
        acting.put("a", b"1")
        assert acting.get("a") == b"1"


def test_the_environment_says_the_same(
    cloud: Cloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, keys = cloud.make_role(f"env-{name}", name), cloud.make_user(f"envuser-{name}")
    environ = {
        "RECSYS_HOME": "/nowhere",
        "RECSYS_S3_BUCKET": name,
        "AWS_ENDPOINT_URL_S3": cloud.url,
        "AWS_ACCESS_KEY_ID": keys["login"],
        "AWS_SECRET_ACCESS_KEY": keys["password"],
        "AWS_ROLE_ARN": role,
    }
    with enforced():
        store = reach(Connections.find(environ).store())
        store.put("a", b"1")
        assert store.get("a") == b"1"
    other = Connections.find(store.access.environment(environ)).store()
    assert other == store.access  # what another process finds


def test_temporary_keys_need_their_token_and_get_it(cloud: Cloud, name: str) -> None:
    made = cloud.assume(cloud.make_role(f"temp-{name}", name))
    extra = {"endpoint_url": cloud.url, "bucket": name}
    keys = (made["AccessKeyId"], made["SecretAccessKey"])
    with enforced():
        whole = StoreAccess.of_connection(
            *keys, extra | {"aws_session_token": made["SessionToken"]}
        )
        reach(whole).put("a", b"1")
        with pytest.raises(PermanentError, match="403"):
            reach(StoreAccess.of_connection(*keys, extra)).put("a", b"1")


def test_a_profile_of_the_configuration_files_is_used(
    cloud: Cloud, name: str, tmp_path: Path
) -> None:
    made = cloud.assume(cloud.make_role(f"profile-{name}", name))
    (tmp_path / "credentials").write_text(
        f"[team]\naws_access_key_id = {made['AccessKeyId']}\n"
        f"aws_secret_access_key = {made['SecretAccessKey']}\n"
        f"aws_session_token = {made['SessionToken']}\n"
    )
    extra = {"endpoint_url": cloud.url, "bucket": name, "profile": "team"}
    with enforced():
        reach(StoreAccess.of_connection(None, None, extra)).put("a", b"1")
    with pytest.raises(SettingsError, match="profile"):
        reach(StoreAccess.of_connection(None, None, extra | {"profile": "nobody"}))


@pytest.mark.parametrize("way", ["role", "machine"])
def test_credentials_that_expire_in_the_middle_of_publish_are_renewed_and_the_version_is_whole(
    cloud: Cloud, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    role, keys = cloud.make_role(f"brief-{name}", name), cloud.make_user(f"brief-user-{name}")
    manifest = make_version(tmp_path)
    cloud.life = 5
    with cloud.container_role(role) as variables, enforced():
        if way == "role":
            access = StoreAccess(cloud.url, name, *keys.values(), role_arn=role)
        else:
            access = StoreAccess(cloud.url, name)
            for variable, text in variables.items():
                monkeypatch.setenv(variable, text)
        store = reach(access)
        publish(store, DATASET, manifest.version, tmp_path, manifest)
        assert read_manifest(store, DATASET, manifest.version) == manifest
        assert len(cloud.used) > 3, "keys, each with five requests"
        for file, facts in manifest.files.items():
            key = f"{DATASET}/versions/{manifest.version}/{file}"
            assert store.holds(key, facts.sha256)


def test_keys_that_expire_and_that_nobody_renews_are_told_at_once(cloud: Cloud, name: str) -> None:
    made = cloud.assume(cloud.make_role(f"static-{name}", name))
    cloud.life = 1
    keys = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    store = reach(StoreAccess(cloud.url, name, *keys))
    with pytest.raises(PermanentError, match="ExpiredToken"):
        store.put("a", b"1")


def test_doctor_names_the_identity_and_what_it_may_not_do(cloud: Cloud, name: str) -> None:
    reader = cloud.make_role(f"reader-{name}", name, "s3:GetObject s3:ListBucket")
    keys = cloud.make_user(f"reader-user-{name}")
    values = {
        "RECSYS_S3_ENDPOINT": cloud.url,
        "RECSYS_S3_BUCKET": name,
        "AWS_ACCESS_KEY_ID": keys["login"],
        "AWS_SECRET_ACCESS_KEY": keys["password"],
        "RECSYS_S3_ROLE_ARN": reader,
    }
    with enforced():
        found = {each.name: each for each in doctor.check_store(Connections(values))}
    assert f"assumed-role/reader-{name}/recsys (assume-role)" in found["S3 identity"].found
    assert found["S3"].state == "warning"
    assert "may list, read," in found["S3"].found
    assert "may not write, delete" in found["S3"].found


class Empty:
    """The body of an answer that has none."""

    def stream(self, **_: object) -> Iterator[bytes]:
        return iter(())


def test_addresses_have_path_style_only_at_an_endpoint_of_ones_own() -> None:
    def address(access: StoreAccess) -> str:
        asked: list[str] = []

        def answer(request: Any, **_: Any) -> AWSResponse:
            asked.append(request.url)
            return AWSResponse(request.url, 204, {}, Empty())

        client = s3_client(access, 1, 1)
        client.meta.events.register("before-send.s3", answer)
        client.delete_object(Bucket="team", Key="a")
        return asked[0]

    aws = StoreAccess("", "team", "key", "secret", region="eu-north-1")
    assert address(aws) == "https://team.s3.eu-north-1.amazonaws.com/a"
    own = StoreAccess("http://store.example:9000", "team", "key", "secret")
    assert address(own) == "http://store.example:9000/team/a"


def test_a_login_without_a_password_and_no_bucket_are_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="login without a password"):
        StoreAccess.of_connection("key", None, {"bucket": "b"})
    with pytest.raises(SettingsError, match="names no bucket"):
        StoreAccess.of_connection("key", "secret", {})
