"""Reports in quarantine are really tried again: by those who may, one or all of a reason."""

import re
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from crashes.models import RefusedPayload, Report, ReportContent
from crashes.packing import pack_payload
from crashes.services.acceptance import accept_reports
from crashes.services.processing import lease_reports, process_reports
from crashes.services.sandboxes import sandbox
from crashes.services.spooled import spool
from devices.models import AuditEntry
from tests.factories import make_api_token, make_program, make_report, make_viewer
from tests.integration.pages.reading import client_for, text_of
from tests.integration.test_refusals import BAD, GOOD, Counting, upload
from uxp_diag.roles import Role, Scope
from uxp_diag.sandbox import FailureReason

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted(monkeypatch):
    counting = Counting(sandbox())
    for module in ("digesting", "reading"):
        monkeypatch.setattr(f"crashes.services.{module}.sandbox", lambda: counting)
    return counting


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def triager(program):
    return client_for(Role.TRIAGER, program)


def work():
    rows = lease_reports(limit=200, now=timezone.now())
    process_reports(rows, now=timezone.now())
    return len(rows)


def set_aside(program, counted, *texts):
    """Reports whose payloads are fine, and broke their child all the same; of other programs too."""
    counted.breaks = {text.encode() for text in texts}
    accept_reports([upload(text, program_id=program.pk) for text in texts])
    Report.objects.filter(program_id=program.pk).update(attempts=2)
    while work():
        pass
    counted.breaks = set()
    return list(Report.objects.filter(program_id=program.pk).order_by("pk"))


def states():
    return list(Report.objects.order_by("pk").values_list("state", "failure_code"))


def api(program, path, body=None, scope=Scope.TRIAGE):
    headers = {"Authorization": f"Bearer {make_api_token(program, scope)}"}
    return Client().post(f"/api/v1/{path}", body, "application/json", headers=headers)


# One report -----------------------------------------------------------------------------------


def test_one_report_is_tried_again_from_what_was_kept(program, counted, triager):
    (row,) = set_aside(program, counted, GOOD)
    assert states() == [("quarantined", "sandbox_cpu")]
    assert not list(spool().names())

    answer = triager.post(f"/reports/{row.report_id}/retry/", follow=True)

    assert "waits for a worker" in text_of(answer)
    assert work() == 1
    assert states() == [("done", "")]
    row.refresh_from_db()
    assert (row.package, row.issue_id is not None) == ("", True)


def test_what_was_remembered_of_its_payload_is_forgotten(program, counted, triager):
    (row,) = set_aside(program, counted, BAD)
    accept_reports([upload(BAD, program_id=program.pk)])
    work()
    runs = counted.runs
    RefusedPayload.objects.update(is_final=True, times=9)

    triager.post(f"/reports/{row.report_id}/retry/")
    Report.objects.filter(pk=row.pk).update(attempts=1)  # by the road that asks what is remembered
    work()

    assert counted.runs == runs + 1
    assert states()[0] == ("quarantined", "not_a_java_stacktrace")
    assert ReportContent.objects.get(pk=row.pk).raw_bytes == len(BAD)


def test_it_can_be_tried_as_often_as_people_like(program, counted):
    (row,) = set_aside(program, counted, BAD)
    for _ in range(3):
        assert api(program, f"reports/{row.report_id}/retry/").status_code == 202
        work()

    assert states() == [("quarantined", "not_a_java_stacktrace")]
    counted.sandbox, real = Understanding(counted.sandbox), counted.sandbox
    api(program, f"reports/{row.report_id}/retry/")
    work()
    counted.sandbox = real

    assert states() == [("done", "")]


