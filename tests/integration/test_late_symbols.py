"""Debug files that arrive after the crashes that need them: names, issues and counts afterwards."""

import io
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from crashes.formats.tombstone_writer import write_text
from crashes.intake.report import decode_report, payload_bytes
from crashes.models import (
    DebugFile,
    Issue,
    IssueDevice,
    IssueRedirect,
    IssueTally,
    MissingDebugFile,
    Report,
    ReportContent,
    StackVariant,
    TriageEvent,
    WaitingReport,
)
from crashes.models.report import COUNTED
from crashes.selectors.debug_files import list_debug_files
from crashes.selectors.issues import get_issue
from crashes.selectors.reports import get_report_content
from crashes.services import regrouping
from crashes.services.acceptance import Upload, accept_reports
from crashes.services.processing import lease_reports, process_reports
from crashes.services.regrouping import list_awaited, regroup_waiting
from crashes.services.symbol_tables import (
    debug_file_path,
    debug_id,
    list_unprepared,
    prepare_debug_file,
    unwind_path,
)
from crashes.services.symbols import name_mapping, register_debug_file
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, FrameTrust, Thread
from tests.factories import make_device, make_program, make_viewer
from tests.unit.formats.microdump_writer import WrittenMicrodump
from tests.unit.formats.microdump_writer import write as write_microdump
from tests.unit.formats.minidump_writer import (
    LINUX,
    WrittenDump,
    WrittenException,
    WrittenModule,
    WrittenThread,
    elf_record,
)
from tests.unit.formats.minidump_writer import write as write_minidump

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3650)  # after whatever the real clock says
BUILD_ID = "0301020005040706080a0b0c0d0e0f10"
OTHER_BUILD = "1301020005040706080a0b0c0d0e0f11"
LIB = "/vendor/lib64/libcamera.so"
PARSE, LOAD, MAIN = 0x1010, 0x2010, 0x3010
MAPPING = b"""# compiler: R8
# pg_map_id: abc1234
com.example.shop.CartFragment -> a.a:
# {"id":"sourceFile","fileName":"CartFragment.kt"}
    1:1:void refresh():88:88 -> a
    1:1:void onResume():41:41 -> b
com.example.shop.Main -> a.b:
    1:1:void run():12:12 -> a
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program()


# --- Steps -------------------------------------------------------------------------------------


def breakpad(build_id=BUILD_ID, *, lines=True, prefix="camera"):
    """A symbol file with three functions; without lines it only names them."""
    functions = {0x1000: "parse", 0x2000: "load", 0x3000: "main"}
    text = f"MODULE Linux arm64 {build_id.upper()}0 libcamera.so\nINFO CODE_ID {build_id}\n"
    text += "FILE 0 camera.cc\n" if lines else ""
    for start, name in functions.items():
        text += f"FUNC {start:x} 100 0 {prefix}::{name}()\n"
        text += f"{start:x} 100 {start >> 8} 0\n" if lines else ""
    return text.encode()


def tombstone(*addresses, build_id=BUILD_ID):
    frames = tuple(
        Frame(
            index=index, module=LIB, build_id=build_id, address=address,
            status=FrameStatus.MISSING_DEBUG_FILE,
        )
        for index, address in enumerate(addresses)
    )  # fmt: skip
    thread = Thread(name="camera", tid=7, crashing=True, frames=frames)
    crash = Crash(
        kind=CrashKind.NATIVE_CRASH, process="/vendor/bin/camera", pid=1, tid=7, abi="arm64",
        signal="SIGSEGV", signal_number=11, signal_code="SEGV_MAPERR", fault_addr=0,
        threads=(thread,),
    )  # fmt: skip
    return write_text(crash)


def java(method, *, file="SourceFile"):
    return (
        f"java.lang.IllegalStateException: gone\n\tat a.a.{method}({file}:1)\n"
        f"\tat a.b.a({file}:1)\n\tat android.os.Handler.dispatchMessage(Handler.java:106)\n"
    )


def send(
    program,
    text,
    *,
    kind="native_crash",
    device=None,
    at="2026-11-20T10:00:00Z",
    payload_format=None,
):
    native = "tombstone_text" if kind == "native_crash" else "java_stacktrace"
    document = {
        "report_id": str(uuid.uuid4()),
        "occurred_at": at,
        "kind": kind,
        "software": {"os_build": "V3.420"},
        "app": {"package": "com.example.shop", "version_name": "1.4.2", "version_code": 1402},
        "payload": {
            "format": payload_format or native,
            "text": text,
        },
    }
    report = decode_report(json.dumps(document).encode())
    payload = payload_bytes(report.payload)
    accept_reports([Upload(program.pk, device and device.pk, "Nokia G42 5G", report, payload, NOW)])
    process_reports(lease_reports(limit=100, now=NOW), now=NOW)
    return Report.objects.order_by("-pk")[0]


def add(program, content, *, name="libcamera.so.sym"):
    registration = register_debug_file(
        io.BytesIO(content), name=name, program_id=program.pk, now=NOW
    )
    return prepare_debug_file(registration.debug_file.pk)


def regroup(*, now=LATER):
    for debug_file_id in list_awaited(now=now, limit=10):
        while regroup_waiting(debug_file_id, now=now):
            pass


def crash_of(program, report):
    content = get_report_content(viewer=make_viewer(program), report_pk=report.pk)
    assert content is not None
    assert content.crash is not None
    return content.crash


def frames_of(program, report):
    return [frame.function for frame in crash_of(program, report).threads[0].frames]


def assert_counts_add_up():
    """Every counter says what the rows say."""
    for issue in Issue.objects.all():
        rows = Report.objects.filter(COUNTED, issue=issue)
        devices = set(rows.exclude(device_id=uuid.UUID(int=0)).values_list("device_id", flat=True))
        known = IssueDevice.objects.filter(issue=issue).values_list("device_id", flat=True)
        tallies = IssueTally.objects.filter(issue=issue).values_list("reports", flat=True)
        assert issue.report_count == rows.count() == sum(tallies) > 0
        assert set(known) == devices
        assert issue.device_count == len(devices)
        seen = sorted(rows.values_list("occurred_at", flat=True))
        assert (issue.first_seen_at, issue.last_seen_at) == (seen[0], seen[-1])


# --- Native code -------------------------------------------------------------------------------


def test_a_late_debug_file_names_the_report_and_its_issue(program):
    report = send(program, tombstone(PARSE, LOAD, MAIN))
    before = Issue.objects.get()
    assert "camera::parse" not in before.signature

    debug_file = add(program, breakpad())
    regroup()

    after = Issue.objects.get()
    assert frames_of(program, report) == ["camera::parse()", "camera::load()", "camera::main()"]
    assert (after.pk, after.report_count) == (before.pk, 1)
    assert "camera::parse" in after.signature
    assert not WaitingReport.objects.filter(report=report).exists()
    assert not MissingDebugFile.objects.exists()
    assert StackVariant.objects.count() == 1
    (row,) = list_debug_files(viewer=make_viewer(program)).items
    assert (row.id, row.regrouped_reports, row.is_regrouping) == (debug_file.pk, 1, False)
    assert_counts_add_up()


def test_a_second_pass_changes_nothing(program):
    send(program, tombstone(PARSE))
    debug_file = add(program, breakpad())
    regroup()
    before = list(Issue.objects.values())

    DebugFile.objects.update(regroup_at=NOW)
    regroup()

    assert list(Issue.objects.values()) == before
    debug_file.refresh_from_db()
    assert debug_file.regrouped_reports == 1


def test_crashes_that_looked_alike_fall_apart_and_the_old_id_leads_to_most(program):
    device = make_device(program)
    for address in (PARSE, PARSE, LOAD):
        send(program, tombstone(address), device=device)
    old = Issue.objects.get()
    assert old.report_count == 3

    add(program, breakpad())
    regroup()

    names = dict(Issue.objects.values_list("signature", "report_count"))
    assert sorted(names.values()) == [1, 2]
    led_to = get_issue(viewer=make_viewer(program), issue_id=old.pk)
    assert (led_to.report_count, led_to.device_count) == (2, 1)
    assert "parse" in led_to.signature
    assert_counts_add_up()


def test_reports_of_other_builds_stay_where_they_are(program):
    send(program, tombstone(PARSE))
    other = send(program, tombstone(PARSE, build_id=OTHER_BUILD))
    old = Issue.objects.get()

    add(program, breakpad())
    regroup()

    assert Issue.objects.count() == 2
    other.refresh_from_db()
    assert other.issue_id == old.pk
    assert "parse" not in Issue.objects.get(pk=old.pk).signature
    assert_counts_add_up()

    add(program, breakpad(OTHER_BUILD))
    regroup()

    assert Issue.objects.get().report_count == 2
    assert IssueRedirect.objects.count() == 1
    assert_counts_add_up()


def test_a_crash_that_is_known_with_names_joins_its_issue(program):
    add(program, breakpad(OTHER_BUILD))
    known = send(program, tombstone(PARSE, LOAD, build_id=OTHER_BUILD), at="2026-11-19T10:00:00Z")
    report = send(program, tombstone(PARSE, LOAD))
    assert Issue.objects.count() == 2
    TriageEvent.objects.create(issue_id=report.issue_id, kind="comment", by_name="a", at=NOW)

    add(program, breakpad())
    regroup()

    issue = Issue.objects.get()
    assert (issue.pk, issue.report_count) == (known.issue_id, 2)
    assert get_issue(viewer=make_viewer(program), issue_id=report.issue_id).id == known.issue_id
    assert TriageEvent.objects.get().issue_id == known.issue_id
    assert_counts_add_up()


def test_lines_are_worth_waiting_for_when_there_are_names(program):
    bare = add(program, breakpad(lines=False))
    DebugFile.objects.filter(pk=bare.pk).update(quality=DebugFile.Quality.NAMES)
    report = send(program, tombstone(PARSE))
    assert frames_of(program, report) == ["camera::parse()"]

    regroup()
    assert WaitingReport.objects.get().quality == DebugFile.Quality.NAMES
    add(program, breakpad())
    regroup()

    assert crash_of(program, report).threads[0].frames[0].line == 0x10
    assert not WaitingReport.objects.exists()


def test_reports_that_were_only_counted_go_along(program, settings):
    settings.SIGNATURE_REPORTS_PER_DAY = 1
    device = make_device(program)
    for _ in range(3):
        send(program, tombstone(PARSE), device=device)
    send(program, tombstone(LOAD))
    assert Report.objects.filter(is_counted_only=True).count() == 2

    add(program, breakpad())
    regroup()

    assert sorted(Issue.objects.values_list("report_count", flat=True)) == [1, 3]
    assert_counts_add_up()


def test_evidence_goes_where_its_report_goes(program):
    """The first three crashes look alike without names; each was written down in two ways."""
    device = make_device(program)
    first = f"Process: /vendor/bin/camera\nPID: 1\nFlags: 0x1\n\n{tombstone(PARSE)}"
    second = f"Process: /vendor/bin/camera\nPID: 1\nFlags: 0x1\n\n{tombstone(LOAD)}"
    for text, at in ((first, "2026-11-20T10:00:00Z"), (second, "2026-11-20T11:00:00Z")):
        evidence = send(program, text, device=device, at=at, payload_format="dropbox")
        lead = send(program, text.partition("\n\n")[2], device=device, at=at)
        evidence.refresh_from_db()
        assert evidence.evidence_of_id == lead.pk
    assert_counts_add_up()

    add(program, breakpad())
    regroup()

    assert Issue.objects.count() == 2
    for evidence in Report.objects.exclude(evidence_of=None).select_related("evidence_of"):
        assert evidence.evidence_of is not None
        assert evidence.issue_id == evidence.evidence_of.issue_id
        assert evidence.variant_id == evidence.evidence_of.variant_id
        assert frames_of(program, evidence) == frames_of(program, evidence.evidence_of)
    assert_counts_add_up()


def test_many_reports_move_in_batches_and_survive_a_stop(program, monkeypatch):
    monkeypatch.setattr(regrouping, "BATCH", 2)
    for number in range(5):
        send(program, tombstone(PARSE if number % 2 else LOAD), device=make_device(program))
    add(program, breakpad())

    (debug_file_id,) = list_awaited(now=LATER, limit=10)
    assert regroup_waiting(debug_file_id, now=LATER)
    assert Report.objects.filter(variant__isnull=True).count() == 0
    assert_counts_add_up()
    regroup()

    assert sorted(Issue.objects.values_list("report_count", flat=True)) == [2, 3]
    assert_counts_add_up()


def test_a_report_that_cannot_be_stored_is_tried_again_and_harms_nobody(program, monkeypatch):
    send(program, tombstone(PARSE))
    debug_file = add(program, breakpad())

    def broken(_):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("crashes.services.regrouping.settle_moves", broken)
    regroup_waiting(debug_file.pk, now=LATER)
    assert "parse" not in Issue.objects.get().signature
    assert_counts_add_up()
    monkeypatch.undo()
    regroup(now=LATER + timedelta(minutes=1))

    assert "parse" in Issue.objects.get().signature
    assert_counts_add_up()


def test_a_report_under_another_workers_lease_is_left_alone(program):
    report = send(program, tombstone(PARSE))
    debug_file = add(program, breakpad())
    Report.objects.update(lease_id=uuid.uuid4(), leased_until=LATER + timedelta(seconds=20))

    assert not regroup_waiting(debug_file.pk, now=LATER)

    assert WaitingReport.objects.filter(report=report).exists()
    assert list_awaited(now=LATER, limit=1) == []
    regroup(now=LATER + timedelta(minutes=1))
    assert "parse" in Issue.objects.get().signature


def test_a_report_stored_after_the_file_was_looked_through_rings_again(program, monkeypatch):
    debug_file = add(program, breakpad())
    regroup()
    monkeypatch.setattr(
        "crashes.services.symbols.StoreFinder.symcache_for", lambda *_: None
    )  # it looked before the file was ready
    report = send(program, tombstone(PARSE))
    monkeypatch.undo()

    assert list_awaited(now=LATER, limit=1) == [debug_file.pk]
    regroup()

    assert frames_of(program, report) == ["camera::parse()"]


# --- Managed code ------------------------------------------------------------------------------


def test_a_mapping_that_frames_name_is_used_before_grouping(program):
    add(program, MAPPING, name="mapping.txt")

    report = send(program, java("a", file="r8-map-id-abc1234"), kind="java_crash")

    assert Issue.objects.get().signature == "IllegalStateException at CartFragment.refresh"
    assert frames_of(program, report)[:2] == [
        "com.example.shop.CartFragment.refresh",
        "com.example.shop.Main.run",
    ]


def test_a_late_mapping_names_crashes_by_its_id(program):
    for method in ("a", "b", "a"):
        send(program, java(method, file="r8-map-id-abc1234"), kind="java_crash")
    assert MissingDebugFile.objects.get().build_id == "abc1234"
    old = set(Issue.objects.values_list("pk", flat=True))

    add(program, MAPPING, name="mapping.txt")
    regroup()

    issue = Issue.objects.get()
    assert issue.signature == "IllegalStateException at CartFragment.refresh"
    assert (issue.report_count, issue.pk in old) == (3, True)
    assert not MissingDebugFile.objects.exists()
    assert_counts_add_up()


def test_a_mapping_is_found_by_package_and_version_code_once_it_is_named(program):
    report = send(program, java("a"), kind="java_crash")
    mapping = add(program, MAPPING, name="mapping.txt")
    regroup()
    assert frames_of(program, report)[0] == "a.a.a"

    name_mapping(mapping.pk, package="com.example.shop", version_code=1402, now=NOW)
    regroup()

    assert frames_of(program, report)[0] == "com.example.shop.CartFragment.refresh"
    assert not WaitingReport.objects.exists()


def test_a_hostile_mapping_names_nothing_and_loses_nothing(program):
    mapping = add(program, MAPPING, name="mapping.txt")
    debug_file_path(mapping.sha256).write_bytes(b"\0" * 4096)

    report = send(program, java("a", file="r8-map-id-abc1234"), kind="java_crash")

    assert report.state == Report.State.DONE
    assert frames_of(program, report)[0] == "a.a.a"


# --- Making tables -----------------------------------------------------------------------------


def test_two_workers_never_make_the_same_tables_at_once(program):
    registration = register_debug_file(
        io.BytesIO(breakpad()), name="x.sym", program_id=program.pk, now=NOW
    )
    pk = registration.debug_file.pk
    DebugFile.objects.update(building_until=LATER, build_lease=uuid.uuid4())

    assert list_unprepared(limit=1) == []
    assert prepare_debug_file(pk).state == DebugFile.State.RECEIVED

    DebugFile.objects.update(building_until=NOW)  # its worker died
    assert list_unprepared(limit=1) == [pk]
    assert prepare_debug_file(pk).state == DebugFile.State.READY


def test_using_a_file_is_remembered_once_a_day(program):
    debug_file = add(program, breakpad())
    send(program, tombstone(PARSE))
    debug_file.refresh_from_db()

    assert debug_file.last_used_at == NOW


# --- Minidumps ---------------------------------------------------------------------------------

BASE = 0x7F0000000000
STACK_AT = 0x7FFD00000000
DEBUG_ID = f"{debug_id(BUILD_ID).replace('-', '').upper()}0".encode()
UNWIND = b"STACK CFI INIT 2000 100 .cfa: $rsp 32 + .ra: .cfa -8 + ^\n"


def minidump():
    """A dump whose caller, 24 bytes above the stack pointer, a scan does not guess."""
    words = [BASE + 0x1010, 0, 0, BASE + 0x3020, 0, 0]
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    registers = {"rip": BASE + 0x2010, "rsp": STACK_AT, "rbp": 1}
    return write_minidump(
        WrittenDump(
            "x86_64",
            LINUX,
            [WrittenThread(7, registers, STACK_AT, stack)],
            [WrittenModule(LIB, BASE, 0x4000, elf_record(bytes.fromhex(BUILD_ID)))],
            WrittenException(7, 11, 1),
        )
    )


def microdump():
    """The same in the log: a microdump keeps 16 bytes of a build id, which has 20 as a rule."""
    words = [BASE + 0x1010, 0, 0, BASE + 0x3020, 0, 0]
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    registers = {"rip": BASE + 0x2010, "rsp": STACK_AT, "rbp": 1}
    modules = [(LIB, BASE, 0x4000, bytes.fromhex(BUILD_ID))]
    written = WrittenMicrodump("x86_64", registers, STACK_AT, stack, modules)
    return write_microdump(written, prefix="F/google-breakpad( 4711): ").encode()


def send_minidump(program, dump=None, payload_format="minidump"):
    document = {
        "report_id": str(uuid.uuid4()),
        "occurred_at": "2026-11-20T10:00:00Z",
        "kind": "native_crash",
        "process": "camera",
        "payload": {"format": payload_format},
    }
    report = decode_report(json.dumps(document).encode())
    accept_reports([Upload(program.pk, None, "Nokia G42 5G", report, dump or minidump(), NOW)])
    process_reports(lease_reports(limit=100, now=NOW), now=NOW)
    return Report.objects.get()


def x86(content):
    return content.replace(b"Linux arm64", b"Linux x86_64")


def test_a_minidump_is_walked_with_the_tables_of_its_debug_files(program):
    debug_file = add(program, x86(breakpad()) + UNWIND)

    report = send_minidump(program)

    assert debug_file.has_unwind
    frames = crash_of(program, report).threads[0].frames
    assert [frame.function for frame in frames][:2] == ["camera::load()", "camera::main()"]
    assert frames[1].trust is FrameTrust.CFI
    assert not WaitingReport.objects.exists()


@pytest.mark.parametrize("build_id", [BUILD_ID, BUILD_ID + "a1b2c3d4"])
def test_a_late_table_walks_a_microdump_anew(program, build_id):
    report = send_minidump(program, microdump(), "microdump")
    assert [frame.address for frame in crash_of(program, report).threads[0].frames][1] == 0x1010

    add(
        program, x86(breakpad(build_id)).replace(f"{build_id.upper()}0".encode(), DEBUG_ID) + UNWIND
    )
    regroup()

    assert frames_of(program, report)[:2] == ["camera::load()", "camera::main()"]
    assert not WaitingReport.objects.exists()
    assert_counts_add_up()


def test_a_late_table_walks_a_minidump_anew(program):
    report = send_minidump(program)
    assert [frame.address for frame in crash_of(program, report).threads[0].frames][1] == 0x1010

    add(program, x86(breakpad()))
    regroup()
    assert frames_of(program, report)[:2] == ["camera::load()", "camera::parse()"]
    add(program, x86(breakpad()) + UNWIND)
    regroup()

    assert frames_of(program, report)[:2] == ["camera::load()", "camera::main()"]
    assert not WaitingReport.objects.exists()
    assert_counts_add_up()


def test_a_damaged_table_leaves_the_first_walk(program):
    debug_file = add(program, x86(breakpad()) + UNWIND)
    unwind_path(debug_file.sha256).write_bytes(b"no table at all, just some bytes")

    report = send_minidump(program)

    assert (report.state, frames_of(program, report)[0]) == (Report.State.DONE, "camera::load()")


def test_a_stack_that_was_seen_before_needs_no_child(program, monkeypatch):
    def no_child(documents, _mapping):
        assert not documents
        return []

    add(program, MAPPING, name="mapping.txt")
    text = java("a", file="r8-map-id-abc1234")
    first = send(program, text, kind="java_crash")
    monkeypatch.setattr("crashes.services.retracing._run", no_child)

    again = send(program, text, kind="java_crash")

    assert frames_of(program, first) == frames_of(program, again)
    assert frames_of(program, again)[0] == "com.example.shop.CartFragment.refresh"


def test_a_damaged_report_holds_up_no_other(program):
    damaged, whole = (send(program, tombstone(PARSE, LOAD, MAIN)) for _ in range(2))
    ReportContent.objects.filter(report=damaged).update(document=b"nonsense")

    add(program, breakpad())
    regroup()

    assert frames_of(program, whole) == ["camera::parse()", "camera::load()", "camera::main()"]
    assert not WaitingReport.objects.filter(report=whole).exists()
