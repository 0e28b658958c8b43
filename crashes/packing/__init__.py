"""The large part of a report, made small.

Two things are kept of every report: its *document* (what the device said beside the payload, the
parsed crash, the receipt of grouping; JSON) and its *payload* (the dump as it came). Both are
packed with zstd and a dictionary of ours, because most of a report is what every report has: the
names of fields, the calls that Android puts under every stack, the words of dumps.

What is packed says in its header which dictionary it needs (RFC 8878, 3.1.1.1.3). The dictionaries
lie in `dictionaries/`, each under its number; they are part of the stored data and stay for ever.
The number 0 means none: so was everything packed before there were dictionaries, and so are blobs.

To add better ones, train them under new numbers (`manage.py train_packing`), and name them here as
the current ones. They are made from the demo fleet alone: nothing that a real device sent is in
them. See docs/adr/0006.
"""

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard

from crashes.stack import Crash

DOCUMENT, PAYLOAD = 100_001, 200_001
"""The current dictionaries. Private numbers begin at 32,768 (RFC 8878, 5)."""

FOLDER = Path(__file__).parent / "dictionaries"
LEVEL = 3
_MOST_BYTES = 512 << 20
_HEADER_BYTES = 18
_making = threading.Lock()


class UnreadablePack(ValueError):
    """The bytes were not packed here, need a dictionary that is gone, or hold too much."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept of a report beside its payload.

    `crash` is None in quarantine. `grouping` says why the report is in its issue.
    """

    envelope: dict[str, Any]
    crash: Crash | None = None
    grouping: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(Document)


def pack_document(document: Document) -> bytes:
    """A document, packed."""
    return _pack(msgspec.json.encode(document), DOCUMENT)


def unpack_document(packed: bytes) -> Document:
    """The document that was packed. Raises UnreadablePack."""
    try:
        return _decoder.decode(unpack(packed))
    except msgspec.MsgspecError as problem:
        raise UnreadablePack("no document") from problem


def pack_payload(payload: bytes) -> bytes:
    """A payload, packed."""
    return _pack(payload, PAYLOAD)


def unpack(packed: bytes, *, max_bytes: int = _MOST_BYTES) -> bytes:
    """What was packed, however long ago. Raises UnreadablePack."""
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if size != zstandard.CONTENTSIZE_UNKNOWN and size > max_bytes:
            raise UnreadablePack("holds more than is asked for")
        return _decompressor(packed).decompress(packed, max_output_size=max_bytes)
    except zstandard.ZstdError as problem:
        raise UnreadablePack("not packed, or not whole") from problem


def open_payload(source: IO[bytes]) -> IO[bytes]:
    """A packed payload as a stream that closes its source. Raises UnreadablePack."""
    head = source.read(_HEADER_BYTES)
    source.seek(0)
    stream: IO[bytes] = _decompressor(head).stream_reader(source, closefd=True)
    return stream


def _pack(data: bytes, number: int) -> bytes:
    # A compressor serves one thread at a time; making one costs microseconds.
    packer = zstandard.ZstdCompressor(level=LEVEL, dict_data=_dictionary(number))
    return packer.compress(data)


def _decompressor(packed: bytes) -> zstandard.ZstdDecompressor:
    """One that has the dictionary that these bytes, or their beginning, name."""
    if not packed:
        return zstandard.ZstdDecompressor()
    try:
        number = zstandard.get_frame_parameters(packed).dict_id
    except zstandard.ZstdError as problem:
        raise UnreadablePack("not packed") from problem
    return zstandard.ZstdDecompressor(dict_data=_dictionary(number) if number else None)


def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    with _making:
        return _loaded(number)


@cache
def _loaded(number: int) -> zstandard.ZstdCompressionDict:
    path = FOLDER / f"{number}.zdict"
    if not path.exists():
        raise UnreadablePack(f"dictionary {number} is not here")
    dictionary = zstandard.ZstdCompressionDict(path.read_bytes())
    dictionary.precompute_compress(level=LEVEL)  # once; else every report pays for it
    return dictionary
