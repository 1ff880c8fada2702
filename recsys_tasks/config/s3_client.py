"""The one way to make a client of an S3 store: credentials, region, endpoint and style of address.

Credentials are those of the access, or boto's default chain finds them: environment, profile, a
container's or an instance's role, a web identity. A role is assumed with them and assumed again before
its credentials expire. What is given in the access wins over the environment.
"""

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import PermanentError, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
"""Where nothing names one; stores of one's own expect it in a signature."""

SESSION_NAME = "recsys"
"""Under which an assumed role shows in the account's trail."""

_MAKING_CLIENT = threading.RLock()  # a session is not safe to share while it makes a client


def s3_client(
    access: StoreAccess, connect_timeout: float, read_timeout: float, tries: int = 1
) -> "S3Client":
    """A client for AWS or any S3-compatible server, old ones included: no checksum trailers.

    Args:
        access: endpoint, credentials, role and region; addresses have path style where it names an endpoint.
        connect_timeout: in seconds.
        read_timeout: in seconds.
        tries: of a request, by boto itself.

    Raises:
        SettingsError: there is no such profile, or a setting that boto does not understand.
    """
    style: dict[str, Any] = {"s3": {"addressing_style": "path"}} if access.endpoint else {}
    config = Config(
        signature_version="s3v4",
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"total_max_attempts": tries, "mode": "standard"},
        request_checksum_calculation="when_required",
        **style,
    )
    with _MAKING_CLIENT:
        try:
            session = _session(access.profile)
            return _boto3(_with_role(access)).client(
                "s3",
                endpoint_url=access.endpoint or None,
                region_name=_region(access, session),
                config=config,
                **_static(access),
            )
        except (BotoCoreError, ValueError) as error:
            raise SettingsError(f"the object store's settings: {error}") from None


def forget_credentials() -> None:
    """Has the next client look for credentials anew: those in use are refused as expired."""
    with _MAKING_CLIENT:
        _session.cache_clear()
        _role.cache_clear()
        _boto3.cache_clear()


def identity_of(access: StoreAccess) -> str:
    """Who a client acts as: the ARN where a token service answers, else the access key; and how it was found.

    Raises:
        PermanentError: there are no credentials, or the role is refused.
        SettingsError: as ``s3_client``.
    """
    try:
        session = _with_role(access)
        found = session.get_credentials()
        if _static(access):
            key, method = access.access_key, "given keys"
        elif found is None:
            raise PermanentError("no credentials are found: none given, and none in boto's chain")
        else:
            key, method = str(found.get_frozen_credentials().access_key), str(found.method)
    except (BotoCoreError, ClientError) as error:
        raise PermanentError(f"credentials: {error}") from None
    return f"{_arn(access, session) or f'access key {key[:4]}…'} ({method})"


def _arn(access: StoreAccess, session: botocore.session.Session) -> str:
    """The caller's ARN; empty where no token service says it."""
    try:
        client: Any = session.create_client(
            "sts",
            **_token_service(access),
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
            **_static(access),
        )
        return str(client.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError, KeyError):
        return ""


@cache
def _session(profile: str) -> botocore.session.Session:
    """One for all clients of a profile."""
    return _new_session(profile)


def _new_session(profile: str) -> botocore.session.Session:
    session = botocore.session.Session(profile=profile or None)
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> botocore.loaders.Loader:
    """Holds the description of S3, which takes far longer to read than to use."""
    return botocore.loaders.create_loader()


def _with_role(access: StoreAccess) -> botocore.session.Session:
    return _role(access) if access.role_arn else _session(access.profile)


@cache
def _boto3(session: botocore.session.Session) -> boto3.session.Session:
    """What adds uploads in parts to a client."""
    return boto3.session.Session(botocore_session=session)


@cache
def _role(access: StoreAccess) -> botocore.session.Session:
    """A session whose credentials are a role's, fetched when first needed and renewed by botocore."""
    source = _session(access.profile)
    session = _new_session(access.profile)
    session.register_component("credential_provider", CredentialResolver([_Role(source, access)]))
    return session


class _Role(CredentialProvider):
    """What botocore asks for a role's credentials."""

    METHOD = "assume-role"
    CANONICAL_NAME = None

    def __init__(self, source: botocore.session.Session, access: StoreAccess) -> None:
        self._source, self._access = source, access

    def load(self) -> DeferredRefreshableCredentials:
        """Credentials that are fetched on first use."""
        extra = {"RoleSessionName": SESSION_NAME}
        if self._access.external_id:
            extra["ExternalId"] = self._access.external_id
        fetcher = AssumeRoleCredentialFetcher(
            self._client,
            self._credentials(),
            self._access.role_arn,
            extra_args=extra,
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    def _client(self, service: str, **keys: Any) -> Any:
        return self._source.create_client(service, **keys, **_token_service(self._access))

    def _credentials(self) -> Any:
        if self._access.access_key:
            static = self._access
            return Credentials(static.access_key, static.secret_key, static.session_token or None)
        found = self._source.get_credentials()
        if found is None:
            raise NoCredentialsError
        return found


def _static(access: StoreAccess) -> dict[str, Any]:
    """The access's own credentials; empty: those of the session, which a role's session has."""
    if access.role_arn or not access.access_key:
        return {}
    return {
        "aws_access_key_id": access.access_key,
        "aws_secret_access_key": access.secret_key,
        "aws_session_token": access.session_token or None,
    }


def _region(access: StoreAccess, session: botocore.session.Session) -> str:
    """boto reads AWS_DEFAULT_REGION and the profile; AWS's own runtimes set AWS_REGION."""
    configured = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return access.region or str(configured or REGION)


def _token_service(access: StoreAccess) -> dict[str, Any]:
    """Endpoint and region of STS: a store of one's own has its token service at the same address.

    ``AWS_ENDPOINT_URL_STS`` names another one; a private endpoint of AWS's S3 answers for S3 alone.
    """
    host = urlsplit(access.endpoint).hostname or ""
    own = bool(host) and not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    named = any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"))
    endpoint = access.endpoint if own and not named else None
    return {"region_name": _region(access, _session(access.profile)), "endpoint_url": endpoint}
