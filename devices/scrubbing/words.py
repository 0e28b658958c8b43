"""The value that a word announces: `ssid="Home"`, `{"token":"…"}`, `<name>x</name>`, `Name: x`."""

import re

_BETWEEN = re.compile(
    rb"(?:\\?[\"']|&quot;|\]|\))?[ \t]?(?:is |->|=>|[:=>({]|%3[dDaA])?[ \t]?(?:\\?[\"']|&quot;|%22|\[|\(|\{)?"
)
_ANNOUNCES = re.compile(rb"[:=>({\[]|is |%3")
_QUOTES = (b'\\"', b"\\'", b'"', b"'", b"&quot;", b"%22")
_BRACKETS = {b"[": b"]", b"(": b")", b"{": b"}"}
_LOOSE_END = re.compile(
    rb"[\r\n\0<]|, [A-Za-z_]+[:=]| [A-Za-z_]+ ?=|[,;] (?:BSSID|uid|retrying)| \(|[;|}]"
)
_TIGHT_END = re.compile(rb"[\s\0<>\"'&,;|)\]}#\\]")


def value_after(data: bytes, end: int, *, is_loose: bool) -> tuple[int, int] | None:
    """Where the value is that belongs to a word ending at `end`; None when nothing announces one.

    A quoted value ends at its quote, a bracketed one at its bracket. Any other one ends at white
    space and punctuation, or, if it `is_loose` and may hold blanks, at the end of the line or the
    next key.
    """
    between = _BETWEEN.match(data, end)
    if between is None or between.end() == end:
        return None
    opening, start = between.group(), between.end()
    if not _ANNOUNCES.search(opening):
        return None
    for quote in _QUOTES:
        if opening.endswith(quote) and (len(opening) > len(quote) or quote in (b'"', b"'")):
            stop = _quote_end(data, start, quote)
            if stop is not None:
                return (start, stop)
            break
    closing = _BRACKETS.get(opening[-1:])
    if closing is not None:
        stop = data.find(closing, start, start + _LONGEST)
        if stop >= 0 and not _NESTED.search(data, start, stop):
            return (start, stop)
        if opening[-1:] in b"[{":
            return None  # a list or an object: what is in it has words of its own
    found = (_LOOSE_END if is_loose else _TIGHT_END).search(data, start, start + _LONGEST)
    stop = found.start() if found else min(len(data), start + _LONGEST)
    return (start, stop)


_NESTED = re.compile(rb"[\"\n{\[]")
_LONGEST = 4096


def _quote_end(data: bytes, start: int, quote: bytes) -> int | None:
    """The closing quote; an apostrophe inside a word is none."""
    at = start
    while True:
        at = data.find(quote, at, start + _LONGEST)
        if at < 0 or b"\n" in data[start:at]:
            return None
        is_apostrophe = (
            quote == b"'" and data[at - 1 : at].isalnum() and data[at + 1 : at + 2].isalnum()
        )
        is_escaped = quote == b'"' and data[at - 1 : at] == b"\\" and at > start
        if not is_apostrophe and not is_escaped:
            return at
        at += len(quote)
