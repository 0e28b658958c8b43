"""Tombstones as text: every form debuggerd and its relatives write."""

import gzip
import json

import pytest

from crashes.formats.errors import MalformedPayload
from crashes.formats.tombstone_text import parse
from crashes.formats.tombstone_text.frames import read_frame
from crashes.formats.tombstone_text.rows import (
    read_mapping,
    read_registers,
    read_signal,
    read_thread,
)
from crashes.stack import CrashKind, from_json, to_json
from tests.unit.formats.fixtures import DATA, goldens
from tests.unit.formats.tombstone_cases import compact

BANNER = " ".join(["***"] * 16)
NEXT_THREAD = " ".join(["---"] * 16)
PROCESS = "pid: 7, tid: 8, name: worker  >>> com.example <<<"
SIGNAL = "signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0"
FRAME = "      #00 pc 0000000000001234  /system/lib64/liba.so (f+4) (BuildId: aa01)"


def crash_of(*lines):
    return parse("\n".join(lines).encode())


def code_of(payload):
    with pytest.raises(MalformedPayload) as caught:
        parse(payload)
    return caught.value.code


@pytest.mark.parametrize("golden", goldens("tombstones"), ids=str)
def test_a_tombstone_gives_its_golden_answer(golden):
    crash = parse(golden.payload)

    assert compact(crash) == golden.expected
    assert from_json(json.loads(json.dumps(to_json(crash)))) == crash


@pytest.mark.parametrize("golden", goldens("tombstones"), ids=str)
def test_line_endings_and_zip_do_not_matter(golden):
    crash = parse(golden.payload)

    assert parse(golden.payload.replace(b"\n", b"\r\n")) == crash
    assert parse(gzip.compress(golden.payload)) == crash


def test_memory_logs_and_open_files_are_never_kept():
    kept = "".join(json.dumps(to_json(parse(golden.payload))) for golden in goldens("tombstones"))

    for private in (
        "user@example.com",
        "secret",
        "password",
        "evicted",
        "holiday.jpg",
        "people.db",
        "1522279",
        "7365637265742064",
    ):
        assert private not in kept


@pytest.mark.parametrize(
    "prefix",
    [
        "I/DEBUG   (  123): ",
        "F/DEBUG   (  123:  123): ",
        "F/DEBUG: ",
        "F(  123) ",
        "06-01 10:11:12.345   123   123 F DEBUG   : ",
        "2026-06-01 10:11:12.345678 +0200   123   123 F DEBUG   : ",
        "06-01 10:11:12.345  root   123   123 F DEBUG   : ",
        "1780301472.345   123   123 F DEBUG   : ",
        "06-01 10:11:12.345 F/DEBUG   (  123): ",
        "2026-06-01 10:11:12.345 123-123/? A/DEBUG: ",
        "2026-06-01 10:11:12.345  123-123  DEBUG                   crash_dump64             A  ",
    ],
)
def test_the_prefix_of_a_log_does_not_matter(prefix):
    text = (DATA / "tombstones" / "android16_riscv64.txt").read_text()
    log = "".join(f"{prefix}{line}\n" for line in text.splitlines())

    assert parse(log.encode()) == parse(text.encode())


def test_debuggerd_is_preferred_to_a_program_that_logs_backtraces():
    crash = crash_of(
        "06-01 10:11:12.345  1  1 E other   : #00 pc 00000001  /other.so",
        f"06-01 10:11:12.345  2  2 F DEBUG   : {BANNER}",
        f"06-01 10:11:12.345  2  2 F DEBUG   : {PROCESS}",
        f"06-01 10:11:12.345  2  2 F DEBUG   : {FRAME}",
    )

    assert crash.process == "com.example"
    assert [frame.module for frame in crash.threads[0].frames] == ["/system/lib64/liba.so"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\n\n",
        b"The quick brown fox",
        b"pid: none, signal lost",
        b"java.lang.RuntimeException: x\n\tat com.example.A.b(A.java:1)",
        b'{"report_id": "x", "threads": []}',
        bytes(range(256)) * 10,
        b"Build fingerprint: 'a/b/c:14/X/1:user/release-keys'",
        b"06-01 10:11:12.345  1  1 E other   : nothing here",
        f"{BANNER}\nCrash type: 'java'\nApp ID: 'com.example'".encode(),
        f"{BANNER}\nCrash type: 'anr'".encode(),
    ],
)
def test_other_payloads_are_no_tombstones(payload):
    assert code_of(payload) == "not_a_tombstone"


