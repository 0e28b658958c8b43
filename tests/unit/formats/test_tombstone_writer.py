"""Written tombstones are read again, in both forms."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from crashes.formats import tombstone_proto, tombstone_text
from crashes.formats.tombstone_writer import write_proto, write_text
from crashes.stack import Crash, CrashKind, JsonValue
from tests.unit.formats.fixtures import DATA
from tests.unit.formats.tombstone_cases import crashes

LOG_PREFIX = "06-01 10:11:12.345   123   123 F DEBUG   : "


@given(crashes())
def test_text_gives_the_crash_again(crash):
    assert tombstone_text.parse(write_text(crash).encode()) == crash


@given(crashes(as_proto=True))
def test_protobuf_gives_the_crash_again(crash):
    assert tombstone_proto.parse(write_proto(crash)) == crash
    assert tombstone_proto.parse(write_proto(crash, with_headers=True)) == crash


@settings(max_examples=30)
@given(crashes())
def test_a_log_gives_the_crash_again(crash):
    crash = replace(crash, abort_message=None)
    log = write_text(crash, log_prefix=LOG_PREFIX)

    assert tombstone_text.parse(log.encode()) == crash


@pytest.mark.parametrize(
    "name",
    ["android14_arm64_gwp_asan", "android16_riscv64", "android13_x86_64_guest", "android11_names"],
)
def test_a_fixture_survives_being_written(name):
    crash = tombstone_text.parse((DATA / "tombstones" / f"{name}.txt").read_bytes())

    again = tombstone_text.parse(write_text(crash).encode())

    assert again.threads[0].registers == crash.threads[0].registers
    assert again.modules == crash.modules
    assert again.details == crash.details
    assert [frame.module for frame in again.threads[0].frames] == [
        frame.module for frame in crash.threads[0].frames
    ]


def test_the_text_looks_like_debuggerds():
    crash = tombstone_text.parse(
        (DATA / "tombstones" / "android14_arm64_gwp_asan.txt").read_bytes()
    )

    lines = write_text(crash).splitlines()

    for line in (
        "Timestamp: 2026-03-02 08:15:07.778508017+0200",
        "pid: 8121, tid: 8177, name: RenderThread  >>> com.example.camera:render <<<",
        "signal 11 (SIGSEGV), code 2 (SEGV_ACCERR from pid 8121, uid 10213), "
        "fault addr 0x0000007b0a1fffe8",
        "    lr  00000079db7b66f0  sp  0000007ff14a9080  pc  00000079db7b6700  "
        "pst 0000000020001400",
        "2 total frames",
        "      #01 pc 00000000000c0de0  /apex/com.android.runtime/lib64/bionic/libc.so "
        "(__pthread_start(void*)+208) (BuildId: 87654321fedcba9887654321fedcba98)",
        "deallocated by thread 8177:",
        "memory map (2 entries):",
        "    00000079'db76c000-00000079'db7dbfff r-x         0     70000  "
        "/data/app/~~x==/com.example.camera-1/lib/arm64/librender.so "
        "(BuildId: 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567)",
        "    fd 1: /dev/null (unowned)",
    ):
        assert line in lines


def test_the_least_crash_can_be_written():
    crash = Crash(CrashKind.NATIVE_CRASH, signal="SIGSEGV", signal_number=11, tid=1)

    assert tombstone_text.parse(write_text(crash).encode()).signal == "SIGSEGV"
    assert tombstone_proto.parse(write_proto(crash)).signal == "SIGSEGV"


def test_what_cannot_be_printed_is_written_in_octal():
    details: dict[str, JsonValue] = {"crash_details": [{"name": "stage", "data": "ä\n"}]}
    crash = Crash(CrashKind.NATIVE_CRASH, details=details)

    assert "Extra crash detail: stage: '\\303\\244\\12'" in write_text(crash).splitlines()
