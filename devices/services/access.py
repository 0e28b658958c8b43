"""Programs, people and credentials."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import Group, User
from django.db import transaction

from devices.credentials import API_PREFIX, hash_token, new_ingest_key, new_token
from devices.models import ApiToken, IngestKey, Membership, Program
from uxp_diag.roles import TOKEN_SCOPES, Role

API_TOKEN_LIFETIME = timedelta(days=90)


class UnknownScope(Exception):
    """An API token cannot hold this scope."""


def get_or_create_program(name: str, *, now: datetime) -> Program:
    """The program of that name, made if it is new."""
    return Program.objects.get_or_create(name=name, defaults={"created_at": now})[0]


def get_or_create_ingest_key(program: Program, *, label: str, now: datetime) -> IngestKey:
    """A usable ingest key of the program with that label, made if there is none."""
    existing = IngestKey.objects.filter(program=program, label=label, revoked_at=None).first()
    if existing is not None:
        return existing
    return IngestKey.objects.create(
        program=program, key=new_ingest_key(), label=label, created_at=now
    )


def issue_api_token(
    program: Program,
    *,
    label: str,
    scopes: Iterable[str],
    now: datetime,
    user: User | None = None,
    lifetime: timedelta = API_TOKEN_LIFETIME,
) -> str:
    """A new API token, to be shown once. Raises UnknownScope."""
    wanted = sorted(set(scopes))
    known = {scope.value for scope in TOKEN_SCOPES}
    for scope in wanted:
        if scope not in known:
            raise UnknownScope(f"{scope} is no scope; known: {', '.join(sorted(known))}")
    token = new_token(API_PREFIX)
    ApiToken.objects.create(
        program=program,
        user=user,
        label=label,
        prefix=token[:10],
        token_hash=hash_token(token),
        scopes=wanted,
        created_at=now,
        expires_at=now + lifetime,
    )
    return token


@transaction.atomic
def ensure_user(username: str, *, role: Role, program: Program, password: str) -> User:
    """A person with this name, role, program and password; made or brought up to date."""
    user, _ = User.objects.get_or_create(username=username)
    user.set_password(password)
    user.save()
    group, _ = Group.objects.get_or_create(name=role.value)
    user.groups.set([group])
    Membership.objects.get_or_create(user=user, program=program)
    return user
