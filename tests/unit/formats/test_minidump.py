"""A minidump says what its writer put in, and a damaged one says why it cannot be read."""

import gzip
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats import minidump
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import PayloadFormat, parse_payload, sniff
from crashes.stack import FrameStatus, FrameTrust, from_json, to_json
from tests.unit.formats.minidump_writer import (
    ANDROID,
    IOS,
    LINUX,
    MACOS,
    WINDOWS,
    WrittenDump,
    WrittenException,
    WrittenModule,
    WrittenThread,
    elf_record,
    pdb_record,
    write,
)

BUILD_ID = bytes(range(20))
BASE, STACK = 0x7F00_0000_0000, 0x7FFD_0000_0000
FINGERPRINT = "Nokia/Heron_00WW/HRN:14/UP1A.231005.007/00WW_3_420:user/release-keys"


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def phone_dump() -> WrittenDump:
    """An app that crashed on a phone in a thread of its own."""
    crashed = {"pc": BASE + 0x1F40, "sp": STACK, "x29": STACK + 16, "lr": BASE + 0x2010}
    stack = words(0, 0, STACK + 32, BASE + 0x2020, 0, 0, 0)
    idle = {"pc": BASE + 0x3000, "sp": STACK + 0x10000, "x0": 0xFFFF_FFFF_FFFF_FFFC}
    return WrittenDump(
        cpu="arm64",
        platform=ANDROID,
        threads=[
            WrittenThread(4321, idle, STACK + 0x10000, words(0, 0), name="main"),
            WrittenThread(4330, {"pc": 1, "sp": 2}, STACK, stack, name="RenderThread"),
        ],
        modules=[
            WrittenModule("/data/app/org.example.app/lib/arm64/libfoo.so", BASE, 0x10000,
                          elf_record(BUILD_ID)),
        ],
        exception=WrittenException(4330, 11, 1, 0xDEAD, registers=crashed),
        service_pack=f"Linux 5.4.210 #1 SMP aarch64 {FINGERPRINT}",
        pid=4321,
        extra={0x47670006: b"org.example.app:remote\0--token\0secret\0", 0x47670007: b"HOME=/me\0",
               0x47670004: b"Name:\texample.app\nPid:\t4321\nUid:\t10123\t10123\n"},
    )  # fmt: skip


# --- What a dump says --------------------------------------------------------------------------


def test_a_phones_dump_says_what_happened_where():
    crash = minidump.parse(write(phone_dump()))

    assert (crash.process, crash.package) == ("org.example.app:remote", "org.example.app")
    assert (crash.pid, crash.tid, crash.abi) == (4321, 4330, "arm64")
    assert (crash.signal, crash.signal_number, crash.signal_code) == ("SIGSEGV", 11, "SEGV_MAPERR")
    assert crash.fault_addr == 0xDEAD
    assert crash.build_fingerprint == FINGERPRINT
    assert crash.timestamp == "2023-11-14T22:13:20+00:00"
    assert crash.details["uid"] == 10123
    assert crash.details["os"] == "Android"
    module = crash.modules[0]
    assert (module.build_id, module.start_addr, module.end_addr) == (
        BUILD_ID.hex(), BASE, BASE + 0x10000,
    )  # fmt: skip


def test_the_thread_that_crashed_comes_first_with_the_registers_of_the_crash():
    crash = minidump.parse(write(phone_dump()))

    first, second = crash.threads
    assert [(it.name, it.tid, it.crashing) for it in crash.threads] == [
        ("RenderThread", 4330, True),
        ("main", 4321, False),
    ]
    assert first.registers["lr"] == BASE + 0x2010
    assert second.registers["x0"] == 0xFFFF_FFFF_FFFF_FFFC
    assert [(it.address, it.trust) for it in first.frames] == [
        (0x1F40, FrameTrust.CONTEXT),
        (0x2010, FrameTrust.FRAME_POINTER),
        (0x2020, FrameTrust.FRAME_POINTER),
    ]
    assert {it.build_id for it in first.frames} == {BUILD_ID.hex()}
    assert {it.status for it in first.frames} == {FrameStatus.MISSING_DEBUG_FILE}


def test_environment_arguments_and_memory_stay_behind():
    text = str(to_json(minidump.parse(write(phone_dump()))))

    assert "secret" not in text
    assert "HOME" not in text
    assert "--token" not in text


def test_a_stack_that_is_listed_apart_is_found():
    dump = phone_dump()
    apart = [replace(thread, stack_in_thread=False) for thread in dump.threads]

    assert minidump.parse(write(replace(dump, threads=apart))) == minidump.parse(write(dump))


def test_a_dump_that_somebody_asked_for_has_no_crash_in_it():
    dump = replace(phone_dump(), exception=None)
    dump.extra[0x47670001] = struct.pack("<III", 2, 0, 4330)

    crash = minidump.parse(write(dump))

    assert (crash.signal, crash.fault_addr) == (None, None)
    assert crash.details["requested_dump"] is True
    assert crash.threads[0].tid == 4330


