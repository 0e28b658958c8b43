"""Who looks at a report is written down first, and nobody can change it unseen."""

import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from devices.audit import Action
from devices.models import AuditEntry, Device
from devices.selectors.audit import audit_head, verify_audit
from devices.services.audit import KEPT, forget_old_looks, record_command, record_look
from tests.factories import (
    make_api_token,
    make_attachment,
    make_done_report,
    make_issue,
    make_program,
    make_user,
    make_viewer,
)
from uxp_diag.append_only import make_append_only, make_changeable
from uxp_diag.roles import Role, Scope

pytestmark = pytest.mark.django_db
TABLE = "devices_auditentry"


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def triager(client, program):
    client.force_login(make_user(Role.TRIAGER, programs=[program], username="looker"))
    return client


@pytest.fixture
def report(program):
    return make_done_report(make_issue(program))


def look(program, *, at=None, subject=None):
    """One entry."""
    record_look(
        make_viewer(program),
        Action.REPORT,
        program_id=program.pk,
        subject=subject or uuid.uuid4(),
        fields=("crash",),
        now=at or timezone.now(),
    )


def behind_django(statements):
    """Somebody who owns the database does this, the triggers away."""
    make_changeable(connection, TABLE)
    with connection.cursor() as cursor:
        for statement in statements.split(";"):
            cursor.execute(statement)
    make_append_only(connection, TABLE, moment="at", days=730)


# Looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "action", "fields"),
    [
        ("/reports/{}/", "report", ["envelope", "crash", "grouping"]),
        ("/api/v1/reports/{}/", "report", ["crash", "grouping"]),
        ("/reports/{}/raw/", "raw_payload", ["raw"]),
        ("/reports/{}/raw/file/", "raw_payload", ["raw"]),
        ("/api/v1/reports/{}/raw/", "raw_payload", ["raw"]),
    ],
)
def test_each_look_at_a_report_is_written_down(triager, report, path, action, fields):
    answer = triager.get(path.format(report.report_id))
    list(answer)  # to its end, so that the file is closed

    assert answer.status_code == 200
    entry = AuditEntry.objects.get()
    assert (entry.by_name, entry.action, entry.fields) == ("looker", action, fields)
    assert (entry.subject, entry.count) == (str(report.report_id), 1)
    assert (entry.program_id, entry.by_user_id is not None) == (report.program_id, True)
    assert str(report.device_id) not in str(AuditEntry.objects.values())


def test_a_download_of_a_file_is_written_down(triager, report):
    file = make_attachment(report, content=b"words")

    answer = triager.get(f"/reports/{report.report_id}/attachments/{file.sha256}/file/")
    list(answer)  # to its end, so that the file is closed

    assert answer.status_code == 200
    assert list(AuditEntry.objects.values_list("action", "fields")) == [
        ("attachment", [file.sha256])
    ]


def test_a_token_is_named_and_who_sees_nothing_is_not_written_down(client, program, report):
    token = make_api_token(program, Scope.READ)
    other = make_api_token(make_program(), Scope.READ)
    path = f"/api/v1/reports/{report.report_id}/"

    statuses = [
        client.get(path, headers={"Authorization": f"Bearer {it}"}).status_code
        for it in (token, other)
    ]

    assert statuses == [200, 404]
    assert AuditEntry.objects.get().by_name


def test_nothing_is_shown_that_cannot_be_written_down(triager, report, monkeypatch):
    def refuse(*args, **fields):
        raise DatabaseError("no room")

    monkeypatch.setattr("devices.services.audit.AuditEntry.save", refuse)
    triager.raise_request_exception = False

    answer = triager.get(f"/reports/{report.report_id}/")

    assert answer.status_code >= 500
    assert report.process not in answer.content.decode()


