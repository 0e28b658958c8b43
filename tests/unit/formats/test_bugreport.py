"""Bugreports: an index of the whole and the crashes inside, whatever an archive claims."""

import zipfile
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats import bugreport_archive
from crashes.formats.bugreport import parse
from crashes.formats.bugreport_text import header, sections
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import Crash, CrashKind, JsonValue, PayloadFormat, from_json, to_json
from tests.unit.formats.fixtures import DATA, Sample, goldens, samples
from tests.unit.formats.mutations import mutated

HEAD = b"""========================================================
== dumpstate: 2026-03-01 10:00:00
========================================================

Build: UP1A.231005.007
Build fingerprint: 'example/phone/phone:14/UP1A/1:user/release-keys'
Bootloader: b1
Radio: r1
Kernel: Linux version 5.10.198-android12 (build@host) #1 SMP
Command line: androidboot.serialno=SECRET
Uptime: up 0 weeks, 0 days, 3 hours, 9 minutes
Bugreport format version: 2.0

"""
LOG = b"""------ SYSTEM LOG (logcat -v threadtime -d *:v) ------
03-01 09:59:00.000  1000  1050 E AndroidRuntime: FATAL EXCEPTION: main
03-01 09:59:00.000  1000  1050 E AndroidRuntime: Process: com.example.mail, PID: 1000
03-01 09:59:00.000  1000  1050 E AndroidRuntime: java.lang.IllegalStateException: no
03-01 09:59:00.000  1000  1050 E AndroidRuntime: \tat com.example.mail.Sync.run(Sync.java:3)
------ 0.016s was the duration of 'SYSTEM LOG' ------
"""
LOGGED = LOG.replace(b"FATAL EXCEPTION: main", b"a stack follows").replace(b"E Andr", b"W Andr")
TRACES = b"""------ VM TRACES AT LAST ANR (/data/anr/anr_1: 2026-03-01 09:58:00) ------

----- pid 900 at 2026-03-01 09:58:00 -----
Cmd line: com.example.clock

"main" prio=5 tid=1 Sleeping
  | sysTid=900 nice=0 cgrp=default
  at java.lang.Thread.sleep(Native method)
  at com.example.clock.Tick.run(Tick.java:9)

----- end 900 -----
"""
KMSG = b"""------ LAST KMSG (/proc/last_kmsg) ------
[   10.000000] kernel BUG at drivers/a.c:1!
[   10.000001] pc : probe+0x10/0x20
[   10.000002] Call trace:
[   10.000003]  probe+0x10/0x20
"""
REST = b"""------ EVENT LOG (logcat -b events -d) ------
03-01 09:59:00.000  1000  1050 I am_crash: [1000,0,com.example.mail,1,x,y,z,3]
03-01 09:59:00.000  1000  1050 I am_kill : [0,4,com.example.a,900,empty]
03-01 09:59:00.000  1000  1050 I am_kill : [0,5,com.example.b,900,empty]
------ CHECKIN BATTERYSTATS (dumpsys batterystats -c) ------
9,0,i,vers,36,200,UP1A.1,UP1A.1
9,0,l,dc,1,2,1,0
------ DUMPSYS (dumpsys) ------
DUMP OF SERVICE CRITICAL activity:
nothing
DUMP OF SERVICE dropbox:
Drop box contents: 0 entries
"""
TEXT = HEAD + LOG + TRACES + KMSG + REST
TOMBSTONE = goldens("tombstones")[0].payload


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


REPORT = packed({"main_entry.txt": b"bugreport-phone.txt", "bugreport-phone.txt": TEXT})


def listed(crash: Crash) -> list[tuple[JsonValue, JsonValue, JsonValue]]:
    """Source, kind and process of every crash of the report."""
    crashes = crash.details["crashes"]
    assert isinstance(crashes, list)
    rows = [row for row in crashes if isinstance(row, dict)]
    return [(row["source"], row["kind"], row["process"]) for row in rows]


