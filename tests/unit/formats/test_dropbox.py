"""DropBox entries of every kind, with and without their tag, whole and damaged."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import dropbox
from crashes.formats.dropbox_header import read_header
from crashes.formats.errors import MalformedPayload
from crashes.stack import Crash, CrashKind
from tests.unit.formats.fixtures import Golden, goldens
from tests.unit.formats.mutations import mutated
from tests.unit.formats.outline import outline

FIXTURES = goldens("dropbox")
HEADER = "Process: com.example.notes\nPID: 7\nUID: 10001\nFlags: 0x1\nPackage: com.example.notes v3 (1)\n"
STACK = "java.lang.Error: x\n\tat a.B.c(B.java:1)\n"
DUMP = '----- pid 7 at T -----\nCmd line: other\n"main" prio=5 tid=1 Native\n  | sysTid=7\n  at a.B.c(B.java:1)\n'


def parse(text: str) -> Crash:
    return dropbox.parse(text.encode())


@pytest.mark.parametrize("golden", FIXTURES, ids=str)
def test_a_fixture_has_its_golden_answer(golden: Golden):
    assert outline(dropbox.parse(golden.payload)) == golden.expected


@pytest.mark.parametrize(
    ("tag", "body", "kind"),
    [
        ("data_app_crash", STACK, CrashKind.JAVA_CRASH),
        ("system_server_crash", STACK, CrashKind.JAVA_CRASH),
        ("data_app_anr", DUMP, CrashKind.ANR),
        ("system_app_wtf", STACK, CrashKind.WTF),
        ("system_app_wtf", "only a message\n", CrashKind.WTF),
        ("data_app_strictmode", STACK, CrashKind.STRICT_MODE),
        ("system_server_lowmem", "Total PSS by process:\n", CrashKind.LOW_MEMORY_KILL),
        ("system_server_pre_watchdog", DUMP, CrashKind.WATCHDOG),
        ("system_server_watchdog", "CPU usage from 1 to 2\n", CrashKind.WATCHDOG),
        ("SYSTEM_RESTART", "", CrashKind.REBOOT),
        ("SYSTEM_FSCK", "fs_stat,/dev/block/data,0x405\n", CrashKind.ERROR),
    ],
)
def test_the_tag_says_the_kind(tag: str, body: str, kind: CrashKind):
    crash = parse(f"2026-11-20 10:11:13 {tag} (text, 100 bytes)\n{HEADER}\n{body}")

    assert crash.kind is kind
    assert crash.details["tag"] == tag
    assert crash.process == "com.example.notes"


@pytest.mark.parametrize(
    ("extra", "body", "kind"),
    [
        ("", STACK, CrashKind.JAVA_CRASH),
        ("Subject: SomeTag\n", STACK, CrashKind.WTF),
        ("", "android.util.Log$TerribleFailure: x\n\tat a.B.c(B.java:1)\n", CrashKind.WTF),
        ("", "android.os.strictmode.LeakedClosableViolation: x\n\tat a.B.c(B.java:1)\n", CrashKind.STRICT_MODE),
        ("Uptime-Millis: 3\n", STACK, CrashKind.STRICT_MODE),
        ("Subject: Input dispatching timed out\n", DUMP, CrashKind.ANR),
        ("Subject: executing service a/.B\n", "cut", CrashKind.ANR),
        ("", DUMP, CrashKind.ANR),
        ("Subject: Blocked in handler on main thread (main)\n", "cut", CrashKind.WATCHDOG),
        ("Subject: Low on memory -- x\n", "", CrashKind.LOW_MEMORY_KILL),
        ("", "*** *** *** ***\npid: 7, tid: 8, name: a  >>> b <<<\nsignal 6 (SIGABRT), code 0 (SI_USER), fault addr --------\n", CrashKind.NATIVE_CRASH),
        ("", STACK + "\n01-01 00:00:00.000 1 2 F DEBUG: *** *** *** ***\n", CrashKind.JAVA_CRASH),
    ],
)  # fmt: skip
def test_without_a_tag_the_content_says_the_kind(extra: str, body: str, kind: CrashKind):
    assert parse(f"{HEADER}{extra}\n{body}").kind is kind


def test_the_header_wins_over_the_body():
    crash = parse(f"{HEADER}Build: b/c/d:1\n\n{DUMP}")

    assert (crash.process, crash.pid, crash.build_fingerprint) == (
        "com.example.notes",
        7,
        "b/c/d:1",
    )


@pytest.mark.parametrize(
    ("line", "name", "code", "version"),
    [
        ("com.example v29 (10)", "com.example", 29, "10"),
        ("com.example v29", "com.example", 29, None),
        ("com.example", "com.example", None, None),
        ("com.example v29 (1.0 (beta) v2)", "com.example", 29, "1.0 (beta) v2"),
        ("com.example vNaN (x)", "com.example", None, "x"),
        ("com.example v29 (", "com.example", 29, None),
    ],
)
def test_a_package_line_is_split(line: str, name: str, code: int | None, version: str | None):
    package = read_header([f"Package: {line}"], 0).packages[0]

    assert (package.name, package.version_code, package.version_name) == (name, code, version)


def test_a_watchdog_without_its_thread_keeps_the_main_thread():
    crash = parse(f"{HEADER}Subject: Blocked in handler on gone thread (gone) for 60s\n\n{DUMP}")

    assert crash.threads[0].name == "main"
    assert crash.threads[0].crashing


def test_a_watchdog_without_stacks_names_its_thread():
    crash = parse(
        f"{HEADER}Subject: Blocked in monitor a.B on foreground thread (android.fg)\n\ncut"
    )

    assert [(thread.name, thread.crashing) for thread in crash.threads] == [("android.fg", True)]


def test_the_first_readable_of_printed_entries_counts():
    entry = "=" * 40 + "\n2026-11-20 10:11:13 {} (text, 9 bytes)\n{}\n"
    text = entry.format("keymaster", "???") + entry.format("data_app_crash", HEADER + "\n" + STACK)

    crash = parse("Drop box contents: 2 entries\nMax entries: 1000\n\n" + text)

    assert crash.kind is CrashKind.JAVA_CRASH
    assert crash.details["entries"] == 2


def test_windows_endings_and_a_byte_order_mark_change_nothing():
    plain = parse(f"{HEADER}\n{STACK}")

    assert dropbox.parse(f"\ufeff{HEADER}\n{STACK}".replace("\n", "\r\n").encode()) == plain


def test_a_cut_boot_reason_is_no_reason():
    crash = parse("isPrevious: true\nHardware: x\n\nlog\nBoot info:\nLast boot reason: ")

    assert (crash.kind, crash.reason) == (CrashKind.REBOOT, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unknown_dropbox_body"),
        ("Flags: 0x1\n\nprose", "unknown_dropbox_body"),
        ("2026-11-20 10:11:13 data_app_crash (contents lost)\n", "contents_lost"),
        (HEADER + "\nno stack here, only words.", "not_a_java_stacktrace"),
        ("2026-11-20 10:11:13 keymaster (9 bytes)\nxyz", "unknown_dropbox_body"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(text: str, code: str):
    with pytest.raises(MalformedPayload) as refusal:
        parse(text)

    assert refusal.value.code == code


def test_a_refusal_says_where_the_body_begins():
    with pytest.raises(MalformedPayload) as refusal:
        parse(HEADER + "\nno stack here, only words.")

    assert refusal.value.where == "line 6"


@pytest.mark.parametrize(
    "text",
    [
        "A: " * 100_000,
        "A-" * 100_000,
        "A: b\n" * 60_000,
        "Package: a v1 (1)\n" * 60_000,
        ("=" * 40 + "\n2026-11-20 10:11:13 x (text)\n") * 3_000,
        "=" * 300_000,
        HEADER + "\n" + "Process: a\n" * 30_000 + STACK,
    ],
)
def test_adversarial_text_ends_soon(text: str):
    with suppress(MalformedPayload):
        parse(text)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(tail: bytes):
    for head in ("", HEADER + "\n", "isPrevious: true\n\n", "\x08\x01\x12\x03a/b"):
        with suppress(MalformedPayload):
            dropbox.parse(head.encode() + tail)


@given(mutated([golden.payload for golden in FIXTURES]))
def test_damaged_fixtures_raise_nothing_else(payload: bytes):
    with suppress(MalformedPayload):
        dropbox.parse(payload)


def test_the_same_crash_by_tag_and_by_content_is_the_same():
    by_content = parse(f"{HEADER}\n{STACK}")
    by_tag = parse(f"2026-11-20 10:11:13 data_app_crash (text, 1 bytes)\n{HEADER}\n{STACK}")

    details = {key: value for key, value in by_tag.details.items() if key != "tag"}
    assert replace(by_tag, timestamp=None, details=details) == by_content


def test_a_tombstone_names_its_own_build_and_not_that_of_the_boot_after_it():
    payload = (
        b"isPrevious: true\nBuild: a/b/c:14/NEW/1:user/k\nHardware: b\nBootloader: x\n\n"
        b"*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***\n"
        b"Build fingerprint: 'a/b/c:13/OLD/1:user/k'\npid: 1, tid: 2, name: t  >>> p <<<\n"
        b"signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0\n"
    )

    assert dropbox.parse(payload).build_fingerprint == "a/b/c:13/OLD/1:user/k"


def test_every_violation_that_was_joined_in_an_entry_is_told():
    head = "Process: com.example.ui\nFlags: 0x1\nSystem-App: true\nUptime-Millis: 5\n\n"
    one = "android.os.strictmode.{}Violation\n\tat com.example.{}.run(A.java:1)\n\n"
    payload = "".join(head + one.format(word, word) for word in ("Read", "Write", "Network"))

    crash = dropbox.parse(payload.encode())

    assert (crash.exception_type, crash.details["violations"]) == (
        "android.os.strictmode.ReadViolation", 3,
    )  # fmt: skip
    assert crash.details["other_violations"] == [
        {"process": "com.example.ui", "exception_type": f"android.os.strictmode.{word}Violation",
         "functions": [f"com.example.{word}.run"]}
        for word in ("Write", "Network")
    ]  # fmt: skip
