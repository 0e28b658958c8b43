"""The spool file: what was acknowledged, before any worker has looked at it.

One file holds the uploads that arrived together, one record behind the other, so that one fsync
keeps them all. A record stands on its own: a lost row can be written again from it.

    "UXP1" | header length, 4 bytes | payload length, 8 bytes | CRC-32 of both parts, 4 bytes
    header: JSON (program, device, model, received_at, envelope) | payload: bytes as unpacked

Numbers are big-endian.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

_MAGIC = b"UXP1"
_PREFIX = struct.Struct(">4sIQI")
_MAX_HEADER_BYTES = 1 << 20


class DamagedSpool(Exception):
    """The bytes are no whole spool record."""


def encode_record(header: dict[str, Any], payload: bytes) -> bytes:
    """One record."""
    head = msgspec.json.encode(header)
    checksum = zlib.crc32(payload, zlib.crc32(head))
    return b"".join((_PREFIX.pack(_MAGIC, len(head), len(payload), checksum), head, payload))


def decode_record(data: bytes | memoryview) -> tuple[dict[str, Any], bytes, int]:
    """Header, payload and length of the record at the start. Raises DamagedSpool."""
    if len(data) < _PREFIX.size:
        raise DamagedSpool("shorter than a record's prefix")
    magic, head_bytes, payload_bytes, checksum = _PREFIX.unpack_from(data)
    end = _PREFIX.size + head_bytes + payload_bytes
    if magic != _MAGIC or head_bytes > _MAX_HEADER_BYTES or end > len(data):
        raise DamagedSpool("not a whole record")
    head = bytes(data[_PREFIX.size : _PREFIX.size + head_bytes])
    payload = bytes(data[_PREFIX.size + head_bytes : end])
    if zlib.crc32(payload, zlib.crc32(head)) != checksum:
        raise DamagedSpool("checksum differs")
    try:
        header = msgspec.json.decode(head)
    except msgspec.DecodeError:
        raise DamagedSpool("header is not JSON") from None
    return header, payload, end


def iterate_records(data: bytes) -> Iterator[tuple[int, int, dict[str, Any], bytes]]:
    """(offset, length, header, payload) of every whole record; stops at the first damaged one."""
    offset = 0
    view = memoryview(data)
    while offset < len(data):
        try:
            header, payload, length = decode_record(view[offset:])
        except DamagedSpool:
            return
        yield offset, length, header, payload
        offset += length
