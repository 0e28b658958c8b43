"""The formats by name, and by content."""

import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes.formats import registry
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import PARSERS, SUPPORTED, PayloadFormat, parse_payload, sniff
from crashes.management.benchmarks import dumps
from crashes.management.benchmarks.payloads import sentry_event
from crashes.stack import from_json, to_json
from tests.unit.formats.fixtures import Golden, goldens
from tests.unit.formats.mutations import mutated

FORMATS = {
    "java": PayloadFormat.JAVA_STACKTRACE,
    "anr": PayloadFormat.ANR_TRACES,
    "dropbox": PayloadFormat.DROPBOX,
    "logcat": PayloadFormat.LOGCAT,
}
CASES = [(name, golden) for name in FORMATS for golden in goldens(name)]


@pytest.mark.parametrize(("name", "golden"), CASES, ids=[f"{name}/{it}" for name, it in CASES])
def test_a_fixture_is_recognized_by_its_content(name: str, golden: Golden):
    found = sniff(golden.payload)

    is_log = golden.path.stem.startswith("android_")
    assert found is (PayloadFormat.LOGCAT if name == "java" and is_log else FORMATS[name])


@pytest.mark.parametrize(("name", "golden"), CASES, ids=[f"{name}/{it}" for name, it in CASES])
def test_a_fixture_packed_with_gzip_reads_the_same(name: str, golden: Golden):
    packed = gzip.compress(golden.payload)

    assert sniff(packed) is sniff(golden.payload)
    assert parse_payload(FORMATS[name], packed) == parse_payload(FORMATS[name], golden.payload)


@pytest.mark.parametrize(("name", "golden"), CASES, ids=[f"{name}/{it}" for name, it in CASES])
def test_a_crash_survives_json(name: str, golden: Golden):
    crash = parse_payload(FORMATS[name], golden.payload)

    assert from_json(to_json(crash)) == crash


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"", None),
        (b"\n \n", None),
        (b"just prose, nothing more", None),
        (b'{"some": "json"}', None),
        (b"MDMP\x93\xa7", PayloadFormat.MINIDUMP),
        (b"W/google-breakpad( 1): -----BEGIN BREAKPAD MICRODUMP-----", PayloadFormat.MICRODUMP),
        (b'{"REPORT_ID": "1", "STACK_TRACE": "a.B"}', PayloadFormat.ACRA_JSON),
        (b"<6>[    0.000000] Booting Linux\n[    1.000000] more", PayloadFormat.KERNEL_LOG),
        (b"Panic#1 Part1\n<4>[   12.345678] x", PayloadFormat.KERNEL_LOG),
        (b"signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0", PayloadFormat.TOMBSTONE_TEXT),
        (b"\x08\x01\x12\x04a/b:", PayloadFormat.TOMBSTONE_PROTO),
        (b"\x12\x04a/b:", PayloadFormat.TOMBSTONE_PROTO),
        (b"\x0a\x08\x08\x01\x12\x04a/b:", PayloadFormat.TOMBSTONE_PROTO),
        (b"\n\n----- pid 7 at T -----", PayloadFormat.ANR_TRACES),
        (b"Subject: x\n\n----- dumping pid: 7 at 12", PayloadFormat.ANR_TRACES),
        (b"java.lang.Error", PayloadFormat.JAVA_STACKTRACE),
        (b"Drop box contents: 3 entries", PayloadFormat.DROPBOX),
        (b"2026-11-20 10:11:13 data_app_crash (text, 1 bytes)", PayloadFormat.DROPBOX),
        (b"\x1f\x8bnot really gzip", None),
    ],
)  # fmt: skip
def test_content_tells_the_format(payload: bytes, found: PayloadFormat | None):
    assert sniff(payload) is found


_TRACE = b"java.lang.IllegalStateException: gone\n\tat com.example.Main.run(Main.java:1)\n"
WHOLE = {
    PayloadFormat.MINIDUMP: [dumps.minidump(1)],
    PayloadFormat.CORE: [dumps.core(1)],
    PayloadFormat.MICRODUMP: [dumps.microdump(1), dumps.microdump(1).replace(b"F/google-breakpad(4711): ", b"")],
    PayloadFormat.BUGREPORT: [
        dumps.bugreport(1, log=b"", trace=_TRACE),
        b"========\n== dumpstate: 2026-01-08 15:30:07\n========\n\nBuild: UP1A.231005.007\n"
        b"------ UPTIME (uptime) ------\nup 1 day\n",
    ],
    PayloadFormat.BATTERYSTATS: [dumps.batterystats(1)],
    PayloadFormat.SENTRY_EVENT: [
        sentry_event(_TRACE, 1),
        b'\n  {"event_id": "9ec79c33ec9942ab8353589fcb2e04dc", "exception": {"values": []}}',
    ],
    PayloadFormat.ACRA_JSON: [b'{"ANDROID_VERSION": "14", "REPORT_ID": "1", "STACK_TRACE": "a.B\\n"}'],
    PayloadFormat.JAVA_STACKTRACE: [
        _TRACE,
        b"Exception in thread \"main\" " + _TRACE,
        b"FATAL EXCEPTION: main\nProcess: com.example, PID: 7\n" + _TRACE,
    ],
    PayloadFormat.KERNEL_LOG: [
        b"Panic#1 Part1\n<0>[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n",
        b"====1624000000.123456-D\n[    1.000000] Kernel panic - not syncing: x\n",
        b"<0>[    1.000000s][pid:1,cpu3,init]Kernel panic - not syncing: x\n",
    ],
    PayloadFormat.DROPBOX: [b"Process: com.example\nFlags: 0x1\nPackage: com.example v1 (1)\n\n" + _TRACE],
    PayloadFormat.LOGCAT: [b"01-08 15:29:43.114  9876  9876 E AndroidRuntime: FATAL EXCEPTION: main\n" * 3],
}  # fmt: skip


