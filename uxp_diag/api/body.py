"""Request bodies, read from the stream with limits on every step.

Django sees a chunked body as empty and leaves Content-Encoding alone (measured; phones send both),
so upload endpoints read the server's stream themselves:

    socket → wire bytes (counted) → decoder per Content-Encoding (output counted) → parts or bytes

Every decoder is pulled for a bounded amount of output at a time, so that a bomb costs one chunk
of memory and stops at the limit, not after it. gzip may have several members and zstd several
frames. A second layer of encoding is refused.

A body that is gathered as a whole, because a report is one JSON document, costs four to five times
its unpacked size until it is stored, and half a MiB on the wire can become a hundred. So beyond
its first MiB such a body needs room, of which a process has 256 MiB for all its requests; who
finds none is told to come again. Small bodies, which nearly all are, never wait for large ones.
"""

import re
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import brotli
import zstandard
from django.db import connection
from django.http import HttpRequest
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from uxp_diag.api.problem import Problem
from uxp_diag.limits import retry_after

_CHUNK = 64 * 1024
_MIB = 1 << 20
_ZSTD_WINDOW_BYTES = 8 * _MIB
_ZSTD_SLICE = 64
_MOST_MEMBERS = 10_000
_LONGEST_BOUNDARY = 70  # RFC 2046, section 5.1.1
_MOST_UNREAD_BYTES = 64 * _MIB
_UNREAD_SECONDS = 10.0
_READ_BYTES = "uxp.read_bytes"
_ROOM_BYTES = 256 * _MIB
_FREE_BYTES = _MIB
_ROOM_SECONDS = 10.0
_TAKEN_BYTES = "uxp.taken_bytes"


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much one body may be.

    `ratio` bounds unpacked to wire bytes beyond the first MiB; honest dumps stay below 25.
    """

    wire_bytes: int = 25 * _MIB
    unpacked_bytes: int = 100 * _MIB
    ratio: int = 200
    parts: int = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body. `file_name` is None for a plain field."""

    name: str
    file_name: str | None
    content: bytes = field(repr=False)


def read_body(request: HttpRequest, limits: BodyLimits) -> bytes:
    """The whole unpacked body. Raises Problem 400, 413, 415 or 503."""
    return _gathered(request, iterate_body(request, limits))


def read_lines(request: HttpRequest, limits: BodyLimits, *, most: int) -> list[bytes]:
    """The documents of an NDJSON body; blank lines do not count.

    Raises Problem 413 for more than `most`, 422 for none, and what `read_body` raises.
    """
    lines = [line for line in read_body(request, limits).split(b"\n") if line.strip()]
    if len(lines) > most:
        raise Problem(413, "too_many_lines", f"A batch may have {most} lines.")
    if not lines:
        raise Problem(422, "empty_batch", "The batch has no line.")
    return lines