def test_damaged_gzip_is_named():
    packed = gzip.compress(b"x" * 1000)

    assert code_of(packed[:20]) == "truncated_gzip"
    assert code_of(packed[:12] + b"\xff\xff\xff" + packed[15:]) == "corrupt_gzip"


def test_a_gzip_bomb_is_refused():
    assert code_of(gzip.compress(b"\0" * (33 * 1024 * 1024))) == "too_large"


@pytest.mark.parametrize("line", [BANNER, PROCESS, SIGNAL, FRAME.strip()])
def test_one_line_of_evidence_is_enough(line):
    crash = crash_of(line)

    assert crash.kind is CrashKind.NATIVE_CRASH


def test_a_crash_without_a_process_line_is_kept():
    crash = crash_of(SIGNAL, "backtrace:", FRAME)

    assert crash.process is None
    assert crash.package is None
    assert crash.pid is None
    assert crash.crashing_thread is not None


def test_the_command_line_names_the_process_when_nothing_else_does():
    crash = crash_of(BANNER, "Cmdline: /system/bin/app --flag x", SIGNAL)

    assert crash.process == "/system/bin/app"
    assert crash.details["command_line"] == "/system/bin/app --flag x"


@pytest.mark.parametrize(
    ("process", "package"),
    [
        ("com.example.app", "com.example.app"),
        ("com.example.app:remote", "com.example.app"),
        ("com.android.chrome:sandboxed_process0:org.chromium.Service0:1", "com.android.chrome"),
        ("system_server", None),
        ("/vendor/bin/hw/android.hardware.audio@2.0-service", None),
        ("./poc", None),
        ("<pre-initialized>", None),
    ],
)
def test_a_process_name_shows_its_package(process, package):
    crash = crash_of(f"pid: 1, tid: 1, name: x  >>> {process} <<<")

    assert (crash.process, crash.package) == (process, package)


@pytest.mark.parametrize(
    ("line", "number", "name", "code", "fault_addr"),
    [
        (SIGNAL, 11, "SIGSEGV", "SEGV_MAPERR", 0),
        ("signal 6 (SIGABRT), code -6 (SI_TKILL), fault addr --------", 6, "SIGABRT", "SI_TKILL", None),
        ("signal 11 (SIGSEGV), fault addr deadbaad", 11, "SIGSEGV", None, 0xDEADBAAD),
        ("signal 11 (SIGSEGV), code 0 (?), fault addr 00000000", 11, "SIGSEGV", None, 0),
        ("signal 7 (SIGBUS), code 1 (BUS_ADRALN), fault addr 0xb400007be2737030", 7, "SIGBUS", "BUS_ADRALN", 0xB400007BE2737030),
        ("signal 6 (SIGABRT), code -1 (SI_QUEUE from pid 9, uid 1000), fault addr --------", 6, "SIGABRT", "SI_QUEUE", None),
        ("signal 35 (<debuggerd signal>), code -1 (SI_QUEUE), fault addr --------", 35, "<debuggerd signal>", "SI_QUEUE", None),
        ("signal 11 (SIGSE", 11, None, None, None),
        ("signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x12zz", 11, "SIGSEGV", "SEGV_MAPERR", None),
    ],
)  # fmt: skip
def test_a_signal_line_is_taken_apart(line, number, name, code, fault_addr):
    row = read_signal(line)

    assert row is not None
    assert (row.number, row.name, row.code, row.fault_addr) == (number, name, code, fault_addr)


@pytest.mark.parametrize(
    ("signal", "is_requested"),
    [
        ("signal 35 (BIONIC_SIGNAL_DEBUGGER), code -1 (SI_QUEUE), fault addr --------", True),
        ("signal 35 (<debuggerd signal>), code -1 (SI_QUEUE), fault addr --------", True),
        ("signal 35 (?), code -1 (SI_QUEUE), fault addr --------", True),
        ("signal -1 (?), code 0 (?), fault addr --------", True),
        ("signal 6 (SIGABRT), code -6 (SI_TKILL), fault addr --------", False),
        ("signal 31 (SIGSYS), code 1 (SYS_SECCOMP), fault addr --------", False),
    ],
)
def test_a_requested_dump_is_told_from_a_crash(signal, is_requested):
    assert crash_of(signal).details.get("requested_dump", False) is is_requested


