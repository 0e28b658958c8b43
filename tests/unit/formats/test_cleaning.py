"""What may be kept of a payload: structure stays, identifiers go."""

from dataclasses import replace

import pytest
from hypothesis import given

from crashes.formats.cleaning import Cleaner
from crashes.formats.registry import parse_payload
from crashes.formats.tombstone_writer import write_proto
from crashes.stack import Crash, CrashKind, Frame, PayloadFormat, Thread
from devices.scrubbing import scrub_binary
from tests.unit.formats.minidump_writer import (
    ANDROID,
    WrittenDump,
    WrittenException,
    WrittenModule,
    WrittenThread,
    elf_record,
    write,
)
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


def many_threads(cpu="arm64"):
    """A dump with the stacks and registers of so many threads that some number looks like an IMEI."""
    threads = [
        WrittenThread(
            tid, {"pc": BASE + 4 * tid, "sp": BASE + 0x100_0000 * tid},
            BASE + 0x100_0000 * tid, bytes(4096), name=f"worker {tid}",
        )
        for tid in range(5300, 5500)
    ]  # fmt: skip
    modules = [WrittenModule("/system/lib64/libc.so", BASE, 0x10_0000, elf_record(bytes(20)))]
    return write(WrittenDump(cpu, ANDROID, threads, modules, WrittenException(5379, 11, 1)))


BASE = 0x7A00000000


def test_tables_of_a_minidump_are_left_alone_whatever_their_numbers_look_like():
    payload = many_threads()
    assert scrub_binary(payload).data != payload

    kept = Cleaner().clean(PayloadFormat.MINIDUMP, payload)

    before, after = (parse_payload(PayloadFormat.MINIDUMP, one) for one in (payload, kept))
    assert before.tid == 5379
    assert after == before


def in_memory(memory: bytes) -> bytes:
    """The memory of a stack after cleaning."""
    thread = WrittenThread(7, {"pc": BASE, "sp": BASE}, BASE, bytes(64) + memory)
    kept = Cleaner().clean(PayloadFormat.MINIDUMP, write(WrittenDump("arm64", ANDROID, [thread])))
    place = write(WrittenDump("arm64", ANDROID, [thread])).index(memory)
    return kept[place : place + len(memory)]


def test_identifiers_in_the_memory_of_a_minidump_go():
    text = f"imei={IMEI}".encode().ljust(24, b"\0")
    number = 357918081234561 - 1
    while scrub_binary(number.to_bytes(8, "little")).data == number.to_bytes(8, "little"):
        number += 1
    packed = number.to_bytes(8, "little")

    kept = in_memory(text + packed + packed[::-1])

    assert IMEI.encode() not in kept
    assert packed not in kept
    assert packed[::-1] not in kept


def test_half_of_a_pointer_beside_a_small_number_is_no_identifier():
    """As return addresses lie beside sizes on a stack."""
    pairs = [_RETURN + size.to_bytes(8, "little") for size in range(0x13E00, 0x14800)]
    taken = [pair for pair in pairs if scrub_binary(pair).data != pair]
    assert taken

    assert in_memory(b"".join(taken)) == b"".join(taken)


@pytest.mark.parametrize("end", range(0xF0, 0xFA))
def test_a_small_number_before_a_pointer_is_no_packed_identifier(end):
    memory = b"".join(
        small.to_bytes(7, "little") + bytes([end]) for small in (0x89, 0x119, 0x53, 0x19853)
    )

    assert scrub_binary(memory).data == memory


_RETURN = (0x7A12345678).to_bytes(8, "little")


def test_what_goes_from_a_name_in_two_byte_letters_leaves_such_letters():
    modules = [WrittenModule("/home/annavirtanen/lib/libapp.so", BASE, 0x1000)]
    thread = WrittenThread(7, {"pc": BASE + 16, "sp": BASE}, BASE, bytes(64))
    payload = write(WrittenDump("arm64", ANDROID, [thread], modules))

    kept = Cleaner().clean(PayloadFormat.MINIDUMP, payload)

    (module,) = parse_payload(PayloadFormat.MINIDUMP, kept).modules
    assert module.path == "/home/<user>******/lib/libapp.so"
    assert Cleaner().clean(PayloadFormat.MINIDUMP, kept) == kept
