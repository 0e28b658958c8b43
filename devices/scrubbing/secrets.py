"""What opens a door: tokens, passwords and keys, in addresses, headers, JSON and settings."""

import re
from collections.abc import Iterator

from devices.scrubbing.expressions import screened
from devices.scrubbing.kinds import Hit, Kind, Rule, Text
from devices.scrubbing.words import value_after

_HEADER = screened(rb"(?i)\b(?:bearer|basic|digest|oauth) ([A-Za-z0-9._~+/\-]{8,}=*)")
_COOKIE = screened(rb"(?i)\b(?:set-)?cookie2?[\"']?[:=] ?\"?([A-Za-z0-9_.\-]+)=([^;,\s\"]{4,})")
_SHAPED = screened(
    rb"(?:eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?|AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_\-.]{20,}|AKIA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,}|xox[abprs]-[A-Za-z0-9\-]{10,}"
    rb"|sk_(?:live|test)_[A-Za-z0-9]{16,}|uxp[ida]_[A-Za-z0-9_\-]{8,}|[A-Za-z0-9_\-]*:APA91[A-Za-z0-9_\-]{40,}|glpat-[A-Za-z0-9_\-]{20})"
)
_USER_INFO = screened(rb"[a-z][a-z0-9+.\-]*://([^\s/@:\"'<>]*:[^\s/@\"'<>]+)@")
_QUERY = screened(
    rb"(?i)[?&;](?:[a-z0-9_\-.]*(?:token|secret|passw(?:or)?d|pwd|signature|session|auth|apikey|api[_\-]key|credential|otp|ticket|jwt|nonce|assertion)[a-z0-9_\-.]*"
    rb"|sig|sid|key|code|pin|access_key|k|t|hash)(?:=|%3d)([^&\s\"'<>#;)\]},]{4,})"
)
_RANDOM_QUERY = screened(rb"[?&][A-Za-z0-9_\-.]{1,40}=([A-Za-z0-9_\-.~%+/]{20,}=*)")
_KEY = screened(
    rb"(?i)[a-z0-9_\-.]*(?:passw(?:or)?d|passphrase|\bpwd|secret|api[_\-]?key|apikey|credential|authorization|"
    rb"(?:access|refresh|auth|id|session|push|fcm|device|csrf|bearer|user|login|security)[_\-]?token|token|session_?id|private[_\-]?key|\bpsk|\bsae_password)"
    rb"(?:_?(?:value|hash|b64))?"
)
_SURE = re.compile(rb"(?i)passw|passphrase|pwd$|secret|api[_\-]?key|credential|[_\-]?psk$|private")
_SECRET_VALUE = re.compile(rb"[A-Za-z0-9._~+/=\-]{12,}\Z")
_SCHEME = re.compile(rb"(?i)(?:bearer|basic|digest|oauth)\s")
_WORD = re.compile(rb"^[^\s\"'<>,;]*")
_EMPTY = re.compile(
    rb"(?i)(?:null|none|true|false|undefined|<[a-z_#0-9]+>\**|\*+|\d{1,5}|\[?(?:redacted|filtered)\]?)\Z"
)
_UUID = re.compile(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_MIXED = re.compile(rb"(?=.*[0-9])(?=.*[A-Za-z])")
_NAME = re.compile(rb"[a-z]+(?:[._][A-Za-z$]+)+(?:@[0-9a-f]+)?\Z")


def _find_shaped(text: Text) -> Iterator[Hit]:
    for match in text.find(_SHAPED):
        yield Hit(*match.span(), Kind.SECRET)


def _find_headers(text: Text) -> Iterator[Hit]:
    for match in text.find(_HEADER):
        if _is_random(match.group(1)):
            yield Hit(*match.span(1), Kind.SECRET)
    for match in text.find(_COOKIE):
        yield Hit(*match.span(2), Kind.SECRET)


def _find_in_addresses(text: Text) -> Iterator[Hit]:
    for match in text.find(_USER_INFO):
        yield Hit(*match.span(1), Kind.SECRET)
    for match in text.find(_QUERY):
        if not _EMPTY.match(match.group(1)):
            yield Hit(*match.span(1), Kind.SECRET)
    for match in text.find(_RANDOM_QUERY):
        if _is_random(match.group(1)):
            yield Hit(*match.span(1), Kind.SECRET)


def _is_random(value: bytes) -> bool:
    """Whether letters are mixed with digits, or large with small ones, as in no word."""
    is_mixed = _MIXED.match(value) or (
        len(value) >= _LONG and not value.islower() and not value.isupper()
    )
    return bool(is_mixed) and not _NAME.match(value) and b"<" not in value


_LONG = 20


def _find_keyed(text: Text) -> Iterator[Hit]:
    done = 0
    for match in text.find(_KEY):
        span = (
            value_after(text.data, match.end(), is_loose=False) if match.start() >= done else None
        )
        if span is None:
            continue
        start, end = span
        done = end
        scheme = _SCHEME.match(text.data, start, end + 8)
        if scheme is not None:
            start = scheme.end()
            end = max(end, start + len(_WORD.findall(text.data[start : start + 4096])[0]))
        value = text.data[start:end]
        if _is_secret(text.data[match.start() : match.end()], value):
            yield Hit(start, end, Kind.SECRET)


def _is_secret(key: bytes, value: bytes) -> bool:
    if not value or _EMPTY.match(value) or _UUID.match(value) or b"permission." in key.lower():
        return False
    if _SURE.search(key):
        return not value.startswith((b"<", b"/")) and not _NAME.match(value) and b"(" not in value
    return bool(_SECRET_VALUE.match(value)) and _is_random(value)


RULES = (
    Rule("shaped secrets", (), _find_shaped),
    Rule("headers", (), _find_headers),
    Rule("secrets in addresses", (b"://", b"?", b"&"), _find_in_addresses),
    Rule("keyed secrets", (), _find_keyed),
)
