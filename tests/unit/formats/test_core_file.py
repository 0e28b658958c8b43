"""A core says what its writer put in, for every processor; a damaged one says why it cannot be read."""

import gzip
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats import core_file
from crashes.formats.cleaning import Cleaner
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import FrameTrust, PayloadFormat, from_json, to_json
from tests.unit.formats.core_writer import CoreModule, CoreThread, WrittenCore, note, write
from tests.unit.formats.mutations import mutated

BUILD_ID = bytes(range(1, 21))
BASE, STACK = 0x7_1000_0000, 0x7_2000_0000


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def phone_core() -> WrittenCore:
    """An app that crashed on a phone in a thread of its own."""
    crashed = {"pc": BASE + 0x1F40, "sp": STACK, "x29": STACK + 16, "lr": BASE + 0x2010, "pst": 7}
    stack = words(0, 0, STACK + 32, BASE + 0x2020, 0, 0, 0, 0)
    idle = {"pc": BASE + 0x3000, "sp": STACK + 0x10000}
    return WrittenCore(
        abi="arm64",
        threads=[
            CoreThread(4330, crashed, STACK, stack),
            CoreThread(4321, idle, STACK + 0x10000, words(0, 0), signal=0),
        ],
        modules=[
            CoreModule("/data/app/org.example.app/base.apk", BASE, 0x10000, BUILD_ID, 0x40000),
            CoreModule("/system/lib64/libc.so", BASE + 0x20000, 0x4000, b"\7" * 16),
        ],
        pid=4321,
        name="org.example.app",
        arguments="org.example.app:remote --token secret",
        address=0xDEAD,
    )


WHOLE = write(phone_core())


def test_a_core_of_a_phone():
    crash = core_file.parse(WHOLE)

    assert (crash.process, crash.package) == ("org.example.app:remote", "org.example.app")
    assert (crash.pid, crash.tid, crash.abi) == (4321, 4330, "arm64")
    assert (crash.signal, crash.signal_number, crash.signal_code) == ("SIGSEGV", 11, "SEGV_MAPERR")
    assert crash.fault_addr == 0xDEAD
    assert crash.details == {
        "os": "Android", "cpu": "arm64", "crash_reason": "SIGSEGV / SEGV_MAPERR", "uid": 10_123,
        "thread_count": 2,
    }  # fmt: skip
    first, second = crash.threads
    assert (first.crashing, first.name, first.registers["x29"]) == (True, None, STACK + 16)
    assert (second.tid, second.name) == (4321, "org.example.app")
    assert [
        (frame.module, frame.address, frame.map_offset, frame.trust) for frame in first.frames
    ] == [
        ("/data/app/org.example.app/base.apk", 0x1F40, 0x40000, FrameTrust.CONTEXT),
        ("/data/app/org.example.app/base.apk", 0x2010, 0x40000, FrameTrust.FRAME_POINTER),
        ("/data/app/org.example.app/base.apk", 0x2020, 0x40000, FrameTrust.FRAME_POINTER),
    ]
    assert {frame.build_id for frame in first.frames} == {BUILD_ID.hex()}
    assert crash.modules[1].build_id == "07" * 16
    assert sniff(WHOLE) is PayloadFormat.CORE
    assert parse_payload(PayloadFormat.CORE, gzip.compress(WHOLE)) == crash
    assert from_json(to_json(crash)) == crash


@pytest.mark.parametrize(
    ("abi", "registers"),
    [
        ("x86", {"eip": 0x1234, "esp": 0x9000, "ebp": 0x9010}),
        ("x86_64", {"rip": 0x1234, "rsp": 0x9000, "r15": 5}),
        ("arm", {"pc": 0x1234, "sp": 0x9000, "lr": 3, "r11": 4, "cpsr": 0x30}),
        ("arm64", {"pc": 0x1234, "sp": 0x9000, "lr": 3}),
        ("riscv64", {"pc": 0x1234, "sp": 0x9000, "ra": 3}),
    ],
)
def test_every_processor(abi: str, registers: dict[str, int]):
    core = WrittenCore(
        abi=abi,
        threads=[CoreThread(7, registers, 0x9000, bytes(64))],
        modules=[CoreModule("/lib/liba.so", 0x1000, 0x4000, BUILD_ID, first_addr=0x10_000)],
        signal=(7, 1),
        address=0xFFFF_FFF0,
    )

    crash = core_file.parse(write(core))

    assert crash.abi == abi
    assert (crash.signal, crash.signal_code, crash.fault_addr) == (
        "SIGBUS", "BUS_ADRALN", 0xFFFF_FFF0,
    )  # fmt: skip
    frame = crash.threads[0].frames[0]
    assert (frame.module, frame.build_id) == ("/lib/liba.so", BUILD_ID.hex())
    assert frame.address == 0x10_000 + 0x234  # as its program headers say
    for name, value in registers.items():
        assert crash.threads[0].registers[name] == value
    assert (crash.process, crash.pid, crash.details["uid"]) == ("com.example.app", 7, 10_123)