@pytest.mark.parametrize("payload", [TEXT, REPORT], ids=["text", "archive"])
def test_the_crash_is_the_first_one_and_all_are_listed(payload: bytes):
    crash = parse(payload)

    assert (crash.kind, crash.process) == (CrashKind.JAVA_CRASH, "com.example.mail")
    assert crash.details["crash_source"] == "SYSTEM LOG"
    assert listed(crash) == [
        ("SYSTEM LOG", "java_crash", "com.example.mail"),
        ("VM TRACES AT LAST ANR", "anr", "com.example.clock"),
        ("LAST KMSG", "kernel_panic", None),
    ]


def test_a_stack_that_was_only_logged_comes_behind_what_died():
    crash = parse(HEAD + LOGGED + TRACES)

    assert crash.process == "com.example.clock"
    assert [kind for _, kind, _ in listed(crash)] == ["anr", "java_crash"]


def test_an_anr_of_the_log_has_the_threads_of_the_dump():
    log = b"""------ SYSTEM LOG (logcat) ------
03-01 09:58:00.000  1000  1050 E ActivityManager: ANR in com.example.clock (com.example.clock/.Main)
03-01 09:58:00.000  1000  1050 E ActivityManager: PID: 900
03-01 09:58:00.000  1000  1050 E ActivityManager: Reason: Input dispatching timed out
"""

    crash = parse(HEAD + log + TRACES)

    assert (crash.kind, crash.reason) == (CrashKind.ANR, "Input dispatching timed out")
    assert crash.threads[0].frames[1].function == "com.example.clock.Tick.run"
    assert len(listed(crash)) == 1


def test_the_header_is_told_without_the_command_line():
    crash = parse(TEXT)

    assert crash.build_fingerprint == "example/phone/phone:14/UP1A/1:user/release-keys"
    assert header(TEXT) == {
        "build": "UP1A.231005.007",
        "fingerprint": "example/phone/phone:14/UP1A/1:user/release-keys",
        "bootloader": "b1",
        "radio": "r1",
        "kernel": "5.10.198-android12",
        "uptime": "up 0 weeks, 0 days, 3 hours, 9 minutes",
        "format_version": "2.0",
        "dumpstate_time": "2026-03-01 10:00:00",
    }
    assert "SECRET" not in str(to_json(crash))


def test_sections_and_services_are_found_with_their_bytes():
    found = sections(TEXT)

    assert [(part.title, part.command) for part in found] == [
        ("SYSTEM LOG", "logcat -v threadtime -d *:v"),
        ("VM TRACES AT LAST ANR", "/data/anr/anr_1: 2026-03-01 09:58:00"),
        ("LAST KMSG", "/proc/last_kmsg"),
        ("EVENT LOG", "logcat -b events -d"),
        ("CHECKIN BATTERYSTATS", "dumpsys batterystats -c"),
        ("DUMPSYS", "dumpsys"),
        ("activity", None),
        ("dropbox", None),
    ]
    assert TEXT[found[6].start : found[6].end] == b"nothing\n"


def test_events_and_battery_statistics_are_summed_up():
    details = parse(TEXT).details

    assert details["events"] == {"am_crash": 1, "am_kill": 2}
    assert details["last_kmsg"] is True
    checkin = details["checkin"]
    assert isinstance(checkin, dict)
    assert checkin["checkin_version"] == 36


def test_files_of_an_archive_are_read_by_their_kind():
    payload = packed(
        {
            "bugreport-phone.txt": HEAD,
            "dumpstate_log.txt": b"",
            "FS/data/tombstones/tombstone_00": TOMBSTONE,
            "FS/data/anr/anr_1": TRACES.partition(b"\n")[2],
            "FS/data/anr/broken": b"\xff",
        }
    )

    crash = parse(payload)

    assert crash.kind is CrashKind.NATIVE_CRASH
    assert [source for source, *_ in listed(crash)] == [
        "FS/data/tombstones/tombstone_00",
        "FS/data/anr/anr_1",
    ]
    assert (crash.details["main_entry"], crash.details["files_count"]) == ("bugreport-phone.txt", 5)


