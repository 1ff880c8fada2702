"""Takes secrets out of what is shown: the one function for logs, errors, reports, notes and alerts."""

import re
from collections.abc import Mapping
from typing import Any

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)([^\s'\"<>]*)")
_QUERY = re.compile(r"\?[^\s'\"<>?]*=[^\s'\"<>]*")
_NAMED = re.compile(
    r"(?i)\b(x-amz-[a-z-]+|signature|sig|awsaccesskeyid|access_?token|token|password|api_?key)=[^\s&'\"<>]+"
)
_LOGIN = re.compile(r"[^\s/'\"@:=]+:(?!//)[^\s'\"@]+@(?=[^\s@])")


def redacted(text: str) -> str:
    """The text, each address in it without login, query and fragment.

    ``https://me:secret@host/a.csv?X-Amz-Signature=1`` becomes ``https://host/a.csv``; what stands like
    ``token=secret`` or ``me:secret@host`` outside an address loses the secret, too.
    """
    shown = _ADDRESS.sub(lambda found: found[1] + _place(found[2]), text)
    shown = _QUERY.sub("", shown)
    return _NAMED.sub(r"\1=***", _LOGIN.sub("", shown))


def redacted_tree(value: Any) -> Any:
    """A document of mappings, lists and texts with every text in it redacted."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_tree(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_tree(inner) for inner in value]
    return value


def _place(rest: str) -> str:
    """Host and path of what follows ``scheme://``."""
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    port = "" if host.startswith("[") else host.partition(":")[2]
    if "@" not in host and port and not port.isdigit() and "@" in rest:
        rest = rest.rpartition("@")[2]  # what looked like a port was a password with a sign in it
    else:
        rest = host.rpartition("@")[2] + rest[len(host) :]
    return re.split(r"[?#]", rest, maxsplit=1)[0]
