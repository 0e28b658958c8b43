"""Addresses of networks and of mail: MAC, IPv4, IPv6, e-mail.

What looks the same and is left: the zero and broadcast addresses and the one that Android shows to
apps (02:00:00:00:00:00), loopback, unspecified and netmask addresses, versions of four numbers,
OIDs, certificate fingerprints, HIDL interfaces (`android.hardware.wifi@1.0`), dalvik-cache names
(`system@app@base.apk@classes.dex`) and scopes of C++ (`dead::beef`).
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence

from devices.scrubbing.expressions import screened
from devices.scrubbing.kinds import Hit, Kind, Rule, Text

_HEX = frozenset(b"0123456789abcdefABCDEF")
_DIGITS = frozenset(b"0123456789")

# --- MAC

_MAC = screened(
    rb"(?i)[0-9a-f]{2}(?::[0-9a-f]{2}){5,7}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{2}(?:_[0-9a-f]{2}){5}"
    rb"|[0-9a-f]{2}(?: [0-9a-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}"
)
_DATE = re.compile(
    rb"[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[01][0-9]|2[0-3])[0-5][0-9][0-6][0-9]"
)
_BARE_MAC = screened(
    rb"(?i)(?:mac|bssid|bd_?addr|hwaddr|bda|address)[\"'\\\])]{0,3}(?: ?[:=>(\[]| is)[ \"'\\(\[]{0,3}([0-9a-f]{12})"
)
_MAC_WORDS = re.compile(rb"mac|bssid|bd_?addr|hwaddr|\bbda\b|ether|wlan|address")
_PAIR_BEFORE = re.compile(rb"(?:^|[^0-9a-z])[0-9a-f]{2,4}[:.\-]\Z")
_NOBODY = frozenset({b"0" * 12, b"f" * 12, b"020000000000"})


def _find_macs(text: Text) -> Iterator[Hit]:
    for match in text.find(_MAC):
        if _is_mac(text, *match.span()):
            yield Hit(*match.span(), Kind.MAC)


def _is_mac(text: Text, start: int, end: int) -> bool:
    separator = text.data[start + 2 : start + 3]
    separator = separator if separator in b":-_ " else b"."
    letters = text.low[start:end].replace(separator, b"")
    if _goes_on(text, start, end, separator) or letters in _NOBODY:
        return False
    if separator == b":" or (separator in b"-_." and not letters.isdigit()):
        return True
    if separator in b"-_" and not _DATE.match(letters):
        return True
    return bool(_MAC_WORDS.search(text.before(start, 32)))


def _goes_on(text: Text, start: int, end: int, separator: bytes) -> bool:
    """Whether the octets are a part of something longer."""
    data = text.data
    if _is_hex(data, start - 1) or _is_hex(data, end):
        return True
    if separator == b"_":
        return False
    is_longer = data[end : end + 1] == separator and _is_hex(data, end + 1)
    return is_longer or bool(_PAIR_BEFORE.search(text.low, max(0, start - 4), start))


def _is_hex(data: bytes, place: int) -> bool:
    return 0 <= place < len(data) and data[place] in _HEX


def _find_bare_macs(text: Text) -> Iterator[Hit]:
    for match in text.find(_BARE_MAC):
        start, end = match.span(1)
        value = text.low[start:end]
        is_number = value.isdigit() and text.low[match.start() :].startswith(b"address")
        if not _is_hex(text.data, end) and value not in _NOBODY and not is_number:
            yield Hit(start, end, Kind.MAC)


# --- IPv4

_IPV4 = screened(rb"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_VERSION_WORDS = re.compile(
    rb"(?:(?:version|\bver|\brev|release|\bbuild|sdk|firmware|\bfw|driver|\bapi|webview|chrome|baseband"
    rb"|webkit|safari|gms|plugin|library)[a-z]*|\bv)[\"'\\\])]{0,3}[ :=>(\[/\"'\\]{0,4}(?:is |r|v)?$|\boid\b"
)
_PRODUCT = re.compile(rb"(?:^|[^a-z0-9_.\-])[a-z][a-z0-9_\-]*/$")
_FILE_END = re.compile(
    rb"[-.](?:jar|so|apk|aar|dex|rc|zip|tar|beta|alpha|rc[0-9]|snapshot|debug|release)\b"
)
_PORT = re.compile(rb":[0-9]|/[0-9]| \(port")
_PRIVATE = re.compile(rb"10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|169\.254\.")


def _find_ipv4(text: Text) -> Iterator[Hit]:
    for match in text.find(_IPV4):
        start, end = match.span()
        if _is_ipv4(text, start, end):
            yield Hit(start, end, Kind.IPV4)


def _is_ipv4(text: Text, start: int, end: int) -> bool:
    octets = text.data[start:end].split(b".")
    before, after = text.before(start, 40), text.after(end, 12)
    return (
        _is_host(octets, is_network_allowed=after.startswith(b"/"))
        and not _is_longer(text.data, start, end)
        and not _is_version(text, start, end, before=before, after=after)
    )


_LARGEST_OCTET = 255


def _is_host(octets: Sequence[bytes], *, is_network_allowed: bool) -> bool:
    """Whether four numbers are an address of somebody: no loopback, netmask, or version 3.0.0.0."""
    if any(
        int(octet) > _LARGEST_OCTET or (octet[:1] == b"0" and len(octet) > 1) for octet in octets
    ):
        return False
    if octets[0] in (b"0", b"127", b"255") or octets[2:] == [b"255", b"255"]:
        return False
    return octets[2:] != [b"0", b"0"] or is_network_allowed


def _is_longer(data: bytes, start: int, end: int) -> bool:
    """Whether numbers go on before or behind."""
    ahead, behind = data[max(0, start - 2) : start], data[end : end + 2]
    if ahead[-1:].isdigit() or behind[:1].isdigit():
        return True
    return (ahead[-1:] == b"." and ahead[:1].isdigit()) or (
        behind[:1] == b"." and behind[1:].isdigit()
    )


def _is_version(text: Text, start: int, end: int, *, before: bytes, after: bytes) -> bool:
    """Whether what stands around says that four numbers are a version, an OID, or a column."""
    data = text.data
    ahead, behind = data[max(0, start - 1) : start], data[end : end + 1]
    if ahead == behind == b"|" or _FILE_END.match(after) or _VERSION_WORDS.search(before):
        return True
    if ahead in (b"v", b"V", b"@", b"r"):
        return not before.endswith((b"//", b"\\r", b"\\v")) and not _looks_like_mail(before)
    if ahead == b"/" and _PRODUCT.search(before):
        return not (_PORT.match(after) or _PRIVATE.match(data, start, end))
    return bool(_VERSION_LEAD.search(before))


_VERSION_LEAD = re.compile(rb"[a-z]-$|:[a-z0-9.\-]+:$")
"""`lib-` of a file, `group:name:` of a coordinate of Gradle."""


def _looks_like_mail(before: bytes) -> bool:
    """Whether a name and an @ stand before an address, and no interface of HIDL."""
    return bool(re.search(rb"[a-z0-9]@$", before)) and not re.search(rb"[a-z]\.[a-z.]+@$", before)


# --- IPv6

_IPV6 = screened(
    rb"(?i)(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"
    rb"|(?:[0-9a-f]{1,4}:){1,7}(?::[0-9a-f]{1,4}){1,7}(?:%[0-9a-z]+)?|::[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){1,6}"
    rb"|(?:[0-9a-f]{1,4}:){1,7}:"
)


def _find_ipv6(text: Text) -> Iterator[Hit]:
    data = text.data
    for match in text.find(_IPV6):
        start, end = match.span()
        ahead, behind = data[start - 1 : start] if start else b"", data[end : end + 1]
        if ahead.isalnum() or ahead in (b"_", b"~", b".") or _is_scope(data, start):
            continue
        if behind.isalnum() or behind in (b":", b"_", b"(", b"~") or _opens_template(data, end):
            continue
        if _is_ipv6(data[start:end].partition(b"%")[0]):
            yield Hit(start, end, Kind.IPV6)


def _is_scope(data: bytes, start: int) -> bool:
    """Whether two colons stand before a word, as in C++."""
    return data[max(0, start - 2) : start] == b"::"


def _opens_template(data: bytes, end: int) -> bool:
    return data[end : end + 1] == b"<" and data[end + 1 : end + 2] != b"/"


def _is_ipv6(word: bytes) -> bool:
    groups = [group for group in word.split(b":") if group]
    if b"::" in word and (len(groups) < 2 and not word.startswith((b"2", b"3", b"f"))):  # noqa: PLR2004
        return False
    if b"::" in word and not any(letter in _DIGITS for letter in word):
        return False
    if all(len(group) == 2 for group in groups) and len(groups) == 8:  # noqa: PLR2004
        return False  # eight octets: the rule of MAC addresses decides
    try:
        address = ipaddress.IPv6Address(word.decode())
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


# --- e-mail

_EMAIL = screened(
    rb"[A-Za-z0-9!#$&'*+\-/=?^_`{|}~.\x80-\xff]+@[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-\x80-\xff]*[A-Za-z0-9\x80-\xff])?"
    rb"(?:\.[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-\x80-\xff]*[A-Za-z0-9\x80-\xff])?)+"
)
_LOCAL_START = re.compile(rb"[^A-Za-z0-9_\x80-\xff]+")
_LOCAL_CUT = re.compile(rb"[/=?{}|&`^*!$]")
_NOT_DOMAINS = re.compile(
    rb"(?i)(?:^|\.)(?:dex|oat|odex|vdex|art|apk|apex|jar|so|rc|xml|dat|bin|conf|log|java|kt|cc|cpp|js|ts|json|service"
    rb"|socket|mount|target|slice|boot|prof)$"
)
_LABELS = frozenset({b"this", b"super", b"return", b"break", b"continue"})


def _find_emails(text: Text) -> Iterator[Hit]:
    for match in text.find(_EMAIL):
        start, end = match.span()
        at = text.data.rindex(b"@", start, end)
        start = _local_start(text.data, start, at)
        if _is_user_info(text.data, start):
            continue  # the rule of secrets takes what stands before a host
        if start < at and _is_email(text.data[start:at], text.data[at + 1 : end]):
            yield Hit(start, _domain_end(text.data, at, end), Kind.EMAIL)


def _is_user_info(data: bytes, start: int) -> bool:
    """Whether `https://user:` stands before a place."""
    scheme = data.rfind(b"://", max(0, start - 128), start)
    between = data[scheme + 3 : start]
    return scheme >= 0 and b":" in between and not _BREAK.search(between)


_FOUR_NUMBERS = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_BREAK = re.compile(rb"[\s/@]")


def _local_start(data: bytes, start: int, at: int) -> int:
    """The mailbox without the key, the path or the bracket that the expression took with it."""
    for cut in _LOCAL_CUT.finditer(data, start, at):
        start = cut.end()
    skipped = _LOCAL_START.match(data, start, at)
    return skipped.end() if skipped else start


def _domain_end(data: bytes, at: int, end: int) -> int:
    """Without the file's ending that stands behind the last domain (`a@example.com.db`)."""
    if data[at + 1 : end].endswith(b".db"):
        return end - 3
    return end


def _is_email(local: bytes, domain: bytes) -> bool:
    if local in _LABELS or b"@" in local or not _is_written(local + domain):
        return False
    last = domain.rpartition(b".")[2]
    if last.isdigit() or domain.replace(b".", b"").isdigit():
        return bool(_FOUR_NUMBERS.fullmatch(domain))
    if re.match(rb"[0-9]+\.[0-9]", domain):
        return False
    if _NOT_DOMAINS.search(domain) or len(last) < 2 or (not last.isascii() and last.isdigit()):  # noqa: PLR2004
        return False
    return last.islower() or last.isupper() or not last.isascii()


def _is_written(name: bytes) -> bool:
    """Whether bytes beyond ASCII are letters; in binary they are not."""
    if name.isascii():
        return True
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    return all(letter.isascii() or letter.isalnum() for letter in text)


RULES = (
    Rule("e-mail", (b"@",), _find_emails),
    Rule("MAC", (), _find_macs),
    Rule("bare MAC", (), _find_bare_macs),
    Rule("IPv6", (b":",), _find_ipv6),
    Rule("IPv4", (b".",), _find_ipv4),
)
