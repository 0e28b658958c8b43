"""The formats by name, and by content."""

import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import registry
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import PARSERS, SUPPORTED, PayloadFormat, parse_payload, sniff
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


@pytest.mark.parametrize(
    "name",
    ["android14_arm64_gwp_asan.txt", "android7_arm64_file.txt"],
)
def test_a_tombstone_that_ends_in_a_piece_of_log_is_a_tombstone(name):
    payload = (Path(__file__).parents[2] / "data" / "tombstones" / name).read_bytes()

    assert sniff(payload) is PayloadFormat.TOMBSTONE_TEXT