_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""The escape of NUL in JSON, its backslash not itself escaped."""


def without_nul(document: bytes) -> bytes:
    """A JSON document with U+FFFD for every NUL, which PostgreSQL cannot store in text."""
    if b"\\u0000" not in document:  # a hundred times faster than the expression
        return document
    return _NUL.sub(rb"\1\\ufffd", document)


def iterate_body(request: HttpRequest, limits: BodyLimits) -> Iterator[bytes]:
    """The unpacked body in chunks of at most 64 KiB. Raises Problem 400, 413 or 415."""
    wire = _Wire(request, limits.wire_bytes)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        raise Problem(
            415, "unsupported_encoding", "Content-Encoding may be gzip, deflate, br or zstd."
        )
    total = 0
    with closing(_decoded(decoder, wire)) as chunks:  # else its buffers wait for the collector
        for chunk in chunks:
            total += len(chunk)
            beyond = total - _MIB > limits.ratio * wire.total
            if total > limits.unpacked_bytes or beyond:
                raise Problem(413, "body_too_large", "The unpacked body is larger than allowed.")
            yield chunk


def read_multipart(request: HttpRequest, limits: BodyLimits) -> list[Part]:
    """The parts of a multipart/form-data body, in order. Raises Problem 400, 413, 415 or 503."""
    return [
        Part(part.name, part.file_name, _gathered(request, part))
        for part in stream_parts(request, limits)
    ]


class _Room:
    """Memory for the large bodies of one process; nobody waits for it."""

    def __init__(self, size_bytes: int) -> None:
        self._lock = threading.Lock()
        self._free = size_bytes

    def take(self, size_bytes: int) -> bool:
        """Take so much, if there is so much."""
        with self._lock:
            if size_bytes > self._free:
                return False
            self._free -= size_bytes
            return True

    def give_back(self, size_bytes: int) -> None:
        """Others may have it again."""
        with self._lock:
            self._free += size_bytes


_room = _Room(_ROOM_BYTES)


def _gathered(request: HttpRequest, chunks: Iterable[bytes]) -> bytes:
    """All chunks as one. What is beyond the free bytes of a part is counted until `leave_room`."""
    gathered, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > _FREE_BYTES:
            _take_room(request, len(chunk))
        gathered.append(chunk)
    return b"".join(gathered)


def _take_room(request: HttpRequest, size_bytes: int) -> None:
    if not _room.take(size_bytes):
        raise Problem(
            503,
            "intake_unavailable",
            "Too many large uploads are on their way.",
            retry=True,
            headers={"Retry-After": retry_after(_ROOM_SECONDS)},
        )
    request.META[_TAKEN_BYTES] = request.META.get(_TAKEN_BYTES, 0) + size_bytes


def leave_room(request: HttpRequest) -> None:
    """The request is answered: what its body took is free again."""
    _room.give_back(request.META.pop(_TAKEN_BYTES, 0))


def stream_parts(request: HttpRequest, limits: BodyLimits) -> Iterator["StreamedPart"]:
    """The parts of a multipart/form-data body as they arrive; what is unread of one is skipped.

    A body of another type is one part named `file`. Raises Problem 400, 413 or 415.
    """
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    if kind != b"multipart/form-data":
        yield StreamedPart("file", None, iterate_body(request, limits))
        return
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise Problem(400, "malformed_multipart", "The multipart body names no boundary.")
    yield from _PartStream(iterate_body(request, limits), boundary, limits)


def drop_unread(request: HttpRequest) -> None:
    """Read what nobody has read of a body, so that its sender hears the answer.

    A server that answers and hangs up while the client still sends makes most clients report a
    broken pipe, and then a phone whose owner has withdrawn consent tries again and again. Up to
    64 MiB and ten seconds; a client that waits for `100 Continue` has sent nothing yet.
    """
    if getattr(request, "_read_started", False):  # by Django, to its end
        return
    already = request.META.get(_READ_BYTES, 0)
    is_chunked, declared = _framing(request)
    left = _MOST_UNREAD_BYTES if is_chunked else (declared or 0) - already
    if left > _MOST_UNREAD_BYTES or (not already and "Expect" in request.headers):
        return
    deadline = time.monotonic() + _UNREAD_SECONDS
    while left > 0 and time.monotonic() < deadline:
        try:
            chunk = request.META["wsgi.input"].read(min(left, _CHUNK))
        except OSError:
            return
        if not chunk:
            return
        left -= len(chunk)


class StreamedPart:
    """One part on its way in: iterate it once for its content."""

    def __init__(self, name: str, file_name: str | None, chunks: Iterator[bytes]) -> None:
        self.name = name
        self.file_name = file_name
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def drain(self) -> None:
        """Read the rest and forget it."""
        for _ in self._chunks:
            pass


class _Wire:
    """The bytes as they come from the server, counted against the limit."""

    def __init__(self, request: HttpRequest, limit: int) -> None:
        self._meta = request.META
        self._stream = request.META["wsgi.input"]
        self._limit = limit
        self._expected = _content_length(request, limit)
        self.total = 0
        _release_database()

    def read(self, size: int) -> bytes:
        """Up to `size` more bytes; empty at the end."""
        if self._expected is not None:
            size = min(size, self._expected - self.total)
        if size <= 0:
            return b""
        try:
            chunk: bytes = self._stream.read(size)
        except OSError:
            chunk = b""
        self.total += len(chunk)
        self._meta[_READ_BYTES] = self.total
        if self.total > self._limit:
            raise Problem(413, "body_too_large", "The body is larger than allowed.")
        if not chunk and self._expected is not None:
            raise Problem(400, "truncated_body", "The body ends early.", retry=True)
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(_CHUNK):
            yield chunk


def _release_database() -> None:
    """Give a pooled connection back: nobody holds one while waiting for a slow sender."""
    if "pool" in connection.settings_dict["OPTIONS"] and not connection.in_atomic_block:
        connection.close()


def _content_length(request: HttpRequest, limit: int) -> int | None:
    """The declared length; None for a chunked body, whose end the server knows."""
    is_chunked, length = _framing(request)
    if is_chunked:
        return None
    if length is None:
        raise Problem(400, "bad_content_length", "Content-Length is not a number.")
    if length > limit:
        raise Problem(413, "body_too_large", "The body is larger than allowed.")
    return length


def _framing(request: HttpRequest) -> tuple[bool, int | None]:
    """Whether the body is chunked, and the declared length; None where that is no number."""
    is_chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    text = request.META.get("CONTENT_LENGTH") or "0"
    return is_chunked, int(text) if text.isascii() and text.isdigit() else None


def _decoded(decoder: "_Decoder", wire: _Wire) -> Generator[bytes, None, None]:
    try:
        yield from decoder(wire)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError):
        raise Problem(
            400, "damaged_encoding", "The body is not what Content-Encoding says."
        ) from None


def _identity(wire: _Wire) -> Iterator[bytes]:
    yield from wire


def _gzip(wire: _Wire) -> Iterator[bytes]:
    """All members of a gzip body."""
    inflate = zlib.decompressobj(wbits=31)
    started, members = False, 1
    for chunk in wire:
        data = chunk
        while data:
            if inflate.eof:  # another member follows
                inflate, started, members = zlib.decompressobj(wbits=31), False, members + 1
                _refuse_many(members)
            started = True
            out = inflate.decompress(data, _CHUNK)
            if out:
                yield out
            data = inflate.unconsumed_tail or inflate.unused_data
            if not out and not data:
                break
    if started and not inflate.eof:
        yield from _rest(inflate)


def _refuse_many(members: int) -> None:
    """Empty members cost time and no bytes: 20 MB of them are a million."""
    if members > _MOST_MEMBERS:
        raise Problem(413, "body_too_large", "The packed body has too many members.")


def _deflate(wire: _Wire) -> Iterator[bytes]:
    """A zlib stream or a raw deflate stream: clients send either under this name."""
    inflate = None
    for chunk in wire:
        data = chunk
        if inflate is None:
            inflate = zlib.decompressobj(wbits=15 if _has_zlib_header(data) else -15)
        while data and not inflate.eof:
            out = inflate.decompress(data, _CHUNK)
            if out:
                yield out
            data = inflate.unconsumed_tail
    if inflate is not None and not inflate.eof:
        yield from _rest(inflate)


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950: method 8, and the two bytes are a multiple of 31."""
    return len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # noqa: PLR2004


