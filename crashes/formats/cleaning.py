"""A payload as it may be kept: reduced to what is needed, and scrubbed.

    text                  tokens (`devices.scrubbing`)
    minidump, core        equal length, so that every offset stays true; not in their tables
    protobuf tombstone    equal length, in its texts alone
    gzip                  unpacked; what is kept is packed anyway
    envelope of Sentry    every item by itself, with its new length
    zip                   every file by itself; what cannot be read is left out, as nobody can say
                          what it holds

Runs in the sandbox: the bytes are hostile.
"""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from crashes.formats.core_file import is_core
from crashes.formats.core_reduction import core_structure, scrubbed_core
from crashes.formats.errors import MalformedPayload
from crashes.formats.minidump_structure import keep_spans, keep_structure
from crashes.formats.reduction import reduced
from crashes.formats.tombstone_text_fields import scrub_text_fields
from crashes.stack import PayloadFormat
from devices.scrubbing import scrub_binary, scrub_text, scrub_values

_BINARY = frozenset({PayloadFormat.MINIDUMP, PayloadFormat.CORE})
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MAX_BYTES = 192 << 20
_MAX_ENTRIES = 20_000
_MAX_RATIO = 400
_SMALL = 1 << 20
_LOOK_AT = 4096
_MAX_NAME = 512
_WORD_BYTES = 8
_TROUBLE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError,
    NotImplementedError, RuntimeError, IndexError, KeyError,
)  # fmt: skip


@dataclass(slots=True)
class Cleaner:
    """Cleans one payload, within limits for all that is packed in it."""

    _left_bytes: int = _MAX_BYTES

    def clean(self, payload_format: PayloadFormat, payload: bytes) -> bytes:
        """The payload that may be kept. Raises MalformedPayload for a packed one that is damaged."""
        if payload.startswith(_GZIP):
            payload = self._unpacked(payload)
        if payload.startswith(_ZIP):
            return self._clean_zip(payload)
        if payload_format is PayloadFormat.SENTRY_EVENT:
            parts = _envelope_parts(payload)
            if parts is not None:
                return self._clean_envelope(payload, parts)
        payload = reduced(payload_format, payload)
        if payload_format is PayloadFormat.TOMBSTONE_PROTO:
            return scrub_text_fields(payload, lambda text: scrub_binary(text).data)
        is_binary = payload_format in _BINARY or b"\0" in payload[:_LOOK_AT]
        if is_binary:
            return _clean_binary(payload)
        clean = scrub_text(payload).data
        return clean if clean is payload else _still_json(payload, clean)

    def _clean_envelope(self, payload: bytes, parts: Sequence["_Part"]) -> bytes:
        """Every item by itself, with its new length in its header."""
        lines = [payload.partition(b"\n")[0]]
        for part in parts:
            content = self.clean(PayloadFormat.NONE, payload[part.start : part.end])
            header = {**scrub_values(part.header), "length": len(content)}
            lines += (msgspec.json.encode(header), content)
        clean = b"\n".join(lines) + b"\n"
        return payload if clean == payload else clean

    def _unpacked(self, payload: bytes) -> bytes:
        stream = zlib.decompressobj(31)
        try:
            content = stream.decompress(payload, self._left_bytes)
        except zlib.error as problem:
            raise MalformedPayload("corrupt_gzip", f"gzip cannot be unpacked: {problem}") from None
        if stream.unconsumed_tail:
            raise MalformedPayload("too_large", f"unpacks to more than {self._left_bytes} bytes")
        self._left_bytes -= len(content)
        return content

    def _clean_zip(self, payload: bytes) -> bytes:
        result = io.BytesIO()
        try:
            with (
                zipfile.ZipFile(io.BytesIO(payload)) as source,
                zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target,
            ):
                for entry in source.infolist()[:_MAX_ENTRIES]:
                    self._copy(source, entry, target)
        except _TROUBLE as problem:
            raise MalformedPayload(
                "corrupt_zip", f"the archive cannot be read: {type(problem).__name__}"
            ) from None
        return result.getvalue()

    def _copy(
        self, source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: zipfile.ZipFile
    ) -> None:
        is_bomb = entry.file_size > max(_SMALL, entry.compress_size * _MAX_RATIO)
        if entry.is_dir() or is_bomb or entry.file_size > self._left_bytes or entry.flag_bits & 1:
            return
        try:
            with source.open(entry) as stream:
                content = stream.read(entry.file_size)
        except _TROUBLE:
            return
        self._left_bytes -= len(content)
        if content.startswith((_GZIP, _ZIP)):
            return
        is_binary = b"\0" in content[:_LOOK_AT]
        small = reduced(PayloadFormat.NONE, content)
        clean = _clean_binary(small) if is_binary else scrub_text(small).data
        name = scrub_text(entry.filename[:_MAX_NAME].encode("utf-8", "replace")).data
        target.writestr(
            zipfile.ZipInfo(name.decode("utf-8", "replace"), entry.date_time),
            clean,
            zipfile.ZIP_DEFLATED,
        )


def _clean_binary(payload: bytes) -> bytes:
    if is_core(payload):
        clean = scrubbed_core(payload, _clean_words)
        return keep_spans(payload, clean, _has_text, core_structure(payload))
    if not payload.startswith(b"MDMP"):
        return scrub_binary(payload).data
    return keep_structure(payload, _clean_words(payload), _has_text)


def _clean_words(data: bytes) -> bytes:
    return scrub_binary(data, numbers_every=_WORD_BYTES).data


def _has_text(data: bytes) -> bool:
    """Whether there is text in it that has to go."""
    return scrub_text(data).data is not data


def _still_json(payload: bytes, clean: bytes) -> bytes:
    """The clean text; should it be JSON no more, the document with every value scrubbed by itself."""
    if payload[:64].lstrip()[:1] not in (b"{", b"["):
        return clean
    try:
        msgspec.json.decode(clean)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            document = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return clean  # it was none before
        return msgspec.json.encode(scrub_values(document))
    return clean


@dataclass(frozen=True, slots=True)
class _Part:
    """An item of an envelope: what its header says, and where its bytes are."""

    header: dict[str, Any]
    start: int
    end: int


def _envelope_parts(payload: bytes) -> list[_Part] | None:
    """The items of an envelope as `intake.sentry_envelope.joined` writes it; None if it is none."""
    parts: list[_Part] = []
    at = payload.find(b"\n") + 1
    while 0 < at < len(payload):
        end = payload.find(b"\n", at)
        try:
            header = msgspec.json.decode(payload[at:end], type=dict[str, Any]) if end > 0 else {}
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
            return None
        length = header.get("length")
        if not isinstance(length, int) or not 0 <= length <= len(payload) - end - 1:
            return None
        parts.append(_Part(header, end + 1, end + 1 + length))
        at = end + length + 2
    return parts or None
