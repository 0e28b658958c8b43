"""Who sends, said in a client's own way.

An ingest key is `uxpi_` and 32 hex digits; clients that want a public key of 32 hex digits (the
user part of a DSN) get the digits alone. Looked at, in this order: `X-Sentry-Auth`, then
`Authorization` as Sentry, Bearer or Basic (either half may be the key), then the query, then what
the body says. The first that looks like a key decides.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from django.http import HttpRequest

from devices.api.remembered import SenderMemory
from devices.credentials import INGEST_PREFIX
from devices.selectors.access import Sender, find_sender_by_ingest_key
from uxp_diag.api.problem import Problem

_KEY = re.compile(rf"(?:{INGEST_PREFIX})?(?P<digits>[0-9a-f]{{32}})")
_PAIR = re.compile(r"\s*(\w+)\s*=\s*([^,\s]*)")
_IN_QUERY = ("sentry_key", "key", "ingest_key")
_MAX_HEADER = 4096

_memory = SenderMemory()


def sender_of(request: HttpRequest, program_id: int, *, in_body: Iterable[str] = ()) -> Sender:
    """The sender behind the request's key. Raises Problem 401, 403 or 503.

    `in_body` are keys that the body names, asked last.
    """
    said = (*_in_headers(request), *_in_query(request), *in_body)
    key = next(filter(None, map(ingest_key_of, said)), None)
    if key is None:
        raise Problem(
            401,
            "not_authenticated",
            "The request names no ingest key.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    sender = _memory.find(key, find_sender_by_ingest_key)
    if sender is None:
        raise Problem(401, "bad_credentials", "This ingest key is unknown or revoked.")
    if sender.program_id != program_id:
        raise Problem(403, "not_allowed", "This ingest key belongs to another program.")
    return sender


def ingest_key_of(text: str) -> str | None:
    """The ingest key that a text is, whole or by its digits; None when it is none."""
    found = _KEY.fullmatch(text.strip())
    return INGEST_PREFIX + found["digits"] if found else None


def key_in_dsn(dsn: object) -> str:
    """The public key of a DSN, `https://KEY@host/PROGRAM`; empty when there is none."""
    try:
        return urlsplit(dsn).username or "" if isinstance(dsn, str) else ""
    except ValueError:
        return ""


def sentry_auth(request: HttpRequest) -> dict[str, str]:
    """The pairs of `X-Sentry-Auth`, or of `Authorization` in the same form."""
    for name in ("X-Sentry-Auth", "Authorization"):
        scheme, _, pairs = request.headers.get(name, "")[:_MAX_HEADER].partition(" ")
        if scheme.lower() == "sentry":
            return dict(_PAIR.findall(pairs))
    return {}


def _in_headers(request: HttpRequest) -> Iterator[str]:
    yield sentry_auth(request).get("sentry_key", "")
    scheme, _, value = request.headers.get("Authorization", "")[:_MAX_HEADER].partition(" ")
    if scheme.lower() == "bearer":
        yield value
    elif scheme.lower() == "basic":
        user, _, password = _decoded(value).partition(":")
        yield from (password, user)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _in_query(request: HttpRequest) -> Iterator[str]:
    for name in _IN_QUERY:
        yield request.GET.get(name, "")
