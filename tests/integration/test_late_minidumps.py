"""Minidumps and microdumps that are walked anew when the tables of their modules arrive."""

import json
import uuid

import pytest

from crashes.intake.report import decode_report
from crashes.models import (
    Report,
    ReportContent,
    WaitingReport,
)
from crashes.services.acceptance import Upload, accept_reports
from crashes.services.processing import lease_reports, process_reports
from crashes.services.symbol_tables import (
    debug_id,
    unwind_path,
)
from crashes.stack import FrameTrust
from tests.factories import make_program
from tests.integration.late_symbols import (
    BUILD_ID,
    LIB,
    LOAD,
    MAIN,
    MAPPING,
    NOW,
    PARSE,
    add,
    assert_counts_add_up,
    breakpad,
    crash_of,
    frames_of,
    java,
    regroup,
    send,
    tombstone,
)
from tests.unit.formats.core_writer import CoreModule, CoreThread, WrittenCore
from tests.unit.formats.core_writer import write as write_core
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

pytestmark = pytest.mark.django_db


BASE = 0x7F0000000000
STACK_AT = 0x7FFD00000000
DEBUG_ID = f"{debug_id(BUILD_ID).replace('-', '').upper()}0".encode()
UNWIND = b"STACK CFI INIT 2000 100 .cfa: $rsp 32 + .ra: .cfa -8 + ^\n"


@pytest.fixture
def program():
    return make_program()


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


def core():
    """The same as the kernel writes it."""
    words = [BASE + 0x1010, 0, 0, BASE + 0x3020, 0, 0]
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    registers = {"rip": BASE + 0x2010, "rsp": STACK_AT, "rbp": 1}
    modules = [CoreModule(LIB, BASE, 0x4000, bytes.fromhex(BUILD_ID))]
    return write_core(WrittenCore("x86_64", [CoreThread(7, registers, STACK_AT, stack)], modules))


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


@pytest.mark.parametrize(("write", "payload_format"), [(minidump, "minidump"), (core, "core")])
def test_a_late_table_walks_a_dump_anew(program, write, payload_format):
    report = send_minidump(program, write(), payload_format)
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
