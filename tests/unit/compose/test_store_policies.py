"""What the publisher and the consumer may do, asked of an S3 server that evaluates IAM policies."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

POLICIES = Path(__file__).parents[3] / "docker" / "store"
REGION = "us-east-1"
KEYS = (
    "movielens/runs/v1/train.npz",
    "movielens/versions/v1/items.ann",
    "movielens/channels/champion.json",
)
REMOVABLE = (
    *KEYS[:2],
    "movielens/versions/v1/manifest.json",
    "movielens/batch/v1/k10-jsonl/manifest.json",
    "airflow-logs/dag_id=recsys_train/x.log/host",
)
KEPT = (KEYS[2], "movielens/channels/history/1.json", "a/versions/channels/x/channels/y")


@pytest.fixture
def client_of() -> Iterator[Callable[[str], Any]]:
    """A client for the user of a policy, on a bucket that holds one object of each kind."""
    with mock_aws():
        root = boto3.client("s3", region_name=REGION)
        root.create_bucket(Bucket="recsys")
        for key in KEYS:
            root.put_object(Bucket="recsys", Key=key, Body=b"x")
        clients = {name: make_client(name) for name in ("publisher", "consumer")}
        yield clients.__getitem__


def make_client(name: str) -> Any:
    iam = boto3.client("iam", region_name=REGION)
    iam.create_user(UserName=name)
    document = (POLICIES / f"{name}.json").read_text(encoding="utf-8")
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "s3",
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


@set_initial_no_auth_action_count(0)
def may(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether the store lets it happen; policies are enforced while this runs, and only then."""
    try:
        call(Bucket="recsys", **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_the_publisher_writes_anywhere_in_the_bucket(client_of: Callable[[str], Any]) -> None:
    s3 = client_of("publisher")
    assert all(may(s3.put_object, Key=key, Body=b"new") for key in KEYS)
    assert all(may(s3.get_object, Key=key) for key in KEYS)
    assert may(s3.list_objects_v2)


def test_the_publisher_removes_what_retention_lets_go_and_no_pointer(
    client_of: Callable[[str], Any],
) -> None:
    s3 = client_of("publisher")
    assert all(may(s3.delete_object, Key=key) for key in REMOVABLE)
    assert not any(may(s3.delete_object, Key=key) for key in KEPT)


def test_the_consumer_reads_what_is_published_and_no_runs_files(
    client_of: Callable[[str], Any],
) -> None:
    s3 = client_of("consumer")
    assert [may(s3.get_object, Key=key) for key in KEYS] == [False, True, True]
    assert may(s3.list_objects_v2)


def test_the_consumer_changes_nothing(client_of: Callable[[str], Any]) -> None:
    s3 = client_of("consumer")
    assert not any(may(s3.put_object, Key=key, Body=b"new") for key in KEYS)
    assert not any(may(s3.delete_object, Key=key) for key in KEYS)


@pytest.mark.parametrize("name", ["publisher", "consumer"])
def test_a_policy_speaks_of_the_one_bucket_only(name: str) -> None:
    policy = json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8"))
    resources = [resource for rule in policy["Statement"] for resource in rule["Resource"]]
    assert {resource.split("/")[0] for resource in resources} == {"arn:aws:s3:::recsys"}
