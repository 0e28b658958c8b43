"""What may be kept of a payload: structure stays, identifiers go."""

from dataclasses import replace

import pytest
from hypothesis import given

from crashes.formats.cleaning import Cleaner
from crashes.formats.registry import parse_payload
from crashes.formats.tombstone_writer import write_proto
from crashes.stack import Crash, CrashKind, Frame, PayloadFormat, Thread
from devices.scrubbing import scrub_binary
from tests.unit.formats.tombstone_cases import crashes

IMEI = "490154203237518"


def number_that_looks_packed() -> int:
    """A number of which the bytes on the wire are an IMEI in packed digits."""
    pairs = [0x94, 0x90, 0x85, 0x82, 0x93, 0x87, 0x91]
    for check in range(10):
        wire = bytes([*pairs, 0xF0 | check, 0x01])
        if scrub_binary(wire).data != wire:
            return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(wire))
    raise AssertionError("no check digit fits")


def crash(**more):
    thread = Thread(name="main", tid=7, crashing=True)
    return Crash(CrashKind.NATIVE_CRASH, process="app", pid=7, tid=7, threads=(thread,), **more)


def clean(payload: bytes) -> bytes:
    return Cleaner().clean(PayloadFormat.TOMBSTONE_PROTO, payload)


def test_an_identifier_in_a_text_of_a_protobuf_tombstone_goes_and_its_length_stays():
    payload = write_proto(crash(abort_message=f"modem said imei={IMEI}"))

    kept = clean(payload)

    assert len(kept) == len(payload)
    assert IMEI.encode() not in kept
    message = parse_payload(PayloadFormat.TOMBSTONE_PROTO, kept).abort_message
    assert message is not None
    assert message.startswith("modem said imei=<imei>")


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_numbers_between_the_texts_are_left_alone_whatever_they_look_like(is_wrapped):
    number = number_that_looks_packed()
    frame = Frame(0, address=number, module="/system/lib64/libc.so")
    thread = Thread(name="main", tid=7, crashing=True, frames=(frame,))
    payload = write_proto(replace(crash(), threads=(thread,)), with_headers=is_wrapped)
    assert scrub_binary(payload).data != payload

    kept = clean(payload)

    before, after = (parse_payload(PayloadFormat.TOMBSTONE_PROTO, one) for one in (payload, kept))
    assert after == before


@given(crashes())
def test_no_tombstone_is_damaged(original):
    payload = write_proto(original)

    kept = parse_payload(PayloadFormat.TOMBSTONE_PROTO, clean(payload))

    before = parse_payload(PayloadFormat.TOMBSTONE_PROTO, payload)
    assert [len(thread.frames) for thread in kept.threads] == [
        len(thread.frames) for thread in before.threads
    ]
    assert replace(kept, threads=(), modules=()).pid == before.pid


@pytest.mark.parametrize("damage", [b"\x0a\xff\xff\xff\x7f", b"\x0f", b"\xff" * 12, b"\x12\x05ab"])
def test_what_is_no_tombstone_is_searched_as_text(damage):
    kept = clean(damage + f" imei={IMEI}".encode())

    assert IMEI.encode() not in kept
    assert len(kept) == len(damage) + 6 + len(IMEI)
