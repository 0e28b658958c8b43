"""Who is behind a credential."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from devices.credentials import hash_token
from devices.models import (
    ApiToken,
    ConsentEntry,
    Device,
    ErasedToken,
    IngestKey,
    Membership,
    Program,
)
from uxp_diag.db import fetch_first
from uxp_diag.roles import ROLE_SCOPES, Scope, scopes_of
from uxp_diag.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends an upload: an enrolled phone, or only a program when there is no enrollment.

    `device_id` is None for clients that know no enrollment; they are tied to no person. The
    consent flags are the phone's at the moment of the look-up; storing looks again.
    """

    program_id: int
    device_id: uuid.UUID | None = None
    model: str = ""
    allows_development: bool = True
    has_withdrawn: bool = False
    allows_personalisation: bool = False


def find_sender_by_ingest_key(key: str) -> Sender | None:
    """The sender behind an ingest key, or None when the key is unknown or revoked."""
    found = IngestKey.objects.filter(key=key, revoked_at=None).values_list("program_id").first()
    return None if found is None else Sender(program_id=found[0])


@dataclass(frozen=True, slots=True)
class Member:
    """A person who works on a program."""

    user_id: int
    name: str


_SENDER_QUERY = """
    SELECT device.id, device.program_id, device.model,
           device.allows_development, device.allows_personalisation
    FROM devices_devicetoken AS token JOIN devices_device AS device ON device.id = token.device_id
    WHERE token.token_hash = %s AND token.revoked_at IS NULL
"""
_SENDER_FIELDS = [
    Device._meta.get_field(name)
    for name in ("id", "program_id", "model", "allows_development", "allows_personalisation")
]


def find_sender_by_device_token(token: str) -> Sender | None:
    """The phone behind a device token, or None when the token is unknown or revoked."""
    row = fetch_first(_SENDER_QUERY, [hash_token(token)], _SENDER_FIELDS)
    if row is None:
        return None
    device_id, program_id, model, allows, personalises = row
    return Sender(
        program_id=program_id,
        device_id=device_id,
        model=model,
        allows_development=allows,
        has_withdrawn=not allows and not personalises and _has_spoken(device_id),
        allows_personalisation=personalises,
    )


def is_erased_token(token: str) -> bool:
    """Whether the token's phone was erased, so that what it still sends is to be refused."""
    return ErasedToken.objects.filter(token_hash=hash_token(token)).exists()


def _has_spoken(device_id: uuid.UUID) -> bool:
    """Whether the owner ever said anything; then an empty set of purposes is a withdrawal."""
    return ConsentEntry.objects.filter(device_id=device_id).exists()


def find_viewer_by_api_token(token: str, *, now: datetime) -> Viewer | None:
    """The viewer behind an API token, or None when it is unknown, revoked or expired."""
    found = (
        ApiToken.objects.filter(token_hash=hash_token(token), revoked_at=None, expires_at__gt=now)
        .exclude(user__is_active=False)
        .select_related("user")
        .first()
    )
    if found is None:
        return None
    return Viewer(
        name=found.label,
        scopes=frozenset(Scope(scope) for scope in found.scopes),
        program_ids=frozenset({found.program_id}),
        user_id=found.user_id,
    )


def viewer_of(user: User) -> Viewer:
    """What a signed-in person may do and see."""
    roles = frozenset(user.groups.values_list("name", flat=True))
    programs = Membership.objects.filter(user=user).values_list("program_id", flat=True)
    return Viewer(
        name=user.get_username(),
        scopes=scopes_of(roles),
        program_ids=frozenset(programs),
        user_id=user.pk,
    )


def list_members(program_id: int) -> list[Member]:
    """The people of a program who may read its reports, by name."""
    return _people_with(Scope.READ, program_id)


def list_partners(program_id: int) -> list[Member]:
    """The developers of apps who have an account in a program, by name."""
    return _people_with(Scope.PARTNER, program_id)


def _people_with(scope: Scope, program_id: int) -> list[Member]:
    readers = {role.value for role, scopes in ROLE_SCOPES.items() if scope in scopes}
    people = Membership.objects.filter(program_id=program_id, user__is_active=True)
    people = people.filter(user__groups__name__in=readers)
    rows = people.order_by("user__username").values_list("user_id", "user__username").distinct()
    return [Member(user_id, name) for user_id, name in rows]


def list_programs(*, viewer: Viewer) -> list[Program]:
    """The programs that the viewer works on."""
    return list(Program.objects.filter(pk__in=viewer.program_ids).order_by("pk"))
