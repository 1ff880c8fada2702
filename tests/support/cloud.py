"""An account of AWS as far as moto goes: S3, IAM and STS over HTTP, policies enforced, keys that expire."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

REGION = "eu-central-1"
EXPIRED = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>ExpiredToken</Code>"
    b"<Message>The provided token has expired.</Message></Error>"
)


@dataclass
class Cloud:
    """The account, and how many requests each access key has made.

    Args:
        url: of all services.
        life: requests to S3 after which a temporary key is refused as expired; None: it lives.
    """

    url: str = ""
    life: int | None = None
    used: Counter[str] = field(default_factory=Counter)

    def client(self, service: str, **keys: str) -> Any:
        """A client of one service; without keys, one that may do anything while nothing is enforced."""
        given = keys or {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **given)

    def make_role(self, name: str, bucket: str, actions: str = "s3:*") -> str:
        """A role that anyone may assume and that may do this in a bucket; its ARN."""
        places = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        return self._role(name, {"Action": actions.split(), "Resource": places})

    def make_machine(self, name: str) -> str:
        """A machine's own role, which may assume other roles and nothing else; its ARN."""
        return self._role(name, {"Action": "sts:AssumeRole", "Resource": "*"})

    def _role(self, name: str, allowed: dict[str, Any]) -> str:
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        statement = {"Effect": "Allow", **allowed}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
        return str(role["Arn"])

    def make_user(self, name: str) -> dict[str, str]:
        """Static keys of a user that may assume roles and nothing else."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"login": key["AccessKeyId"], "password": key["SecretAccessKey"]}

    def assume(self, role: str) -> dict[str, str]:
        """Temporary keys of a role, asked for by nobody in particular: the machine's own service."""
        with unenforced():
            made = self.client("sts").assume_role(RoleArn=role, RoleSessionName="machine")
        return {name: str(text) for name, text in made["Credentials"].items()}

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        said = environ.get("HTTP_AUTHORIZATION", "")
        key = re.search(r"Credential=([^/]+)/.*/s3/", said)
        if key:
            self.used[key[1]] += 1
            if self.life and key[1].startswith("ASIA") and self.used[key[1]] > self.life:
                start("400 Bad Request", [("Content-Type", "application/xml")])
                return [EXPIRED]
        return self._app(environ, start)

    def __post_init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)

    @contextmanager
    def container_role(self, role: str) -> Iterator[dict[str, str]]:
        """A container's credentials service, as ECS and EKS have it; the variables that name it."""

        def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            made = self.assume(role)
            start("200 OK", [("Content-Type", "application/json")])
            soon = datetime.now(UTC) + timedelta(hours=1)
            return [
                json.dumps(
                    {
                        "AccessKeyId": made["AccessKeyId"],
                        "SecretAccessKey": made["SecretAccessKey"],
                        "Token": made["SessionToken"],
                        "Expiration": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    }
                ).encode()
            ]

        with serving(answer) as url:
            yield {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/role"}


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """A WSGI application on a port of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """The account, empty; gone afterwards."""
    cloud = Cloud()
    with serving(cloud) as cloud.url:
        yield cloud
        import moto.backends as backends

        for service in ("s3", "iam", "sts"):
            backends.get_backend(service).reset()


@contextmanager
def enforced() -> Iterator[None]:
    """Keys, tokens and policies count."""
    before = settings.INITIAL_NO_AUTH_ACTION_COUNT
    settings.INITIAL_NO_AUTH_ACTION_COUNT, ActionAuthenticatorMixin.request_count = 0, 0
    try:
        yield
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@contextmanager
def unenforced() -> Iterator[None]:
    """Nothing counts, as before ``enforced``."""
    before = settings.INITIAL_NO_AUTH_ACTION_COUNT
    settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    try:
        yield
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT = before