@pytest.mark.parametrize(
    ("line", "name", "process"),
    [
        (PROCESS, "worker", "com.example"),
        ("pid: 7, tid: 8  >>> com.example <<<", None, "com.example"),
        ("pid: 7, tid: 8, name: UNKNOWN  >>> UNKNOWN <<<", None, None),
        ("pid: 7, tid: 8, name: <name unknown>  >>> <unknown> <<<", None, None),
        ("pid: 7, tid: 8, name: a >>> b  >>> com.example <<<", "a >>> b", "com.example"),
        ("pid: 7, tid: 8, name: worker  >>> com.exam", "worker", None),
        ("pid: 7, tid: 8, name: work", "work", None),
        ("pid: 7, tid: 8", None, None),
    ],
)
def test_a_thread_line_is_taken_apart(line, name, process):
    row = read_thread(line)

    assert row is not None
    assert (row.pid, row.tid, row.name, row.process) == (7, 8, name, process)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/a.so (f+1) (BuildId: AA01)", ("/a.so", None, "f", 1, "aa01", "missing_debug_file")),
        ("/a.so", ("/a.so", None, None, None, None, "no_build_id")),
        ("", (None, None, None, None, None, "unknown_address")),
        ("<unknown>", (None, None, None, None, None, "unknown_address")),
        ("(f+1)", (None, None, "f", 1, None, "unknown_address")),
        ("/a b.so (f(x, y) (z)+1)", ("/a b.so", None, "f(x, y) (z)", 1, None, "no_build_id")),
        ("/b.apk (offset 0x1000)", ("/b.apk", 0x1000, None, None, None, "no_build_id")),
        ("/b.apk (offset 1000) (f+1)", ("/b.apk", 0x1000, "f", 1, None, "no_build_id")),
        ("/b.apk!liba.so (offset 0x0) (f+1)", ("/b.apk!liba.so", None, "f", 1, None, "no_build_id")),
        ("/x (2)/a.so (f()+1)", ("/x (2)/a.so", None, "f()", 1, None, "no_build_id")),
        ("/a (deleted) (f+1)", ("/a (deleted)", None, "f", 1, None, "no_build_id")),
        ("[anon:a (b)] (f+1)", ("[anon:a (b)]", None, "f", 1, None, "no_build_id")),
        ("[vdso] (__kernel_vsyscall+16)", ("[vdso]", None, "__kernel_vsyscall", 16, None, "no_build_id")),
        ("<anonymous:ee137000>", ("<anonymous:ee137000>", None, None, None, None, "no_build_id")),
        ("/a.so (abort)", ("/a.so", None, "abort", None, None, "no_build_id")),
        ("/a.so (f+-1)", ("/a.so", None, "f", None, None, "no_build_id")),
        ("/a.so (f+1) (BuildId: aa", ("/a.so", None, "f", 1, None, "no_build_id")),
        ("/a.so (f+1) (BuildId: <unknown>)", ("/a.so", None, "f", 1, None, "no_build_id")),
        ("/a.so (cut_in_the_m", ("/a.so", None, None, None, None, "no_build_id")),
        ("/a.so (operator+(A, B)+8)", ("/a.so", None, "operator+(A, B)", 8, None, "no_build_id")),
    ],
)  # fmt: skip
def test_a_frame_is_taken_apart(line, expected):
    frame = read_frame(f"#03 pc 0001beef  {line}".strip())

    assert frame is not None
    assert (frame.index, frame.address) == (3, 0x1BEEF)
    assert (
        frame.module,
        frame.map_offset,
        frame.function,
        frame.function_offset,
        frame.build_id,
        frame.status,
    ) == expected
    assert frame.raw_function == frame.function


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0xb6a15237  (/system/lib/libasan.so+0x4f237)", (0x4F237, "/system/lib/libasan.so", None, None, None)),
        ("0xb6a1 in f(int) (/a.so+0x21) (BuildId: aa01)", (0x21, "/a.so", "f(int)", None, None)),
        ("0xb6a1 in f(int) /src/f.cc:12:3", (0xB6A1, None, "f(int)", "/src/f.cc", 12)),
        ("0xb6a1 in f", (0xB6A1, None, "f", None, None)),
        ("0xb6a1", (0xB6A1, None, None, None, None)),
    ],
)  # fmt: skip
def test_a_frame_of_a_sanitizer_is_taken_apart(line, expected):
    frame = read_frame(f"#1 {line}")

    assert frame is not None
    assert (frame.address, frame.module, frame.function, frame.file, frame.line) == expected