def test_a_signal_that_somebody_sent_has_no_address():
    core = replace(phone_core(), signal=(6, -6), sender=(4321, 10_123))

    crash = core_file.parse(write(core))

    assert (crash.signal, crash.signal_code, crash.fault_addr) == ("SIGABRT", "SI_TKILL", None)
    assert crash.details["sender"] == {"pid": 4321, "uid": 10_123}


def test_an_old_kernel_tells_the_signal_with_the_thread():
    crash = core_file.parse(write(replace(phone_core(), signal=None)))

    assert (crash.signal, crash.signal_code, crash.fault_addr) == ("SIGSEGV", None, None)


def test_without_a_list_of_files_the_linkers_list_names_them():
    table = BASE + 0x8000
    name = b"/system/lib64/libc.so\0"
    core = phone_core()
    core.has_files = False
    core.memory = {
        table: words(5, 1, 21, table + 0x100, 0, 0).ljust(0x100, b"\0")
        + words(1, table + 0x140).ljust(0x40, b"\0")
        + words(BASE, 0, 0, table + 0x180).ljust(0x40, b"\0")
        + words(BASE + 0x20000, table + 0x200, 0, 0).ljust(0x80, b"\0")
        + name
    }
    core.modules[0] = replace(core.modules[0], size=0x8000)

    payload = write(core)
    crash = core_file.parse(payload)

    assert [(module.path, module.build_id) for module in crash.modules] == [
        ("org.example.app:remote", BUILD_ID.hex()),
        ("/system/lib64/libc.so", "07" * 16),
    ]
    assert core_file.parse(Cleaner().clean(PayloadFormat.CORE, payload)) == crash


def test_what_is_kept_is_what_is_read():
    secret = b"imei=490154203237518 words that somebody typed"
    core = phone_core()
    core.memory = {0x5000_0000: secret * 100}
    core.extra = note(0x200, secret)
    core.threads[0] = replace(core.threads[0], stack=core.threads[0].stack + secret)
    core.auxiliary = {25: STACK + 0x10010}

    payload = write(core)
    kept = Cleaner().clean(PayloadFormat.CORE, payload)

    assert core_file.parse(kept) == replace(core_file.parse(payload))
    assert b"--token" not in kept
    assert kept.count(b"words that somebody typed") == 1  # on the stack, scrubbed
    assert b"490154203237518" not in kept


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "not_a_core"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\xb7\0" + bytes(100), "not_a_core"),
        (b"\x7fELF\2\2\1" + bytes(9) + b"\0\4\0\xb7" + bytes(100), "unsupported_core"),
        (WHOLE[:40], "truncated_core"),
        (WHOLE[:200], "truncated_core"),
        (WHOLE[:56] + b"\xfe\xff" + WHOLE[58:], "truncated_core"),
        (WHOLE[:54] + b"\7\0" + WHOLE[56:], "malformed_core"),
        (WHOLE[:700], "no_threads"),
    ],
)
def test_a_refusal_says_why(payload: bytes, code: str):
    with pytest.raises(MalformedPayload) as refusal:
        core_file.parse(payload)

    assert refusal.value.code == code
    assert len(Cleaner().clean(PayloadFormat.CORE, payload)) == len(payload)


@settings(max_examples=60)
@given(st.one_of(mutated([WHOLE]), st.binary(max_size=400).map(lambda rest: WHOLE[:20] + rest)))
def test_damage_is_read_or_refused_and_kept_at_its_length(payload: bytes):
    kept = Cleaner().clean(PayloadFormat.CORE, payload)

    assert len(kept) == len(payload) or not core_file.is_core(payload)
    with suppress(MalformedPayload):
        crash = core_file.parse(payload)
        assert from_json(to_json(crash)) == crash


@settings(max_examples=30)
@given(st.integers(0, len(WHOLE)))
def test_a_core_may_end_anywhere(size: int):
    with suppress(MalformedPayload):
        assert core_file.parse(WHOLE[:size]).tid == 4330
