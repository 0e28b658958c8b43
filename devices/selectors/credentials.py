"""Who and what may reach the programs of a viewer: API tokens, ingest keys, people."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from devices.models import ApiToken, IngestKey, Membership
from uxp_diag.roles import Role, Scope
from uxp_diag.viewer import Viewer

MOST = 500


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One API token. `state` is valid, expired or revoked; `used_at` None: not known to be used."""

    id: int
    program: str
    label: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    state: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One ingest key. It is public: it ships in firmware and apps."""

    id: int
    program: str
    label: str
    key: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works on a program, with all their roles."""

    name: str
    programs: tuple[str, ...]
    roles: tuple[str, ...]


def list_api_tokens(*, viewer: Viewer, now: datetime) -> list[TokenRow]:
    """The tokens of the viewer's programs, newest first. Raises PermissionDenied."""
    _check(viewer)
    rows = ApiToken.objects.filter(program_id__in=viewer.program_ids).select_related("program")
    return [
        TokenRow(
            row.pk, row.program.name, row.label, row.prefix, tuple(row.scopes),
            row.created_at, row.expires_at, row.last_used_at, _state(row, now),
        )
        for row in rows.order_by("-created_at", "-pk")[:MOST]
    ]  # fmt: skip


def list_ingest_keys(*, viewer: Viewer) -> list[KeyRow]:
    """The ingest keys of the viewer's programs, newest first. Raises PermissionDenied."""
    _check(viewer)
    rows = IngestKey.objects.filter(program_id__in=viewer.program_ids).select_related("program")
    return [
        KeyRow(row.pk, row.program.name, row.label, row.key, row.created_at, row.revoked_at)
        for row in rows.order_by("-created_at", "-pk")[:MOST]
    ]


def list_people(*, viewer: Viewer) -> list[Person]:
    """The people of the viewer's programs who may sign in, by name."""
    rows = Membership.objects.filter(program_id__in=viewer.program_ids, user__is_active=True)
    programs: dict[str, list[str]] = {}
    pairs = rows.order_by("user__username", "program__name")
    for name, program in pairs.values_list("user__username", "program__name")[:MOST]:
        programs.setdefault(name, []).append(program)
    roles: dict[str, list[str]] = {}
    held = User.objects.filter(username__in=programs, groups__name__in=list(Role))
    for name, role in held.order_by("groups__name").values_list("username", "groups__name"):
        roles.setdefault(name, []).append(role)
    return [
        Person(name, tuple(found), tuple(roles.get(name, ()))) for name, found in programs.items()
    ]


def _check(viewer: Viewer) -> None:
    if not viewer.may(Scope.ADMIN):
        raise PermissionDenied("Your role does not let you administer the platform.")


def _state(row: ApiToken, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "valid" if row.expires_at > now else "expired"