@pytest.mark.parametrize(
    "line",
    ["#00 485527f8  00000234", "# 1 pc 00000001  /a.so", "#00 pc  /a.so", "native: #00 pc 1"],
)
def test_other_lines_are_no_frames(line):
    assert read_frame(line) is None


@pytest.mark.parametrize(
    ("line", "registers"),
    [
        ("r8 000000b0  10 48552868  fp 00000234", {"r8": 0xB0, "10": 0x48552868, "fp": 0x234}),
        ("x0   ffffffffffffffff", {"x0": 2**64 - 1}),
        ("zr 00000000  at 802babc0", {"zr": 0, "at": 0x802BABC0}),
        ("v0   2f2f2f2f2f2f2f2f0000000000000000", None),
        ("signal 00000011 code", None),
        ("two words", None),
        ("ff88c85c  ebaa1383  /apex/libc.so", None),
        ("", None),
    ],
)
def test_a_register_row_is_taken_apart(line, registers):
    assert read_registers(line) == registers


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("00000055'63d21000-00000055'63d31fff r-x         0     11000  /system/bin/a (BuildId: AA01) (load bias 0x1000)", (0x5563D21000, 0x5563D32000, True, "/system/bin/a", "aa01")),
        ("--->f7450000-f7450fff r--         0      1000  /a b.so", (0xF7450000, 0xF7451000, False, "/a b.so", None)),
        ("12c00000-12d40000 rw-        0   140000 [anon:x (y)]", (0x12C00000, 0x12D40000, False, "[anon:x (y)]", None)),
        ("f7450000-f7450fff ---         0      1000", (0xF7450000, 0xF7451000, False, None, None)),
        ("400d5000-400e1000 /system/bin/linker", (0x400D5000, 0x400E1000, True, "/system/bin/linker", None)),
        ("400d5000-400e1000 [stack]", (0x400D5000, 0x400E1000, False, "[stack]", None)),
    ],
)  # fmt: skip
def test_a_mapping_is_taken_apart(line, expected):
    mapping = read_mapping(line)

    assert mapping is not None
    assert (
        mapping.start_addr,
        mapping.end_addr,
        mapping.executable,
        mapping.path,
        mapping.build_id,
    ) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Abort message: 'one'", "    r0 00000000  r1 00000001"], "one"),
        (["Abort message: 'it's'", "backtrace:"], "it's"),
        (["Abort message: 'one", "  two", "", "three'", "", "backtrace:"], "one\n  two\n\nthree"),
        (["Abort message: 'a 'b'", "c' d'", "Extra crash detail: x: 'y'"], "a 'b'\nc' d"),
        (["Abort message: 'cut in"], "cut in"),
        (["Abort message: 'cut", "in two"], "cut\nin two"),
        (["Abort message: ''", "backtrace:"], None),
        (
            [
                "Abort message: '==7==ERROR: HWAddressSanitizer: tag-mismatch on address 0x1",
                "    #0 0x7b23  (/lib/liba.so+0x7868)  (BuildId: 1234)",
                "    x0  1  x1  2",
                "'",
                "    x0  0000000000000000  x1  0000000000000001",
            ],
            "==7==ERROR: HWAddressSanitizer: tag-mismatch on address 0x1\n"
            "    #0 0x7b23  (/lib/liba.so+0x7868)  (BuildId: 1234)\n    x0  1  x1  2\n",
        ),
    ],
)
def test_an_abort_message_may_hold_lines_and_quotes(lines, message):
    assert crash_of(BANNER, PROCESS, SIGNAL, *lines).abort_message == message


def test_the_stack_inside_a_sanitizers_report_is_not_the_one_of_the_crash():
    crash = crash_of(
        PROCESS, SIGNAL,
        "Abort message: '==7==ERROR: HWAddressSanitizer: tag-mismatch on address 0x1",
        "    #0 0x7b23  (/lib/liba.so+0x7868)  (BuildId: 1234)",
        "'",
        "backtrace:", FRAME,
    )  # fmt: skip

    assert len(crash.threads[0].frames) == 1
    assert crash.threads[0].frames[0].module != "/lib/liba.so"