def test_the_thread_that_wrote_the_dump_is_left_out():
    dump = phone_dump()
    dump.extra[0x47670001] = struct.pack("<III", 3, 4321, 4330)

    assert [thread.tid for thread in minidump.parse(write(dump)).threads] == [4330]


@pytest.mark.parametrize(
    ("platform", "exception", "reason", "fault_addr"),
    [
        (LINUX, (11, 2, 5), "SIGSEGV /SEGV_ACCERR", 5),
        (LINUX, (11, 0, 5), "SIGSEGV /0x00000000", 5),
        (LINUX, (7, 1, 5), "SIGBUS / BUS_ADRALN", 5),
        (LINUX, (8, 1, 5), "SIGFPE / FPE_INTDIV", 5),
        (LINUX, (6, 0xFFFFFFFA, 5), "SIGABRT", 5),
        (LINUX, (31, 1, 5), "SIGSYS", 5),
        (LINUX, (99, 1, 5), "0x00000063 / 0x00000001", 5),
        (LINUX, (0xFFFFFFFF, 0, 5), "DUMP_REQUESTED", 5),
        (WINDOWS, (0xC0000005, 0, 5, 0, 0x45), "EXCEPTION_ACCESS_VIOLATION_READ", 0x45),
        (WINDOWS, (0xC0000005, 0, 5, 1, 0x45), "EXCEPTION_ACCESS_VIOLATION_WRITE", 0x45),
        (WINDOWS, (0xC0000005, 0, 5), "EXCEPTION_ACCESS_VIOLATION", 5),
        (WINDOWS, (0xC00000FD, 0, 5), "EXCEPTION_STACK_OVERFLOW", 5),
        (WINDOWS, (1, 2, 5), "0x00000001 / 0x00000002", 5),
        (MACOS, (1, 1, 5), "EXC_BAD_ACCESS / KERN_INVALID_ADDRESS", 5),
        (MACOS, (6, 7, 5), "EXC_BREAKPOINT / 0x00000007", 5),
        (IOS, (0x43506E78, 0, 5), "Uncaught NSException", 5),
        (0x8206, (1, 2, 5), "0x00000001 / 0x00000002", 5),
    ],
)
def test_reasons_are_spelled_as_crash_tools_spell_them(
    platform: int, exception: tuple[int, ...], reason: str, fault_addr: int
):
    code, flags, address, *parameters = exception
    dump = phone_dump()
    dump.exception = WrittenException(4330, code, flags, address, tuple(parameters))

    crash = minidump.parse(write(replace(dump, platform=platform)))

    assert crash.details["crash_reason"] == reason
    assert crash.fault_addr == fault_addr


@pytest.mark.parametrize(
    ("record", "platform", "build_id", "debug_id"),
    [
        (elf_record(BUILD_ID), LINUX, BUILD_ID.hex(), "03020100-0504-0706-0809-0a0b0c0d0e0f"),
        (elf_record(BUILD_ID[:8]), LINUX, BUILD_ID[:8].hex(),
         "03020100-0504-0706-0000-000000000000"),
        (elf_record(bytes(20)), LINUX, None, None),
        (pdb_record(BUILD_ID[:16], 0), ANDROID, BUILD_ID[:16].hex(),
         "03020100-0504-0706-0809-0a0b0c0d0e0f"),
        (pdb_record(BUILD_ID[:16], 0x1D), WINDOWS, None,
         "03020100-0504-0706-0809-0a0b0c0d0e0f-1d"),
        (pdb_record(bytes(16), 0), LINUX, None, None),
        (b"RSDS", LINUX, None, None),
        (b"", LINUX, None, None),
    ],
)  # fmt: skip
def test_a_module_is_named_by_its_codeview_record(
    record: bytes, platform: int, build_id: str | None, debug_id: str | None
):
    module = WrittenModule("/lib/liba.so", BASE, 0x1000, record)
    dump = replace(phone_dump(), modules=[module], platform=platform)

    found = minidump.parse(write(dump)).modules[0]

    assert (found.build_id, found.debug_id) == (build_id, debug_id)


# --- A crash there and back ----------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
CPUS = {
    "x86": ("eip", "esp", ["eax", "ebx", "esi", "ebp"], 32),
    "x86_64": ("rip", "rsp", ["rax", "rbx", "r15", "rbp"], 64),
    "arm": ("pc", "sp", ["r0", "r11", "ip", "lr"], 32),
    "arm64": ("pc", "sp", ["x0", "x29", "x28", "lr"], 64),
}


@st.composite
def written_dumps(draw: st.DrawFn) -> WrittenDump:
    cpu = draw(st.sampled_from(sorted(CPUS)))
    pc, sp, others, bits = CPUS[cpu]
    values = st.integers(0, 2**bits - 1)
    tids = draw(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=5, unique=True))
    threads = [
        WrittenThread(
            tid,
            {name: draw(values) for name in (pc, sp, *others)},
            draw(values),
            draw(st.binary(max_size=200)),
            draw(st.none() | TEXT),
        )
        for tid in tids
    ]
    starts = draw(st.lists(st.integers(1, 2 ** (bits - 1)), max_size=4, unique=True))
    modules = [
        WrittenModule(draw(TEXT), start, draw(st.integers(1, 2**20)), elf_record(draw(ids)))
        for start, ids in ((start, st.binary(min_size=1, max_size=20)) for start in starts)
    ]
    exception = WrittenException(
        draw(st.sampled_from(tids)), draw(st.integers(1, 31)), 1, draw(st.integers(0, 2**64 - 1))
    )
    return WrittenDump(cpu, LINUX, threads, modules, exception, pid=draw(st.none() | st.just(7)))


