"""Administrators make and revoke the credentials of their programs; each act is in the audit."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from devices.audit import Action
from devices.credentials import new_ingest_key
from devices.models import ApiToken, IngestKey, Program
from devices.services.access import issue_api_token
from devices.services.audit import record_act
from uxp_diag.roles import TOKEN_SCOPES, Scope
from uxp_diag.viewer import Viewer

MOST_DAYS = 90
_MOST_LABEL = 100


class BadCredential(Exception):
    """What was asked for cannot be made; the text says why."""


def grantable_scopes(viewer: Viewer) -> list[Scope]:
    """What the viewer may put into a token: what they hold themselves, and fetching debug files.

    Nobody gets at more by a token than by their own role.
    """
    may = {scope for scope in TOKEN_SCOPES if viewer.may(scope)} | {Scope.DEBUG_FILES}
    return sorted(may)


@transaction.atomic
def make_api_token(
    viewer: Viewer,
    *,
    program_id: int,
    label: str,
    scopes: Iterable[str],
    days: int,
    now: datetime,
) -> str:
    """A new token, to be shown once. Raises BadCredential, Program.DoesNotExist."""
    program = _program(viewer, program_id)
    wanted = set(scopes)
    if not wanted:
        raise BadCredential("A token needs at least one scope.")
    if not wanted <= {scope.value for scope in grantable_scopes(viewer)}:
        raise BadCredential("You cannot give a scope that you do not have.")
    if not 1 <= days <= MOST_DAYS:
        raise BadCredential(f"A token is good for 1 to {MOST_DAYS} days.")
    token = issue_api_token(
        program, label=_label(label), scopes=wanted, now=now, lifetime=timedelta(days=days)
    )
    _record(viewer, program_id, f"made token {token[:10]}", now)
    return token


@transaction.atomic
def revoke_api_token(viewer: Viewer, token_id: int, *, now: datetime) -> str:
    """End a token at once; its label. Twice is harmless. Raises ApiToken.DoesNotExist."""
    row = ApiToken.objects.select_for_update().get(pk=token_id, program_id__in=viewer.program_ids)
    if row.revoked_at is None:
        ApiToken.objects.filter(pk=row.pk).update(revoked_at=now)
        _record(viewer, row.program_id, f"revoked token {row.prefix}", now)
    return row.label


@transaction.atomic
def make_ingest_key(viewer: Viewer, *, program_id: int, label: str, now: datetime) -> str:
    """A new ingest key. Raises BadCredential, Program.DoesNotExist."""
    program = _program(viewer, program_id)
    row = IngestKey.objects.create(
        program=program, key=new_ingest_key(), label=_label(label), created_at=now
    )
    _record(viewer, program_id, f"made ingest key {row.key[:10]}", now)
    return row.key


@transaction.atomic
def revoke_ingest_key(viewer: Viewer, key_id: int, *, now: datetime) -> str:
    """Let nobody in with a key any more; its label. Raises IngestKey.DoesNotExist."""
    row = IngestKey.objects.select_for_update().get(pk=key_id, program_id__in=viewer.program_ids)
    if row.revoked_at is None:
        IngestKey.objects.filter(pk=row.pk).update(revoked_at=now)
        _record(viewer, row.program_id, f"revoked ingest key {row.key[:10]}", now)
    return row.label


def _program(viewer: Viewer, program_id: int) -> Program:
    return Program.objects.filter(pk__in=viewer.program_ids).get(pk=program_id)


def _label(text: str) -> str:
    label = " ".join(text.split())
    if not label or len(label) > _MOST_LABEL or not label.isprintable():
        raise BadCredential(f"A label has 1 to {_MOST_LABEL} printable characters.")
    return label


def _record(viewer: Viewer, program_id: int, subject: str, now: datetime) -> None:
    record_act(viewer, Action.CREDENTIAL, program_id=program_id, subject=subject, count=1, now=now)