def _rest(inflate: Any) -> Iterator[bytes]:
    """What a decoder still holds when its input is over; an unfinished stream is damage."""
    while out := inflate.decompress(inflate.unconsumed_tail, _CHUNK):
        yield out
    if not inflate.eof:
        raise EOFError


def _brotli(wire: _Wire) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    started = False
    for chunk in wire:
        started, data = True, chunk
        while True:
            out = decoder.process(data, output_buffer_limit=_CHUNK)
            data = b""
            if out:
                yield out
            if decoder.is_finished() or decoder.can_accept_more_data():
                break
    if started and not decoder.is_finished():
        raise EOFError


def _zstd(wire: _Wire) -> Iterator[bytes]:
    """All frames of a zstd body.

    The library cannot be asked for a bounded amount of output, but a block of at least 4 bytes
    makes at most 128 KiB: small slices in, bounded chunks out.
    """
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame, frames = None, 0
    for chunk in wire:
        for start in range(0, len(chunk), _ZSTD_SLICE):
            data = chunk[start : start + _ZSTD_SLICE]
            while data:
                if frame is None or frame.eof:
                    frame, frames = unpacker.decompressobj(), frames + 1
                    _refuse_many(frames)
                out = frame.decompress(data)
                data = frame.unused_data
                yield from (out[at : at + _CHUNK] for at in range(0, len(out), _CHUNK))
    if frame is not None and not frame.eof:
        raise EOFError


