"""The same unreadable bytes again and again: read once, refused every time."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from crashes.formats.registry import PARSER_VERSION
from crashes.intake.report import decode_report, payload_bytes
from crashes.models import RefusedPayload, Report
from crashes.services.acceptance import Upload, accept_reports
from crashes.services.processing import lease_reports, process_reports
from crashes.services.reconciling import reconcile
from crashes.services.sandboxes import sandbox
from uxp_diag.sandbox import FailureReason, SandboxFailure

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BAD = "nothing like a stack"
GOOD = "java.lang.Error: gone\n\tat com.example.Main.run(Main.java:1)\n"

pytestmark = pytest.mark.django_db


class Counting:
    """The real sandbox, and how many payloads went through it; those in `breaks` break it."""

    def __init__(self, sandbox):
        self.sandbox, self.runs = sandbox, 0
        self.breaks: set[bytes] = set()
        self.reason = FailureReason.CPU

    def run_many(self, job, inputs, **options):
        self.runs += len(inputs)
        if any(payload in self.breaks for _, payload in inputs):
            return [SandboxFailure(self.reason, "5 s of CPU")] * len(inputs)
        return self.sandbox.run_many(job, inputs, **options)


@pytest.fixture
def counted(monkeypatch):
    counting = Counting(sandbox())
    monkeypatch.setattr("crashes.services.digesting.sandbox", lambda: counting)
    monkeypatch.setattr("crashes.services.reading.sandbox", lambda: counting)
    return counting


def upload(text, *, program_id=1):
    document = {
        "report_id": str(uuid.uuid4()),
        "kind": "java_crash",
        "payload": {"format": "java_stacktrace", "text": text},
    }
    report = decode_report(json.dumps(document).encode())
    return Upload(program_id, None, "Nokia G42 5G", report, payload_bytes(report.payload), NOW)


def work(now=NOW):
    rows = lease_reports(limit=200, now=now)
    process_reports(rows, now=now)
    return len(rows)


def codes():
    return list(Report.objects.order_by("pk").values_list("state", "failure_code"))


def test_a_hundred_equal_payloads_are_read_once(counted):
    for _ in range(4):
        accept_reports([upload(BAD) for _ in range(25)])
        work()

    assert counted.runs == 1
    assert set(codes()) == {("quarantined", "not_a_java_stacktrace")}
    assert len(codes()) == 100


def test_equal_payloads_of_one_batch_that_can_be_read_are_read_once_too(counted):
    accept_reports([upload(GOOD) for _ in range(10)])

    work()

    assert counted.runs == 1
    assert set(codes()) == {("done", "")}


def test_another_program_and_another_parser_look_for_themselves(counted, monkeypatch):
    accept_reports([upload(BAD)])
    work()
    accept_reports([upload(BAD, program_id=2)])
    work()
    monkeypatch.setattr("crashes.services.refusals.PARSER_VERSION", PARSER_VERSION + 1)
    accept_reports([upload(BAD)])
    work()

    assert counted.runs == 3


def test_a_refusal_is_believed_for_a_day(counted):
    accept_reports([upload(BAD)])
    work()
    reconcile(now=NOW + timedelta(hours=23))
    accept_reports([upload(BAD)])
    work(NOW + timedelta(hours=23))
    reconcile(now=NOW + timedelta(hours=25))
    accept_reports([upload(BAD)])
    work(NOW + timedelta(hours=25))

    assert counted.runs == 2


def test_what_breaks_its_child_is_believed_after_three_tries(counted):
    counted.breaks = {GOOD.encode()}
    accept_reports([upload(GOOD)])
    for minutes in range(0, 30, 10):
        work(NOW + timedelta(minutes=minutes))
    accept_reports([upload(GOOD)])

    assert work(NOW + timedelta(hours=1)) == 1

    assert counted.runs == 4  # of the first try, nobody knows at once which step was to blame
    assert codes() == [("quarantined", "sandbox_cpu")] * 2
    assert RefusedPayload.objects.get().times == 3


def test_a_machine_in_trouble_says_nothing_of_the_payload(counted):
    counted.breaks = {GOOD.encode()}
    accept_reports([upload(GOOD)])
    work()
    counted.breaks = set()

    work(NOW + timedelta(minutes=10))

    assert codes() == [("done", "")]


def test_a_sandbox_that_cannot_start_says_nothing_of_the_payload_however_often(counted):
    counted.breaks, counted.reason = {GOOD.encode()}, FailureReason.UNAVAILABLE
    accept_reports([upload(GOOD)])
    for minutes in range(0, 30, 10):
        work(NOW + timedelta(minutes=minutes))

    assert codes() == [("quarantined", "sandbox_unavailable")]
    assert not RefusedPayload.objects.exists()
