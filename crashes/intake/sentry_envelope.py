"""Sentry envelopes: several items of one client in one body.

    {"event_id":"…","dsn":"…","sdk":{…},"sent_at":"…"}      header of the envelope
    {"type":"event","length":122}                           header of an item
    …122 bytes…                                             its payload, then a newline
    {"type":"session"}                                      without `length`, up to the newline
    {…}

Lines end in a bare newline. What cannot be read ends the envelope: the items before it stand,
since an item says how long it is and nothing after a broken header can be found again. An item
that is cut off is damaged; whoever sent it has lost the rest already.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crashes.intake.client_text import decode_object

MAX_ITEMS = 1000
_MAX_HEADER_BYTES = 64 * 1024


class MalformedEnvelope(Exception):
    """The body is no envelope: not even its header can be read."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item. `type` is the client's word, empty when it gave none."""

    type: str
    headers: dict[str, Any]
    payload: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one body holds. `damaged` counts items that begin and cannot be read."""

    header: dict[str, Any]
    items: tuple[Item, ...]
    damaged: int = 0


def parse_header(body: bytes | memoryview) -> dict[str, Any]:
    """The header of an envelope whose first line is in `body`. Raises MalformedEnvelope."""
    header = decode_object(_line(memoryview(body), 0))
    if header is None:
        raise MalformedEnvelope("the first line is not the header of an envelope")
    return header


def parse_envelope(body: bytes) -> Envelope:
    """The items of an envelope, in order. Raises MalformedEnvelope."""
    view = memoryview(body)
    header = parse_header(view)
    items: list[Item] = []
    damaged = 0
    for item in _items(view, len(_line(view, 0)) + 1):
        if item is None or len(items) == MAX_ITEMS:
            damaged += 1
            break
        items.append(item)
    return Envelope(header, tuple(items), damaged)


def _items(view: memoryview, at: int) -> Iterator[Item | None]:
    """The items from `at` on; None for one that cannot be read, which is the last."""
    while at < len(view):
        line = _line(view, at)
        at += len(line) + 1
        if not bytes(line).strip():
            continue
        item = _item(view, at, line)
        yield item
        if item is None:
            return
        at += len(item.payload) + 1


def _item(view: memoryview, at: int, line: memoryview) -> Item | None:
    headers = decode_object(line) if len(line) <= _MAX_HEADER_BYTES else None
    if headers is None:
        return None
    length = headers.get("length")
    payload = _line(view, at) if length is None else view[at : at + _sound(length)]
    if length is not None and len(payload) != length:
        return None
    kind = headers.get("type")
    return Item(kind if isinstance(kind, str) else "", headers, payload)


def _sound(length: Any) -> int:
    """A length that can be cut to; of what is none, nothing."""
    return length if isinstance(length, int) and 0 <= length < sys.maxsize >> 1 else 0


def _line(view: memoryview, at: int) -> memoryview:
    """From `at` to the next newline, without it.

    The object behind the view is asked, as a view cannot search.
    """
    whole = view.obj
    end = whole.find(b"\n", at) if isinstance(whole, bytes) else -1
    return view[at:] if end < 0 else view[at:end]


def joined(items: Iterable[Item]) -> bytes:
    """An envelope of these items alone: what an event and its attachments are kept as."""
    parts = [b"{}"]
    for item in items:
        headers = {**item.headers, "type": item.type, "length": len(item.payload)}
        parts += (msgspec.json.encode(headers), bytes(item.payload))
    return b"\n".join(parts) + b"\n"