@pytest.mark.parametrize(
    ("payload_format", "payload"),
    [(name, payload) for name, payloads in WHOLE.items() for payload in payloads],
)
def test_a_whole_payload_tells_its_format_packed_or_not(
    payload_format: PayloadFormat, payload: bytes
):
    assert sniff(payload) is payload_format
    assert sniff(gzip.compress(payload)) is payload_format


@pytest.mark.parametrize(
    ("payload_format", "payload", "where"),
    [
        (PayloadFormat.JAVA_STACKTRACE, b"prose", "line 1"),
        (PayloadFormat.TOMBSTONE_TEXT, b"prose", "line 1"),
        (PayloadFormat.TOMBSTONE_PROTO, b"\x12\xff\xff\xff\x7f", "offset 0x1"),
        (PayloadFormat.ANR_TRACES, b"prose", "line 1"),
        (PayloadFormat.DROPBOX, b"prose", "line 1"),
        (PayloadFormat.LOGCAT, b"prose", "line 1"),
        (PayloadFormat.KERNEL_LOG, b"prose", "line 1"),
        (PayloadFormat.MINIDUMP, b"MDMP\x93\xa7", "offset 0x4"),
        (PayloadFormat.MICRODUMP, b"prose", "line 1"),
        (PayloadFormat.CORE, b"prose", "offset 0x0"),
        (PayloadFormat.BATTERYSTATS, b"prose", "line 1"),
        (PayloadFormat.EXIT_INFO, b"prose", "line 1"),
        (PayloadFormat.BUGREPORT, b"prose", "line 1"),
        (PayloadFormat.ACRA_JSON, b'{"a": 1', "line 1, letter 8"),
        (PayloadFormat.SENTRY_EVENT, b'{"a": 1', "line 1, letter 8"),
    ],
)
def test_a_refusal_says_where(payload_format: PayloadFormat, payload: bytes, where: str):
    with pytest.raises(MalformedPayload) as refusal:
        parse_payload(payload_format, payload)

    assert refusal.value.where == where
    assert refusal.value.detail


@pytest.mark.parametrize("payload_format", sorted(set(PayloadFormat) - SUPPORTED))
def test_a_format_without_a_parser_is_refused(payload_format: PayloadFormat):
    with pytest.raises(MalformedPayload) as refusal:
        parse_payload(payload_format, b"x")

    assert refusal.value.code == "unsupported_format"


def test_every_supported_format_has_a_parser():
    assert set(PARSERS) == SUPPORTED
    assert registry.PARSER_VERSION >= 1


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_sniffed_without_an_error(payload: bytes):
    found = sniff(payload)

    assert found is None or found in set(PayloadFormat)


@given(mutated([golden.payload for _, golden in CASES]), st.sampled_from(sorted(SUPPORTED)))
def test_a_mislabeled_payload_is_read_or_refused(payload: bytes, payload_format: PayloadFormat):
    sniff(payload)

    with suppress(MalformedPayload):
        crash = parse_payload(payload_format, payload)
        assert from_json(to_json(crash)) == crash


@pytest.mark.parametrize("payload_format", sorted(WHOLE))
@settings(max_examples=12)
@given(st.data())
def test_a_damaged_payload_of_any_format_is_read_or_refused(
    payload_format: PayloadFormat, data: st.DataObject
):
    payload = data.draw(mutated(WHOLE[payload_format]))

    sniff(payload)
    with suppress(MalformedPayload):
        crash = parse_payload(payload_format, payload)
        assert from_json(to_json(crash)) == crash


def test_whole_payloads_stand_for_every_format_that_has_no_tests_of_damage_elsewhere():
    elsewhere = {
        PayloadFormat.TOMBSTONE_TEXT, PayloadFormat.TOMBSTONE_PROTO, PayloadFormat.ANR_TRACES,
        PayloadFormat.EXIT_INFO,
    }  # fmt: skip

    assert set(WHOLE) | elsewhere == SUPPORTED


@pytest.mark.parametrize(
    "name",
    ["android14_arm64_gwp_asan.txt", "android7_arm64_file.txt"],
)
def test_a_tombstone_that_ends_in_a_piece_of_log_is_a_tombstone(name):
    payload = (Path(__file__).parents[2] / "data" / "tombstones" / name).read_bytes()

    assert sniff(payload) is PayloadFormat.TOMBSTONE_TEXT
