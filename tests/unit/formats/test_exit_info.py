"""Why processes ended, in every form in which Android tells it."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats import exit_info
from crashes.formats.errors import MalformedPayload
from crashes.formats.exit_info import EXIT_INFO_SCHEMA, STORE_SCHEMA
from crashes.formats.protobuf_wire import encode
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import Crash, CrashKind, PayloadFormat, from_json, to_json
from tests.unit.formats.mutations import mutated

DUMPSYS = b"""ACTIVITY MANAGER PROCESS EXIT INFO (dumpsys activity exit-info)
Last Timestamp of Persistence Into Persistent Storage: 2026-02-13 11:43:44.000
  package: com.example.app
    Historical Process Exit for uid=10123
        ApplicationExitInfo #0:
          timestamp=2026-02-13 11:43:44.123 pid=4711 realUid=90001 packageUid=10123 definingUid=10123 user=0
          process=com.example.app:remote reason=6 (ANR) subreason=0 (UNKNOWN) status=0
          importance=100 pss=1.5MB rss=234MB description=user request after error: Input dispatching timed out (state=x) state=empty trace=/data/system/procexitstore/anr_1.gz
        ApplicationExitInfo #1:
          timestamp=2026-02-12 11:43:44.123 pid=4600 realUid=10123 packageUid=10123 definingUid=10123 user=0
          process=com.example.app reason=13 (OTHER KILLS BY SYSTEM) subreason=3 (TOO MANY CACHED PROCS) status=0
          importance=400 pss=0.00 rss=0.00 description=null state=empty trace=null
  package: com.example.other
    Historical Process Exit for uid=10200
        ApplicationExitInfo #0:
          timestamp=2026-02-11 11:43:44.123 pid=300 realUid=10200 packageUid=10200 definingUid=10200 user=0
          process=com.shared.process reason=3 (LOW MEMORY) subreason=0 (UNKNOWN) status=0
          importance=400 pss=0.00 rss=0.00 description=null state=empty trace=null
"""
ONE_LINE = (
    b"ApplicationExitInfo(timestamp=2/13/26, 11:43 AM pid=4711 realUid=10123 packageUid=10123 "
    b"definingUid=10123 user=0 process=com.example.app reason=5 (APP CRASH(NATIVE)) subreason=0 "
    b"(UNKNOWN) status=11 importance=100 pss=0.00 rss=150MB description=crash state=empty trace=null"
)
OLDER = {"pid": 1, "process": "com.example.app:x", "reason": 4, "timestamp": 1_770_000_000_000}
NEWER = {"pid": 2, "process": "com.example.app", "reason": 2, "status": 9,
         "timestamp": 1_770_000_001_000, "pss": 12, "description": "killed"}  # fmt: skip
STORE = encode(
    {
        "updated_at": 1_770_000_002_000,
        "packages": [{"name": "com.example.app", "users": [{"uid": 1, "exits": [OLDER, NEWER]}]}],
    },
    STORE_SCHEMA,
)
ONE = encode(
    {"pid": 4711, "real_uid": 10_123, "package_uid": 10_123, "process": "com.example.app",
     "reason": 3, "timestamp": 1_770_000_000_000},
    EXIT_INFO_SCHEMA,
)  # fmt: skip
FORMS = [DUMPSYS, ONE_LINE, STORE, ONE]


def said(crash: Crash) -> tuple[object, ...]:
    return crash.kind, crash.process, crash.package, crash.pid, crash.reason


def test_what_dumpsys_prints():
    crash = exit_info.parse(DUMPSYS)

    assert said(crash) == (
        CrashKind.ANR, "com.example.app:remote", "com.example.app", 4711,
        "user request after error: Input dispatching timed out (state=x)",
    )  # fmt: skip
    assert crash.timestamp == "2026-02-13 11:43:44.123"
    assert crash.details["reason_kind"] == "input"
    assert (crash.details["pss_kb"], crash.details["rss_kb"]) == (1536, 239_616)
    assert (crash.details["uid"], crash.details["package_uid"]) == (90_001, 10_123)
    assert crash.details["exit_count"] == 3
    exits = crash.details["exits"]
    assert isinstance(exits, list)
    assert [(row["package"], row["exit_reason"]) for row in exits if isinstance(row, dict)] == [
        ("com.example.app", "anr"),
        ("com.example.app", "other"),
        ("com.example.other", "low_memory"),
    ]
    assert isinstance(exits[1], dict)
    assert exits[1]["exit_sub_reason"] == "too_many_cached_procs"


def test_what_an_app_prints():
    crash = exit_info.parse(ONE_LINE)

    assert said(crash) == (
        CrashKind.NATIVE_CRASH, "com.example.app", "com.example.app", 4711, "crash",
    )  # fmt: skip
    assert crash.details["exit_status"] == 11


def test_the_newest_of_what_the_system_keeps():
    crash = exit_info.parse(STORE)

    assert said(crash) == (
        CrashKind.BACKGROUND_KILL, "com.example.app", "com.example.app", 2, "killed",
    )  # fmt: skip
    assert (crash.signal, crash.signal_number) == ("SIGKILL", 9)
    assert crash.timestamp == "2026-02-02T02:40:01+00:00"
    assert crash.details["exit_count"] == 2


def test_one_exit_alone():
    assert said(exit_info.parse(ONE)) == (
        CrashKind.LOW_MEMORY_KILL, "com.example.app", "com.example.app", 4711, "low_memory",
    )  # fmt: skip


@pytest.mark.parametrize("payload", FORMS)
def test_every_form_is_recognized(payload: bytes):
    assert sniff(payload) is PayloadFormat.EXIT_INFO
    assert sniff(payload.replace(b"\n", b"\r\n")) is PayloadFormat.EXIT_INFO


def test_a_text_without_an_exit_is_refused():
    with pytest.raises(MalformedPayload) as refusal:
        exit_info.parse(b"ACTIVITY MANAGER PROCESS EXIT INFO (dumpsys activity exit-info)\n")

    assert refusal.value.code == "not_exit_info"


@settings(max_examples=40)
@given(st.one_of(mutated(FORMS), st.binary(max_size=200).map(lambda rest: STORE[:24] + rest)))
def test_damage_is_read_or_refused(payload: bytes):
    with suppress(MalformedPayload):
        crash = parse_payload(PayloadFormat.EXIT_INFO, payload)
        assert from_json(to_json(crash)) == crash