def test_everything_may_lie_in_a_folder():
    tombstone = (DATA / "tombstones" / "android16_riscv64.txt").read_bytes()
    payload = packed(
        {
            "out/main_entry.txt": b"bugreport-x.txt",
            "out/bugreport-x.txt": b"== dumpstate: 2026-01-08 15:30:07\n",
            "out/FS/data/tombstones/tombstone_03": tombstone,
        }
    )

    crash = parse(payload)

    assert crash.details["main_entry"] == "out/bugreport-x.txt"
    assert crash.details["crash_source"] == "out/FS/data/tombstones/tombstone_03"
    assert crash.abi == "riscv64"


def test_a_report_without_a_crash_is_still_read():
    crash = parse(HEAD + REST)

    assert (crash.kind, crash.reason, crash.threads) == (CrashKind.ERROR, None, ())
    assert crash.details["crashes"] == []


def test_a_report_survives_its_json_form_and_is_recognized():
    assert from_json(to_json(parse(REPORT))) == parse(REPORT)
    assert sniff(REPORT) is PayloadFormat.BUGREPORT
    assert sniff(TEXT) is PayloadFormat.BUGREPORT


def refusal(payload: bytes) -> str:
    with pytest.raises(MalformedPayload) as caught:
        parse(payload)
    return caught.value.code


def test_what_cannot_be_a_report_is_refused():
    assert refusal(b"hello") == "not_a_bugreport"
    assert refusal(b"PK\x03\x04 broken") == "corrupt_zip"
    assert refusal(packed({"notes.txt": b"x"})) == "no_main_entry"
    assert refusal(packed({"main_entry.txt": b"../../etc/passwd"})) == "no_main_entry"


def test_a_bomb_is_not_unpacked():
    bomb = packed({"main_entry.txt": b"bugreport.txt", "bugreport.txt": b"\0" * 32_000_000})

    assert len(bomb) < 50_000
    assert refusal(bomb) == "no_main_entry"


def test_other_ways_of_packing_are_not_read():
    payload = packed({"bugreport.txt": TEXT}, zipfile.ZIP_LZMA)

    assert refusal(payload) == "no_main_entry"


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bugreport_archive, "MAX_ENTRIES", 3)

    assert refusal(packed({f"file{at}": b"" for at in range(4)})) == "too_many_entries"


@pytest.mark.parametrize("sample", samples("bugreport"))
def test_a_sample_is_read_as_the_manifest_says(sample: Sample):
    expected = dict(sample.expect)

    crash = parse_payload(PayloadFormat.BUGREPORT, sample.payload)

    if expected.pop("no_fingerprint", False):
        assert crash.build_fingerprint is None
    assert {name: crash.details[name] for name in expected} == expected
    assert sniff(sample.payload) is PayloadFormat.BUGREPORT


def outcome_of(payload: bytes) -> Crash | str:
    """The crash, or the code of the refusal."""
    try:
        return parse(payload)
    except MalformedPayload as problem:
        return problem.code


@given(payload=st.binary(max_size=512))
def test_any_bytes_behind_a_magic_are_a_crash_or_malformed(payload: bytes):
    assert outcome_of(b"PK\x03\x04" + payload) == "corrupt_zip"
    assert outcome_of(payload) in {"not_a_bugreport", "corrupt_zip"}


@settings(max_examples=150)
@given(payload=mutated([REPORT, TEXT]))
def test_a_damaged_report_is_a_crash_or_malformed(payload: bytes):
    outcome = outcome_of(payload)

    refusals = {"not_a_bugreport", "corrupt_zip", "no_main_entry", "too_many_entries"}
    assert isinstance(outcome, Crash) or outcome in refusals
