"""Steps of the tests of symbols that come late: crashes to send, files to add, counts to check."""

import io
import json
import uuid
from datetime import UTC, datetime, timedelta

from crashes.formats.tombstone_writer import write_text
from crashes.intake.report import decode_report, payload_bytes
from crashes.models import (
    Issue,
    IssueDevice,
    IssueTally,
    Report,
)
from crashes.models.report import COUNTED
from crashes.selectors.reports import get_report_content
from crashes.services.acceptance import Upload, accept_reports
from crashes.services.processing import lease_reports, process_reports
from crashes.services.regrouping import list_awaited, regroup_waiting
from crashes.services.symbol_tables import (
    prepare_debug_file,
)
from crashes.services.symbols import register_debug_file
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, Thread
from tests.factories import make_viewer

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
