"""Values with names: the name is what announces the value, as `ssid=` does in a text."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from devices.scrubbing.encodings import patches
from devices.scrubbing.engine import find_hits, scrub_str

_SHORT = 40
"""No field of ours holds fewer characters, so a token always fits into a text this short."""

_NOT_TEXT = frozenset({"sha256", "text", "base64"})
"""Digests; and the payload inside a report, which is cleaned as a payload."""

S = TypeVar("S", bound=msgspec.Struct)


@lru_cache(maxsize=8192)
def scrub_value(name: str, value: str) -> str:
    """One value, not longer than before beyond 40 characters. A fleet says the same again and again."""
    lead = f"{name}="
    scrubbed = scrub_str(lead + value)
    clean = scrubbed.removeprefix(lead) if scrubbed.startswith(lead) else scrub_str(value)
    return clean if len(clean) <= max(len(value), _SHORT) else clean[: len(value)]


def scrub_struct(struct: S) -> S:
    """The struct with every text in it scrubbed; the very struct when there was nothing to do."""
    changed: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        if name in _NOT_TEXT:
            continue
        value = getattr(struct, name)
        clean = _clean(name, value)
        if clean is not value:
            changed[name] = clean
    return msgspec.structs.replace(struct, **changed) if changed else struct


def _clean(name: str, value: Any) -> Any:
    if type(value) is str:
        clean = scrub_value(name, value) if value else value
        return value if clean == value else clean
    if type(value) is int or type(value) is float:
        text = repr(value)
        clean = scrub_value(name, text)
        return value if clean == text else clean
    if isinstance(value, msgspec.Struct):
        return scrub_struct(value)
    if isinstance(value, list | tuple):
        items = [_clean(name, item) for item in value]
        is_same = all(new is old for new, old in zip(items, value, strict=True))
        return value if is_same else type(value)(items)
    if isinstance(value, Mapping):
        pairs = {_key(key): _clean(key, item) for key, item in value.items()}
        is_same = all(key in pairs and pairs[key] is item for key, item in value.items())
        return value if is_same else pairs
    return value


def _key(key: Any) -> Any:
    return scrub_value("", key) if type(key) is str else key


def scrub_values(document: Any) -> Any:
    """JSON values with every text in them scrubbed; the very document when there was nothing to do.

    All texts are searched in one go; most documents hold nothing, and then that was all.
    """
    lines: list[str] = []
    _gather("", document, lines)
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    if not find_hits(text) and next(patches(text, find_hits), None) is None:
        return document
    return _clean("", document)


def _gather(name: str, value: Any, lines: list[str]) -> None:
    if type(value) in (str, int, float):
        lines.append(f"{name}={value}")
    elif isinstance(value, list | tuple):
        for item in value:
            _gather(name, item, lines)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _gather(str(key), item, lines)
            lines.append(str(key))
