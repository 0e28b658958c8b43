"""The credentials of the API: ingest key, device token, API token, session.

`request.auth` is a `Sender` behind upload endpoints and a `Viewer` behind staff endpoints.
"""

import base64
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import QueryDict
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from devices.api.remembered import SenderMemory
from devices.credentials import API_PREFIX, DEVICE_PREFIX, INGEST_PREFIX
from devices.selectors.access import (
    Sender,
    find_sender_by_device_token,
    find_sender_by_ingest_key,
    find_viewer_by_api_token,
    is_erased_token,
    viewer_of,
)
from uxp_diag.api.problem import Problem
from uxp_diag.viewer import Viewer

_MAX_HEADER = 4096

_memory = SenderMemory()


def bearer(request: Request, prefix: str) -> str | None:
    """The bearer credential if it is of the kind that the prefix says."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() != "bearer" or not value.startswith(prefix):
        return None
    return value


def basic_password(request: Request) -> str | None:
    """The password of a Basic credential (RFC 7617), which is an API token; None for none."""
    scheme, _, value = request.headers.get("Authorization", "")[:_MAX_HEADER].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return password


def viewer_behind(token: str) -> tuple[AnonymousUser, Viewer]:
    """The viewer of an API token. Raises AuthenticationFailed."""
    viewer = find_viewer_by_api_token(token, now=timezone.now())
    if viewer is None:
        raise AuthenticationFailed("This API token is unknown, revoked or expired.")
    return AnonymousUser(), viewer


class IngestKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer uxpi_…`: a program's public key."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Sender] | None:
        """The program behind the key."""
        key = bearer(request, INGEST_PREFIX)
        if key is None:
            return None
        sender = _memory.find(key, find_sender_by_ingest_key)
        if sender is None:
            raise AuthenticationFailed("This ingest key is unknown or revoked.")
        return AnonymousUser(), sender

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        del request
        return "Bearer"


class DeviceTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer uxpd_…`: an enrolled phone."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Sender] | None:
        """The phone behind the token."""
        token = bearer(request, DEVICE_PREFIX)
        if token is None:
            return None
        sender = _memory.find(token, find_sender_by_device_token)
        if sender is None:
            if is_erased_token(token):
                raise Problem(
                    403, "device_erased", "The data of this phone was erased; enroll again."
                )
            raise AuthenticationFailed("This device token is unknown or revoked; enroll again.")
        return AnonymousUser(), sender

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        del request
        return "Bearer"


class ApiTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer uxpa_…`: a staff or CI token."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Viewer] | None:
        """The viewer behind the token."""
        token = bearer(request, API_PREFIX)
        return None if token is None else viewer_behind(token)

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        del request
        return "Bearer"


class TokenAsPasswordAuthentication(ApiTokenAuthentication):
    """An API token as a bearer, or as the password of `https://any:uxpa_…@host/`.

    For programs that know no bearer but understand an address with a password in it.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Viewer] | None:
        """The viewer behind the token."""
        password = basic_password(request)
        return super().authenticate(request) if password is None else viewer_behind(password)

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        del request
        return 'Basic realm="uxp_diag", charset="UTF-8"'


class SessionAuthentication(DjangoSessionAuthentication):
    """The pages' session cookie, with CSRF: its token comes in the header `X-CSRFToken`."""

    def authenticate(self, request: Request) -> tuple[User, Viewer] | None:
        """The viewer behind the session."""
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        return user, viewer_of(user)

    def enforce_csrf(self, request: Request) -> None:
        """Check the token without looking for it in the body, which may be a large upload."""
        plain: Any = request._request
        plain.__dict__ |= {"_post": QueryDict(), "_files": MultiValueDict()}  # as if it were read
        super().enforce_csrf(plain)


class _BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        del auto_schema
        return {"type": "http", "scheme": "bearer", "description": str(self.target.__doc__)}


class IngestKeyScheme(_BearerScheme):  # type: ignore[no-untyped-call]
    """How the schema names ingest keys."""

    target_class = IngestKeyAuthentication
    name = "ingestKey"


class DeviceTokenScheme(_BearerScheme):  # type: ignore[no-untyped-call]
    """How the schema names device tokens."""

    target_class = DeviceTokenAuthentication
    name = "deviceToken"


class ApiTokenScheme(_BearerScheme):  # type: ignore[no-untyped-call]
    """How the schema names API tokens."""

    target_class = ApiTokenAuthentication
    name = "apiToken"


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema names sessions."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A cookie."""
        del auto_schema
        return {"type": "apiKey", "in": "cookie", "name": "uxp_session"}


STAFF: list[type[BaseAuthentication]] = [ApiTokenAuthentication, SessionAuthentication]
SENDERS: list[type[BaseAuthentication]] = [DeviceTokenAuthentication, IngestKeyAuthentication]