@given(written_dumps())
def test_what_is_written_is_read(dump: WrittenDump):
    crash = minidump.parse(write(dump))

    exception = dump.exception
    assert exception is not None
    assert (crash.tid, crash.signal_number, crash.fault_addr) == (
        exception.tid, exception.code, exception.address,
    )  # fmt: skip
    assert (crash.abi, crash.pid) == (dump.cpu, dump.pid)
    assert [(it.path, it.start_addr, it.end_addr) for it in crash.modules] == [
        (it.path, it.start, it.start + it.size) for it in dump.modules
    ]
    by_tid = {thread.tid: thread for thread in crash.threads}
    for thread in dump.threads:
        found = by_tid[thread.tid]
        assert found.name == thread.name
        assert thread.registers.items() <= found.registers.items()
        assert found.frames[0].trust is FrameTrust.CONTEXT
        assert found.crashing == (thread.tid == exception.tid)
    assert crash.threads[0].crashing
    assert from_json(to_json(crash)) == crash


# --- Damage ------------------------------------------------------------------------------------


def patched(payload: bytes, offset: int, form: str, *values: int) -> bytes:
    changed = bytearray(payload)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


GOOD = write(phone_dump())


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "not_a_minidump"),
        (b"MDM", "not_a_minidump"),
        (b"PMDM" + GOOD[4:], "unsupported_minidump"),
        (GOOD[:20], "truncated_minidump"),
        (GOOD[:40], "truncated_minidump"),
        (patched(GOOD, 4, "<I", 7), "malformed_minidump"),
        (patched(GOOD, 8, "<I", 0xFFFFFFFF), "malformed_minidump"),
        (patched(GOOD, 8, "<I", 0), "no_threads"),
        (patched(GOOD, 12, "<I", 0xFFFFFFF0), "truncated_minidump"),
        (patched(GOOD, 36, "<I", 0xFFFFFFFF), "no_threads"),
        (patched(GOOD, 36, "<I", 2), "truncated_minidump"),
        (patched(GOOD, 36, "<I", 12), "truncated_minidump"),
    ],
)
def test_a_damaged_dump_says_why_it_cannot_be_read(payload: bytes, code: str):
    with pytest.raises(MalformedPayload) as refused:
        minidump.parse(payload)

    assert refused.value.code == code


def test_counts_beyond_all_reason_are_refused():
    threads = struct.unpack_from("<III", GOOD, 32)[2]
    modules = struct.unpack_from("<III", GOOD, 44)[2]

    for rva in (threads, modules):
        for count in (0xFFFFFFFF, 5000, 300):
            with pytest.raises(MalformedPayload):
                minidump.parse(patched(GOOD, rva, "<I", count))


@given(st.data())
@settings(max_examples=300)
def test_a_mutated_dump_is_read_or_refused(data: st.DataObject):
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(changed) - 4))
        value = data.draw(
            st.sampled_from([0, 1, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF]) | st.integers(0, 2**32 - 1)
        )
        struct.pack_into("<I", changed, at, value)
    payload = bytes(changed[: data.draw(st.just(len(changed)) | st.integers(0, len(changed)))])

    with suppress(MalformedPayload):
        crash = minidump.parse(payload)
        assert from_json(to_json(crash)) == crash


@given(st.binary(max_size=400))
def test_any_bytes_behind_a_header_are_read_or_refused(tail: bytes):
    with suppress(MalformedPayload):
        minidump.parse(GOOD[:32] + tail)


def test_many_threads_on_one_stack_cost_no_more_than_the_budget():
    base, word = BASE + 0x20, 8
    stack = base.to_bytes(word, "little") * 20_000
    one = WrittenThread(1, {"rip": BASE + 1, "rsp": STACK, "rbp": 1}, STACK, stack)
    module = WrittenModule("/liba.so", BASE, 0x1000)
    payload = write(WrittenDump("x86_64", LINUX, [one, *[replace(one, stack=b"")] * 800], [module]))
    place = struct.unpack_from("<III", payload, 32)[2] + 4
    stack_row = payload[place + 24 : place + 40]
    changed = bytearray(payload)
    for index in range(801):
        start = place + 48 * index + 24
        changed[start : start + 16] = stack_row

    crash = minidump.parse(bytes(changed))

    assert len(crash.threads) == 512
    assert crash.details["threads_omitted"] == 289
    assert sum(len(thread.frames) for thread in crash.threads) < 21_000


def test_a_dump_is_found_by_its_content_and_may_be_packed():
    assert sniff(GOOD) is PayloadFormat.MINIDUMP
    packed = gzip.compress(GOOD)
    assert parse_payload(PayloadFormat.MINIDUMP, packed) == minidump.parse(GOOD)