def test_a_sanitizers_frame_may_have_two_blanks_before_its_build_id():
    crash = crash_of(
        "==7==ERROR: HWAddressSanitizer: tag-mismatch on address 0x1 at pc 0x2",
        "    #0 0x7b23  (/lib/liba.so+0x7868)  (BuildId: 1234)",
    )

    frame = crash.threads[0].frames[0]
    assert (frame.module, frame.build_id, frame.address, frame.function) == (
        "/lib/liba.so", "1234", 0x7868, None,
    )  # fmt: skip


def test_a_second_backtrace_of_nobody_is_left_out():
    crash = crash_of(PROCESS, FRAME, FRAME.replace("#00", "#01"), FRAME)

    assert [frame.index for frame in crash.threads[0].frames] == [0, 1]


def test_build_ids_of_the_memory_map_complete_the_backtrace():
    crash = crash_of(
        PROCESS,
        "#00 pc 00001000  /system/lib/liba.so (f+1)",
        "#01 pc 00001000  /system/lib/libb.so (f+1)",
        "#02 pc 00001000  /data/base.apk (offset 0x1000)",
        "memory map:",
        "f7450000-f7450fff r-x         0      1000  /system/lib/liba.so (BuildId: aa01)",
        "f7460000-f7460fff r-x         0      1000  /system/lib/libb.so (BuildId: aa02)",
        "f7470000-f7470fff r-x         0      1000  /system/lib/libb.so (BuildId: aa03)",
        "f7480000-f7480fff r-x         0      1000  /data/base.apk (BuildId: aa04)",
    )

    assert [frame.build_id for frame in crash.threads[0].frames] == ["aa01", None, None]


def test_several_tombstones_are_counted_and_the_first_is_read():
    first = [BANNER, "Build fingerprint: 'a'", PROCESS, SIGNAL, FRAME]
    second = [BANNER, "Build fingerprint: 'b'", PROCESS.replace("com.example", "b")]

    crash = crash_of(*first, *second, *second)

    assert crash.process == "com.example"
    assert crash.details["tombstones"] == 3
    assert crash_of(*first, *second[1:]).details["tombstones"] == 2


def test_the_header_of_dropbox_in_front_of_a_tombstone_does_no_harm():
    crash = crash_of(
        "isPrevious: true",
        "Build: example/phone/phone:14/X/1:user/release-keys",
        "Revision: 3",
        "Timestamp: 2026-01-01 00:00:00",
        "Dropped-Count: 4",
        "",
        BANNER,
        BANNER,
        "Build fingerprint: 'a'",
        PROCESS,
        SIGNAL,
        FRAME,
    )

    assert (crash.process, crash.build_fingerprint) == ("com.example", "a")
    assert crash.details["dropped_count"] == 4
    assert "tombstones" not in crash.details


def test_a_deep_stack_keeps_its_head_and_its_tail():
    frames = [f"#{at:02d} pc 00001000  /a.so (f{at}+1)" for at in range(2000)]

    crash = crash_of(PROCESS, *frames)

    kept = [frame.index for frame in crash.threads[0].frames]
    assert kept == [*range(384), *range(2000 - 128, 2000)]
    assert crash.details["frames_omitted"] == 2000 - 512


def test_more_threads_than_the_limit_are_counted():
    others = [f"pid: 7, tid: {tid}, name: x  >>> com.example <<<" for tid in range(100, 800)]
    lines = [line for other in others for line in (NEXT_THREAD, other, FRAME)]

    crash = crash_of(BANNER, PROCESS, FRAME, *lines)

    assert len(crash.threads) == 512
    assert crash.details["threads_omitted"] == 701 - 512


def test_an_endless_line_and_endless_numbers_are_read_without_harm():
    long = "9" * 100_000

    crash = crash_of(
        BANNER,
        f"pid: {long}, tid: {long}",
        f"signal {long}",
        PROCESS + " " * 100_000,
        f"#{long} pc {long}",
        f"#00 pc 00001000  /a.so ({'(' * 100_000}+{long})",
        f"Cmdline: {' ' * 100_000}x",
    )

    assert crash.pid == 7
    assert len(crash.threads[0].frames) == 1


def test_an_impossible_thread_id_is_left_out():
    crash = crash_of("pid: 4294967295, tid: 0, name: x  >>> com.example <<<")

    assert (crash.pid, crash.tid) == (None, None)