def test_a_look_costs_few_statements(program, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        look(program)


def test_an_erasure_on_the_command_line_is_written_down(send, device_token, capsys):
    call_command("erase_device", str(Device.objects.get().pk))
    receipt = json.loads(capsys.readouterr().out)

    entry = AuditEntry.objects.get()

    assert (entry.action, entry.subject) == ("erasure", receipt["receipt"]["request_id"])
    assert entry.by_name == "command line"


# The chain ------------------------------------------------------------------------------------


def test_the_database_refuses_changes_and_deletes(program):
    look(program)

    for statement in (
        "UPDATE devices_auditentry SET by_name = 'somebody else'",
        "UPDATE devices_auditentry SET at = '2001-01-01'",
        "DELETE FROM devices_auditentry",
    ):
        with (
            pytest.raises(DatabaseError, match="only grows"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry.objects.all().delete()
    assert verify_audit().entries == 1


def test_a_whole_chain_is_valid_and_tells_its_head(program, capsys):
    for _ in range(5):
        look(program)

    call_command("verify_audit")
    told = json.loads(capsys.readouterr().out)
    call_command("verify_audit", only_head=True)
    head = json.loads(capsys.readouterr().out)["head"]
    look(program)
    call_command("verify_audit", head=head)

    assert told["valid"]
    assert (told["entries"], told["head"]) == (5, head)
    assert json.loads(capsys.readouterr().out)["entries"] == 6


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE devices_auditentry SET by_name = 'other' WHERE number = 3", 3),
        ("UPDATE devices_auditentry SET subject = '' WHERE number = 1", 1),
        ("UPDATE devices_auditentry SET count = 0 WHERE number = 5", 5),
        ("UPDATE devices_auditentry SET at = '2020-01-01 00:00:00+00:00' WHERE number = 2", 2),
        ("DELETE FROM devices_auditentry WHERE number = 3", 4),
        ("DELETE FROM devices_auditentry WHERE number <= 2", 3),
        ("DELETE FROM devices_auditentry WHERE number = 5", 5),
        ("UPDATE devices_auditentry SET number = 9 WHERE number = 5", 9),
        (
            "UPDATE devices_auditentry SET number = 14 WHERE number = 3;"
            "UPDATE devices_auditentry SET number = 3 WHERE number = 4;"
            "UPDATE devices_auditentry SET number = 4 WHERE number = 14",
            3,
        ),
        (
            "INSERT INTO devices_auditentry SELECT 6, at, program_id, by_name, by_user_id, action, subject,"
            " fields, count, hash, 'abcd' FROM devices_auditentry WHERE number = 5",
            6,
        ),
    ],
)
def test_the_first_bad_entry_is_named(program, statement, bad):
    for _ in range(5):
        look(program)
    number, known = audit_head()
    behind_django(statement)

    assert verify_audit(head=(number, known)).bad_number == bad
    with pytest.raises(CommandError, match=f"Audit entry {bad} is bad"):
        call_command("verify_audit", head=f"{number}:{known}")


def test_a_chain_that_was_made_anew_does_not_have_the_head_that_was_told(program):
    for _ in range(3):
        look(program)
    number, known = audit_head()
    behind_django("DELETE FROM devices_auditentry")
    for _ in range(3):
        look(program)

    assert verify_audit().bad_number is None
    assert verify_audit(head=(number, known)).bad_number == number


def test_what_is_two_years_old_goes_and_the_chain_holds(program):
    now = timezone.now()
    for days in (800, 790, 10, 0):
        look(program, at=now - timedelta(days=days))

    assert forget_old_looks(now=now) == 2
    assert forget_old_looks(now=now) == 0

    assert list(AuditEntry.objects.values_list("number", flat=True).order_by("number")) == [3, 4, 5]
    assert verify_audit().bad_number is None
    assert AuditEntry.objects.get(number=5).action == "forgotten"
    behind_django("DELETE FROM devices_auditentry WHERE number = 3")
    assert verify_audit().bad_number == 4
    assert timedelta(days=730) == KEPT


# The page -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.PRIVACY_OFFICER, 200), (Role.ADMIN, 200), (Role.TRIAGER, 403), (Role.VIEWER, 403)],
)
def test_the_page_shows_looks_at_own_programs(client, program, role, status):
    mine, other = uuid.uuid4(), uuid.uuid4()
    look(program, subject=mine)
    look(make_program(), subject=other)
    record_command(Action.ERASURE, subject="request", count=1, now=timezone.now())
    client.force_login(make_user(role, programs=[program]))

    answer = client.get("/privacy/audit/")
    text = answer.content.decode()

    assert answer.status_code == status
    assert (str(mine) in text, "command line" in text) == (status == 200,) * 2
    assert str(other) not in text


def test_the_page_goes_on(client, program):
    for _ in range(101):
        look(program)
    client.force_login(make_user(Role.ADMIN, programs=[program]))

    first = client.get("/privacy/audit/").content.decode()
    rest = client.get("/privacy/audit/?before=2").content.decode()
    odd = client.get("/privacy/audit/?before=x")

    assert "?before=2" in first
    assert "Earlier" not in rest
    assert odd.status_code == 200