_Decoder = Callable[[_Wire], Iterator[bytes]]
_DECODERS: dict[str, _Decoder] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


class _Headers:
    """A part's header, gathered from what the push parser calls back with."""

    def __init__(self) -> None:
        self._name = bytearray()
        self._value = bytearray()
        self.values: dict[bytes, bytes] = {}

    def add_name(self, data: bytes, start: int, end: int) -> None:
        """More of a header's name."""
        self._name += data[start:end]

    def add_value(self, data: bytes, start: int, end: int) -> None:
        """More of a header's value."""
        self._value += data[start:end]

    def end_line(self) -> None:
        """The header line is whole; the parser bounds their size and number."""
        self.values[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()


class _PartStream:
    """Turns the push parser's calls into parts that can be pulled.

    The parser is fed one chunk when the consumer wants more; what it calls back with waits in
    `_events`: a `_Headers` opens a part, bytes belong to it, None closes it.
    """

    def __init__(self, chunks: Iterator[bytes], boundary: bytes, limits: BodyLimits) -> None:
        self._chunks = chunks
        self._limits = limits
        self._events: deque[_Headers | bytes | None] = deque()
        self._headers = _Headers()
        self._parts = 0
        self._is_complete = False
        self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[StreamedPart]:
        while (headers := self._next()) is not _END:
            if not isinstance(headers, _Headers):
                continue
            part = self._part(headers)
            yield part
            part.drain()

    def _part(self, headers: _Headers) -> StreamedPart:
        _, options = parse_options_header(headers.values.get(b"content-disposition", b""))
        file_name = options.get(b"filename")
        return StreamedPart(
            options.get(b"name", b"").decode(errors="replace"),
            None if file_name is None else file_name.decode(errors="replace"),
            self._content(),
        )

    def _content(self) -> Iterator[bytes]:
        while isinstance(event := self._next(), bytes):
            yield event

    def _next(self) -> Any:
        """The next event, or _END when the body is over."""
        while not self._events:
            chunk = next(self._chunks, None)
            try:
                if chunk is None:
                    self._finish()
                    return _END
                self._parser.write(chunk)
            except FormParserError:
                raise Problem(
                    400, "malformed_multipart", "The multipart body is damaged."
                ) from None
        return self._events.popleft()

    def _finish(self) -> None:
        self._parser.finalize()
        if not self._is_complete:
            raise Problem(400, "truncated_body", "The multipart body ends early.", retry=True)

    def _callbacks(self) -> dict[str, Any]:
        """What the parser calls, by its names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": lambda: self._events.append(self._headers),
            "on_part_data": lambda data, start, end: self._events.append(data[start:end]),
            "on_part_end": lambda: self._events.append(None),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise Problem(413, "too_many_parts", "The multipart body has too many parts.")
        self._headers = _Headers()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._headers.add_name(data, start, end)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers.add_value(data, start, end)

    def _header_end(self) -> None:
        self._headers.end_line()

    def _end(self) -> None:
        self._is_complete = True


_END = object()
