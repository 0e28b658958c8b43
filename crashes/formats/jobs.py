"""What a sandbox child is asked to do with a payload: plain values in, plain values out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import msgspec

from crashes.formats.cleaning import Cleaner
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import Crash, PayloadFormat, to_json

_LEAST, _MOST = -(2**63), 2**64 - 1
"""The numbers that MessagePack has. No address is larger."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a payload: what of it may be kept, and its crash or why there is none.

    `clean` is None where nothing had to go. `refusal` is the parser's code, detail and place.
    """

    clean: bytes | None
    crash: Crash | None
    refusal: tuple[str, str, str | None] | None = None


def read_job(payload_format: str, payload: bytes) -> msgspec.Raw:
    """A payload cleaned, and the crash of what is left of it, for a caller who decodes a `Reading`.

    Raises MalformedPayload for a payload that cannot be cleaned.
    """
    clean = clean_job(payload_format, payload)
    answer: dict[str, Any] = {"clean": clean, "crash": None}
    try:
        answer["crash"] = crash_job(payload_format, payload if clean is None else clean)
    except MalformedPayload as problem:
        answer["refusal"] = (problem.code, problem.detail, problem.where)
    return msgspec.Raw(msgspec.msgpack.encode(answer))


def crash_job(payload_format: str, payload: bytes) -> msgspec.Raw:
    """The crash of one payload, for a caller who decodes the answer into a `Crash`.

    That takes a third of the time of JSON values. Numbers of more than 64 bits are left out: a
    damaged or made-up dump may hold any. Raises MalformedPayload.
    """
    crash = parse_payload(PayloadFormat(payload_format), payload)
    try:
        return msgspec.Raw(msgspec.msgpack.encode(crash))
    except OverflowError:
        return msgspec.Raw(msgspec.msgpack.encode(_of_64_bits(crash)))


def _of_64_bits(value: Any) -> Any:
    """The value with None in place of numbers that are too large; out of mappings they go."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: _of_64_bits(getattr(value, part.name)) for part in fields(value)}
        return replace(value, **parts)
    if isinstance(value, Mapping):
        kept = {name: _of_64_bits(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not None}
    if isinstance(value, tuple | list):
        return type(value)(_of_64_bits(item) for item in value)
    return None if type(value) is int and not _LEAST <= value <= _MOST else value


def parse_job(payload_format: str, payload: bytes) -> dict[str, Any]:
    """The crash of one payload as JSON values. Raises MalformedPayload."""
    document: dict[str, Any] = to_json(parse_payload(PayloadFormat(payload_format), payload))
    return document


def sniff_job(payload: bytes) -> str | None:
    """The name of the format that the payload looks like, or None."""
    found = sniff(payload)
    return None if found is None else found.value


def clean_job(payload_format: str, payload: bytes) -> bytes | None:
    """What may be kept of one payload; None if that is all of it.

    Raises MalformedPayload for a packed payload that is damaged.
    """
    clean = Cleaner().clean(PayloadFormat(payload_format), payload)
    return None if clean is payload else clean
