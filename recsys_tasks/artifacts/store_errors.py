"""What a store's complaint means: each error that boto3 raises as one of ``errors.py``."""

import http.client

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from recsys_tasks.config.connections import StoreAccess
from recsys_tasks.errors import (
    NotFound,
    PermanentError,
    PublishConflict,
    RecsysError,
    StoreUnavailable,
)

BROKEN = (
    *(BotoCoreError, ClientError, Boto3Error),
    *(ResponseParserError, HTTPError, http.client.HTTPException, ConnectionError, TimeoutError),
)
"""What boto3 raises: its own errors, and those that escape it when an answer is cut short or is not XML."""

NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError)
"""Nothing in the access, and nothing in boto's chain."""

ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
"""Codes of a key or a bucket that is not there."""

CONFLICT = {"412", "PreconditionFailed"}
"""Codes of a condition that does not hold."""

_PASSING = {"409", "ConditionalRequestConflict", "OperationAborted", "429", "SlowDown"}
_PASSING |= {"RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"}
_PASSING |= {"NoSuchUpload", "InvalidPart", "InvalidPartOrder"}  # an upload in parts begins anew

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
"""Answers that new credentials mend, where there is somebody to give them."""


class CredentialsExpired(StoreUnavailable):
    """The store says so; new ones are asked for before the next try."""


def code_of(error: ClientError) -> str:
    """The code in a store's answer; empty where it gives none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: Exception, what: str, access: StoreAccess) -> RecsysError:
    """The store's complaint as an error of the project, without any credential in it."""
    if isinstance(error, RecsysError):
        return error
    if isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError):
        error = error.__context__  # what the store said to one part of an upload
    if isinstance(error, NO_CREDENTIALS):
        return PermanentError(f"{what}: {access.place} {' '.join(str(error).split())}")
    if not isinstance(error, ClientError):
        return StoreUnavailable(f"{what}: {access.place} {type(error).__name__}")
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in ABSENT or (status == 404 and code not in _PASSING):
        return NotFound(f"{what} is not in the bucket {access.bucket}")
    if code in CONFLICT:
        return PublishConflict(f"{what}: someone else wrote it first")
    if status >= 500 or status < 300 or code in _PASSING:
        return StoreUnavailable(f"{what}: {access.place} answered {status} {code}")
    if code in _EXPIRED and (access.role_arn or not access.access_key):
        return CredentialsExpired(f"{what}: {access.place} answered {status} {code}")
    return PermanentError(f"{what}: {access.place} refuses, {status} {code}; see credentials")