class Understanding:
    """The real sandbox with a parser that was mended."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    def run_many(self, job, inputs, **options):
        mended = [(form, payload.replace(BAD.encode(), GOOD.encode())) for form, payload in inputs]
        return self.sandbox.run_many(job, mended, **options)


def test_a_report_that_is_not_in_quarantine_stays_as_it_is(program, triager):
    row = make_report(program, state=Report.State.DONE)

    page = triager.post(f"/reports/{row.report_id}/retry/", follow=True)
    answer = api(program, f"reports/{row.report_id}/retry/")

    assert "not in quarantine" in text_of(page)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_in_quarantine")
    assert not AuditEntry.objects.filter(action="retry").exists()


def test_without_its_payload_nothing_is_tried(program, counted, triager):
    (row,) = set_aside(program, counted, GOOD)
    ReportContent.objects.update(raw=pack_payload(b""), raw_bytes=0)

    answer = api(program, f"reports/{row.report_id}/retry/")
    page = triager.post("/intake/retry/", {"code": "sandbox_cpu"}, follow=True)

    assert (answer.status_code, answer.json()["code"]) == (409, "payload_not_kept")
    assert "No report is tried again" in text_of(page)
    assert states() == [("quarantined", "sandbox_cpu")]


def test_a_payload_that_is_gone_meanwhile_is_said_to_be(program, counted):
    (row,) = set_aside(program, counted, GOOD)
    ReportContent.objects.update(raw=b"no zstd at all")

    one = api(program, f"reports/{row.report_id}/retry/")
    api(program, "intake/quarantined/retry/", {"code": "sandbox_cpu"})
    work()

    assert (one.status_code, one.json()["code"]) == (409, "payload_not_kept")
    assert states() == [("quarantined", "payload_lost")]


def test_a_file_that_is_back_in_the_spool_is_read_from_there(program, counted):
    accept_reports([upload(GOOD, program_id=program.pk)])
    row = Report.objects.get()
    data = spool().read_all(row.spool_file)
    spool().remove(row.spool_file)
    Report.objects.update(attempts=2)
    work()
    assert states() == [("quarantined", "spool_unreadable")]
    name = spool().write(data)
    Report.objects.update(spool_file=name)

    api(program, f"reports/{row.report_id}/retry/")
    work()

    assert states() == [("done", "")]
    assert not list(spool().names())


# All of one reason ----------------------------------------------------------------------------


def test_all_with_one_code_are_tried_again_and_no_others(program, counted, triager):
    set_aside(program, counted, GOOD, GOOD.replace("gone", "lost"))
    accept_reports([upload(BAD, program_id=program.pk)])
    set_aside(make_program(), counted, GOOD)

    page = triager.post("/intake/retry/", {"code": "sandbox_cpu"}, follow=True)

    assert "2 reports wait for a worker" in text_of(page)
    work()
    assert states() == [
        ("done", ""), ("done", ""), ("quarantined", "not_a_java_stacktrace"),
        ("quarantined", "sandbox_cpu"),
    ]  # fmt: skip


def test_the_api_says_how_many_are_left(program, counted, monkeypatch):
    rows = set_aside(program, counted, *(GOOD.replace("gone", word) for word in "abcd"))
    ReportContent.objects.filter(pk=rows[0].pk).update(raw=None, raw_bytes=0)
    monkeypatch.setattr("crashes.services.retrying.MOST", 2)

    first = api(program, "intake/quarantined/retry/", {"code": "sandbox_cpu"}).json()
    second = api(program, "intake/quarantined/retry/", {"code": "sandbox_cpu"}).json()

    assert first == {"reports": 2, "left": 1, "not_kept": 1}
    assert second == {"reports": 1, "left": 0, "not_kept": 1}
    bad = api(program, "intake/quarantined/retry/", {"code": ""})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_input")


# Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_those_who_triage_may_and_see_the_buttons(role, program):
    row = make_report(program, state=Report.State.QUARANTINED, failure_code="no_threads")
    client = client_for(role, program)
    may = role in {Role.TRIAGER, Role.RELEASE_MANAGER, Role.ADMIN}

    for path in (f"/reports/{row.report_id}/retry/", "/intake/retry/"):
        assert client.post(path, {"code": "no_threads"}).status_code == (302 if may else 403)
    if role is not Role.DEVELOPER_PARTNER:
        pages = [client.get(path) for path in ("/intake/", f"/reports/{row.report_id}/")]
        assert [bool(re.search(r"retry/\"", page.content.decode())) for page in pages] == [may] * 2


def test_tokens_need_the_scope_and_strangers_find_nothing(program):
    row = make_report(program, state=Report.State.QUARANTINED, failure_code="no_threads")
    other = make_program()

    assert api(program, f"reports/{row.report_id}/retry/", scope=Scope.READ).status_code == 403
    assert api(program, "intake/quarantined/retry/", scope=Scope.READ).status_code == 403
    assert api(other, f"reports/{row.report_id}/retry/").status_code == 404
    assert api(other, "intake/quarantined/retry/", {"code": "no_threads"}).json()["reports"] == 0
    assert api(program, f"reports/{uuid.uuid4()}/retry/").status_code == 404


def test_who_asked_for_it_is_in_the_audit(program, counted, triager):
    (row,) = set_aside(program, counted, GOOD)

    triager.post(f"/reports/{row.report_id}/retry/")
    counted.breaks, counted.reason = {GOOD.encode()}, FailureReason.MEMORY
    Report.objects.update(attempts=2)
    work()
    triager.post("/intake/retry/", {"code": "sandbox_memory"})
    page = client_for(Role.PRIVACY_OFFICER, program).get("/privacy/audit/")

    entries = AuditEntry.objects.filter(action="retry").order_by("number")
    assert list(entries.values_list("subject", "count", "program_id")) == [
        (str(row.report_id), 1, program.pk), ("sandbox_memory", 1, program.pk),
    ]  # fmt: skip
    assert "sandbox_memory" in text_of(page)
    assert make_viewer(program).name not in {entry.by_name for entry in entries}
