"""One crash that a phone wrote down several times: counted once, shown by its best report."""

import json
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from django.db import connection
from django.urls import reverse

from crashes.formats.tombstone_writer import write_proto, write_text
from crashes.intake.report import decode_report, payload_bytes
from crashes.models import Issue, IssueDevice, IssueTally, OccurrenceMark, Report, ReportContent
from crashes.selectors.issues import list_issue_reports
from crashes.services.acceptance import Acceptance, Upload, accept_reports
from crashes.services.issue_moves import absorb_issue
from crashes.services.occurrences import follow_leads
from crashes.services.processing import lease_reports, process_reports
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, Thread
from tests.factories import make_api_token, make_device, make_program, make_user, make_viewer
from uxp_diag.roles import Role, Scope

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIB = "/vendor/lib64/libcamera.so"
JAVA = """java.lang.IllegalStateException: gone
\tat com.example.shop.CartFragment.refresh(CartFragment.kt:88)
\tat android.os.Handler.dispatchMessage(Handler.java:106)
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


@pytest.fixture
def device(program):
    return make_device(program)


def native(*functions, pid=4242):
    frames = tuple(
        Frame(
            index=index, function=name, function_offset=4, module=LIB, address=0x1000 * (index + 1),
            build_id="0301020005040706080a0b0c0d0e0f10", status=FrameStatus.MISSING_DEBUG_FILE,
        )
        for index, name in enumerate(functions or ("camera::parse", "camera::load"))
    )  # fmt: skip
    return Crash(
        kind=CrashKind.NATIVE_CRASH, process="com.example.shop", pid=pid, tid=pid + 1, abi="arm64",
        signal="SIGSEGV", signal_number=11, signal_code="SEGV_MAPERR", fault_addr=0,
        timestamp="2026-11-20 11:00:00.007439439+0100",
        threads=(Thread(name="camera", tid=pid + 1, crashing=True, frames=frames),),
    )  # fmt: skip


def header(pid):
    return (
        f"Process: com.example.shop\nPID: {pid}\nUID: 10234\nFlags: 0x38c8be44\n"
        "Package: com.example.shop v1402 (1.4.2)\nForeground: Yes\n"
        "Build: Nokia/Arrow/ARW:14/UKQ1.230924.002/V3.420:user/release-keys\n\n"
    )


def entry(crash):
    """A `data_app_native_crash`: its tombstone is cut, so that it lacks the outer frame."""
    text = header(crash.pid) + write_text(crash)
    return "".join(line for line in text.splitlines(keepends=True) if "#01" not in line)


def upload(device, payload_format, payload, *, kind="native_crash", after=0, version="1.4.2"):
    moment = NOW - timedelta(hours=2) + timedelta(seconds=after)
    said = (
        {"text": payload} if isinstance(payload, str) else {"base64": b64encode(payload).decode()}
    )
    document = {
        "report_id": str(uuid.uuid4()),
        "occurred_at": moment.isoformat(),
        "kind": kind,
        "process": "com.example.shop",
        "software": {"os_build": "V3.420"},
        "app": {"package": "com.example.shop", "version_name": version, "version_code": 1402},
        "payload": {"format": payload_format, **said},
    }
    report = decode_report(json.dumps(document).encode())
    payload = payload_bytes(report.payload)
    return Upload(device.program_id, device.pk, "Nokia G42 5G", report, payload, NOW)


def three(device, *, pid=4242, after=0):
    """The reports of one native crash, worst first."""
    crash = native(pid=pid)
    return [
        upload(device, "dropbox", entry(crash), after=after + 2),
        upload(device, "tombstone_text", write_text(crash), after=after),
        upload(device, "tombstone_proto", write_proto(crash), after=after + 1),
    ]


def work():
    process_reports(lease_reports(limit=100, now=NOW), now=NOW)


def send(*uploads):
    """Accept and digest, one after the other."""
    for one in uploads:
        assert accept_reports([one])[0].acceptance is Acceptance.ACCEPTED
        work()


def totals():
    """Everything that counts, whatever numbers issues and devices have."""
    return {
        "issues": sorted(Issue.objects.values_list(
            "signature", "report_count", "device_count", "first_seen_at", "last_seen_at")),
        "devices": IssueDevice.objects.count(),
        "tallies": sorted(IssueTally.objects.values_list("day", "version_name", "reports")),
        "leads": sorted(Report.objects.filter(evidence_of=None).values_list(
            "mark__source", "occurred_at")),
        "evidence": sorted(Report.objects.exclude(evidence_of=None).values_list(
            "mark__source", "evidence_of__mark__source")),
        "places": Report.objects.values_list("issue", "variant").distinct().count(),
    }  # fmt: skip


def test_three_reports_of_one_native_crash_count_once_in_any_order(program):
    found = []
    for order in permutations(range(3)):
        device = make_device(program)
        reports = three(device)

        send(*(reports[place] for place in order))

        found.append(totals())
        for table in (Report, IssueDevice, IssueTally, Issue):
            table.objects.all().delete()
    first = found[0]
    assert [count for _, count, *_ in first["issues"]] == [1]
    assert [reports for *_, reports in first["tallies"]] == [1]
    assert [source for source, _ in first["leads"]] == ["tombstone_proto"]
    assert first["evidence"] == [
        ("dropbox/app", "tombstone_proto"), ("tombstone_text", "tombstone_proto"),
    ]  # fmt: skip
    assert (first["devices"], first["places"]) == (1, 1)
    assert found == [first] * 6


def test_a_better_report_takes_the_place_of_a_lead_that_is_damaged(device):
    _, text, proto = three(device)
    send(text)
    ReportContent.objects.update(document=b"nothing that was packed here")

    send(proto)

    assert not Report.objects.exclude(state=Report.State.DONE).exists()
    assert totals()["evidence"] == [("tombstone_text", "tombstone_proto")]
    assert Issue.objects.get().report_count == 1


def test_reports_that_come_in_one_batch_are_joined_too(device):
    accept_reports(three(device))

    work()

    assert Issue.objects.get().report_count == 1
    assert Report.objects.filter(evidence_of=None).get().mark.source == "tombstone_proto"


def test_a_crash_loop_counts_every_crash(device):
    for number in range(3):
        send(*three(device, pid=100 + number, after=number * 3))

    assert Issue.objects.get().report_count == 3
    assert Report.objects.filter(evidence_of=None).count() == 3
    assert Report.objects.exclude(evidence_of=None).count() == 6


def test_the_same_dump_under_two_ids_is_two_reports(device):
    text = write_text(native())

    send(upload(device, "tombstone_text", text), upload(device, "tombstone_text", text))

    assert Issue.objects.get().report_count == 2


def test_another_device_with_the_same_pid_is_another_crash(program, device):
    other = make_device(program)
    crash = native()

    send(
        upload(device, "tombstone_text", write_text(crash)),
        upload(other, "tombstone_proto", write_proto(crash)),
    )

    issue = Issue.objects.get()
    assert (issue.report_count, issue.device_count) == (2, 2)


def test_a_java_crash_of_an_sdk_and_of_the_system_is_one(device):
    sentry = {
        "event_id": "9ec79c33ec9942ab8353589fcb2e04dc",
        "platform": "java",
        "exception": {"values": [{
            "type": "IllegalStateException", "module": "java.lang", "value": "gone",
            "stacktrace": {"frames": [
                {"module": "android.os.Handler", "function": "dispatchMessage"},
                {"module": "com.example.shop.CartFragment", "function": "refresh", "lineno": 88},
            ]},
        }]},
    }  # fmt: skip
    system = upload(device, "dropbox", header(77) + JAVA, kind="java_crash", after=0.4)
    sdk = upload(device, "sentry_event", json.dumps(sentry), kind="java_crash")
    later = upload(device, "dropbox", header(78) + JAVA, kind="java_crash", after=5)

    send(system, sdk, later)

    assert Issue.objects.get().report_count == 2
    joined = Report.objects.exclude(evidence_of=None)
    assert joined.get(evidence_of__mark__source="sentry_event").mark.source == "dropbox/app"


def test_a_worse_report_that_opened_an_issue_gives_it_up(device):
    """The cut dump has another stack: its issue ends when the whole one takes over."""
    whole, cut = native("a::one", "b::two", "c::three"), native("x::other", "y::other")

    send(upload(device, "tombstone_text", write_text(cut), version="cut"))
    opened = Issue.objects.get()
    send(upload(device, "tombstone_proto", write_proto(whole), version="whole"))

    issue = Issue.objects.get()
    assert issue.report_count == issue.device_count == 1
    assert "one" in issue.signature
    assert issue.pk == opened.pk  # nobody had touched the new one: the id stays, the name does not
    assert list(IssueTally.objects.values_list("version_name", "reports")) == [("whole", 1)]
    assert set(Report.objects.values_list("issue", flat=True)) == {issue.pk}


def test_a_neighbor_stays_when_a_report_leaves_the_issue(program, device):
    shared = native("x::other", "y::other")
    send(upload(make_device(program), "tombstone_text", write_text(native("x::other", "y::other"))))
    send(upload(device, "tombstone_text", write_text(shared), after=-60))
    send(upload(device, "tombstone_proto", write_proto(native("a::one", "b::two")), after=-60))

    old, new = Issue.objects.order_by("pk")
    assert (old.report_count, old.device_count) == (1, 1)
    assert (new.report_count, new.device_count) == (1, 1)
    assert old.first_seen_at == NOW - timedelta(hours=2)


def test_a_replay_is_a_duplicate_and_work_done_twice_is_harmless(device):
    reports = three(device)
    send(*reports)
    before = totals()

    again = accept_reports(reports)
    work()

    assert {receipt.acceptance for receipt in again} == {Acceptance.DUPLICATE}
    assert totals() == before

    accept_reports(three(device, pid=9)[:2])
    stolen = lease_reports(limit=100, now=NOW)
    process_reports(stolen, now=NOW)
    process_reports(stolen, now=NOW)  # a worker that thinks it still has them

    assert Issue.objects.get().report_count == 2


def test_a_lead_that_moved_meanwhile_is_met_again_on_the_next_try(device, monkeypatch):
    worse, _, best = three(device)
    send(best)
    lead = Report.objects.get()
    assert lead.issue_id is not None

    def overtaken(joins):
        monkeypatch.undo()
        other = Issue.objects.create(
            program_id=lead.program_id, kind=lead.kind, signature="elsewhere",
            first_seen_at=NOW, last_seen_at=NOW,
        )  # fmt: skip
        absorb_issue(kept_id=other.pk, gone_id=lead.issue_id or 0, now=NOW)
        follow_leads(joins)

    monkeypatch.setattr("crashes.services.processing.follow_leads", overtaken)
    accept_reports([worse])
    work()
    process_reports(lease_reports(limit=9, now=NOW + timedelta(minutes=1)), now=NOW)

    evidence = Report.objects.exclude(evidence_of=None).get()
    assert evidence.issue_id == Report.objects.get(pk=lead.pk).issue_id
    assert Issue.objects.get().report_count == 1


def test_issues_that_are_merged_keep_evidence_beside_its_lead(device):
    send(*three(device))
    gone = Issue.objects.get()
    kept = Issue.objects.create(
        program_id=gone.program_id, kind=gone.kind, signature="kept",
        first_seen_at=NOW, last_seen_at=NOW,
    )  # fmt: skip

    absorb_issue(kept_id=kept.pk, gone_id=gone.pk, now=NOW)

    kept.refresh_from_db()
    assert kept.report_count == 1
    assert set(Report.objects.values_list("issue", flat=True)) == {kept.pk}


def test_evidence_goes_when_its_report_does(device):
    send(*three(device))

    Report.objects.filter(evidence_of=None).delete()

    assert not Report.objects.exists()
    assert not OccurrenceMark.objects.exists()


def test_lists_and_pages_show_what_belongs_together(client, program, device):
    send(*three(device))
    lead = Report.objects.get(evidence_of=None)
    evidence = Report.objects.exclude(evidence_of=None).order_by("pk")[0]
    token = make_api_token(program, Scope.READ)
    headers = {"authorization": f"Bearer {token}"}

    def get(report):
        return client.get(f"/api/v1/reports/{report.report_id}/", headers=headers).json()

    assert get(lead)["evidence_of"] is None
    assert str(evidence.report_id) in get(lead)["evidence"]
    assert len(get(lead)["evidence"]) == 2
    assert get(evidence)["evidence_of"] == str(lead.report_id)
    assert get(evidence)["grouping"]["explanation"]
    assert get(evidence)["crash"]["signal"] == "SIGSEGV"
    rows = list_issue_reports(viewer=make_viewer(program), issue_id=lead.issue_id or 0).items
    assert [row.report_id for row in rows] == [lead.report_id]
    client.force_login(make_user(Role.VIEWER, programs=[program]))
    page = client.get(reverse("report_detail", args=[lead.report_id])).content.decode()
    assert "It is counted once, with this report." in page
    assert reverse("report_detail", args=[evidence.report_id]) in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite writes one at a time")
def test_workers_with_the_reports_of_one_crash_make_one_occurrence():
    device = make_device(make_program())
    for pid in range(1, 9):
        accept_reports(three(device, pid=1000 + pid))
    rows = lease_reports(limit=100, now=NOW)
    parts = [rows[place::3] for place in range(3)]

    def run(part):
        try:
            process_reports(part, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, parts))
    process_reports(lease_reports(limit=100, now=NOW + timedelta(minutes=9)), now=NOW)

    assert Issue.objects.get().report_count == 8
    assert Report.objects.filter(evidence_of=None, state=Report.State.DONE).count() == 8
