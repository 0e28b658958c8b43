"""Settings: what each role sees, and credentials that administrators make and revoke."""

import re

import pytest
from django.utils import timezone

from crashes.models import SharedPackage
from devices.models import ApiToken, AuditEntry, IngestKey
from devices.selectors.access import find_sender_by_ingest_key, find_viewer_by_api_token
from devices.services.access import get_or_create_ingest_key
from tests.factories import NOW, make_api_token, make_program, make_user
from tests.integration.pages.reading import client_for, text_of
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db
PAGE = "/settings/"


@pytest.fixture
def admin(program):
    return client_for(Role.ADMIN, program)


def form(program, **more):
    return {"program": program.pk, "label": "CI of apps", "days": 30, "scope": ["symbols"]} | more


@pytest.mark.parametrize("role", list(Role))
def test_each_role_sees_what_it_may(program, role):
    make_api_token(program, Scope.READ)
    partner = make_user(Role.DEVELOPER_PARTNER, programs=[program], username="partner")
    SharedPackage.objects.create(
        program_id=program.pk, package="com.example.game", user=partner, granted_at=NOW
    )
    make_user(Role.TRIAGER, programs=[make_program()], username="somebody-elsewhere")
    is_staff, is_admin = role is not Role.DEVELOPER_PARTNER, role is Role.ADMIN

    response = client_for(role, program).get(PAGE)
    text, html = text_of(response), response.content.decode()

    assert response.status_code == (200 if is_staff else 403)
    assert ("com.example.game" in text) == is_staff
    assert ("twelve months" in text) == is_staff
    assert ("with manage.py make_user" in text) == is_staff
    assert "somebody-elsewhere" not in text
    assert ("uxpa_" in text) == is_admin
    assert ("Make a token" in text) == is_admin
    may_group = role in {Role.TRIAGER, Role.RELEASE_MANAGER, Role.ADMIN}
    assert ('href="/settings/grouping/"' in html) == may_group


def test_a_token_is_shown_once_and_ends_when_it_is_revoked(program, admin):
    shown = admin.post(f"{PAGE}tokens/make/", form(program))
    (token,) = re.findall(r"uxpa_[\w-]{30,}", shown.content.decode())
    again = admin.get(PAGE).content.decode()
    row = ApiToken.objects.get()
    viewer = find_viewer_by_api_token(token, now=timezone.now())

    assert viewer is not None
    assert viewer.scopes == {Scope.SYMBOLS}
    assert viewer.program_ids == {program.pk}
    assert token not in again
    assert row.prefix in again
    assert 29 <= (row.expires_at - timezone.now()).days <= 30

    for _ in range(2):
        admin.post(f"{PAGE}tokens/{row.pk}/revoke/")
    assert find_viewer_by_api_token(token, now=timezone.now()) is None
    looks = AuditEntry.objects.order_by("number").values_list("action", "subject")
    assert list(looks) == [
        ("credential", f"made token {row.prefix}"),
        ("credential", f"revoked token {row.prefix}"),
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"scope": []}, "at least one scope"),
        ({"scope": ["privacy"]}, "a scope that you do not have"),
        ({"scope": ["raw_payload"]}, "a scope that you do not have"),
        ({"days": 91}, "1 to 90 days"),
        ({"days": "x"}, "field of the form"),
        ({"label": " "}, "label"),
        ({"label": "a\u202eb"}, "label"),
    ],
)
def test_a_token_that_must_not_be_is_not_made(program, admin, more, says):
    response = admin.post(f"{PAGE}tokens/make/", form(program, **more))

    assert response.status_code == 422
    assert says in text_of(response)
    assert not ApiToken.objects.exists()


def test_an_ingest_key_is_made_and_revoked(program, admin):
    admin.post(f"{PAGE}keys/make/", {"program": program.pk, "label": "firmware"})
    row = IngestKey.objects.get()

    assert row.key in admin.get(PAGE).content.decode()
    sender = find_sender_by_ingest_key(row.key)
    assert sender is not None
    assert sender.program_id == program.pk
    admin.post(f"{PAGE}keys/{row.pk}/revoke/")
    assert find_sender_by_ingest_key(row.key) is None
    assert [entry.subject for entry in AuditEntry.objects.order_by("number")] == [
        f"made ingest key {row.key[:10]}",
        f"revoked ingest key {row.key[:10]}",
    ]


def test_credentials_of_other_programs_are_not_there(program, admin):
    other = make_program()
    make_api_token(other, Scope.READ)
    key = get_or_create_ingest_key(other, label="theirs", now=NOW)
    token = ApiToken.objects.get()

    answers = [
        admin.post(f"{PAGE}tokens/{token.pk}/revoke/"),
        admin.post(f"{PAGE}keys/{key.pk}/revoke/"),
        admin.post(f"{PAGE}tokens/make/", form(other)),
        admin.post(f"{PAGE}keys/make/", {"program": other.pk, "label": "mine now"}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert key.key not in admin.get(PAGE).content.decode()
    assert ApiToken.objects.filter(revoked_at=None).count() == 1
    assert IngestKey.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_administrators_make_and_revoke(program, role):
    make_api_token(program, Scope.READ)
    key = get_or_create_ingest_key(program, label="ours", now=NOW)
    client = client_for(role, program)

    for path in (
        "tokens/make/",
        "keys/make/",
        f"tokens/{ApiToken.objects.get().pk}/revoke/",
        f"keys/{key.pk}/revoke/",
    ):
        assert client.post(f"{PAGE}{path}", form(program)).status_code == 403
    assert ApiToken.objects.get().revoked_at is None
    assert IngestKey.objects.get().revoked_at is None
