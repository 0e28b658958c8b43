"""The long numbers of a phone: IMEI, IMSI, ICCID, and telephone numbers.

A log is full of long numbers, so length alone decides nothing. What counts for an identifier is
its check digit and its first digits, or a word before it; what counts against it is a word of time
or size around it, hexadecimal or a decimal point touching it.

    IMEI    15 digits with a Luhn check digit, the first two name the body that allocated it; 16 in an
            IMEISV, 14 without check digit (3GPP TS 23.003, 6.2)
    IMSI    15 digits, the first three a country code between 200 and 799 or 901; no check digit, so it
            needs a word before it or an operator's domain behind it
    ICCID   89, up to 20 digits with a Luhn check digit (ITU-T E.118)
    MSISDN  + and 7 to 15 digits (ITU-T E.164); without plus a word before it
    packed  the same as SIM files and modems hold them: two digits a byte, nibbles swapped, F at the end
            (3GPP TS 31.102, 4.2.2; ETSI TS 102 221, 13.2)
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from devices.scrubbing.expressions import screened
from devices.scrubbing.kinds import Hit, Kind, Rule, Text

_BODIES = frozenset(b"01 10 30 33 35 44 45 49 50 51 52 53 54 86 91 98 99".split())
"""The first two digits of IMEIs: reporting bodies of today and of yesterday."""

_SOLID = screened(rb"[0-9]{14,22}")
_SHAPED = screened(
    rb"[0-9]{2}[ \-./_][0-9]{6}[ \-./_][0-9]{6}[ \-./_][0-9]|[0-9]{8}[ \-./_][0-9]{6}[ \-./_][0-9]"
    rb"|[0-9]{6}[ \-./_][0-9]{2}[ \-./_][0-9]{6}[ \-./_][0-9]|[0-9]{14}[ \-./_][0-9]|[0-9]{6}[ \-./_][0-9]{8}[ \-./_][0-9]"
    rb"|[0-9]{4}(?:[ \-./_][0-9]{4}){2,3}[ \-./_][0-9]{3,4}|[0-9]{3}(?:[ \-./_][0-9]{3}){4}|[0-9]{5}[ \-./_][0-9]{5}[ \-./_][0-9]{5}"
    rb"|[0-9]{6}[ \-./_][0-9]{6}[ \-./_][0-9]{7}"
)
_WORDED_RUN = screened(
    rb"(?i)(?:imei|meid|imsi|ccid|icc.?id|device.?id|subscriber|sim.?serial|cimi|cgsn|usim|uicc)[^0-9\n]{0,24}(?:[0-9]{1,2}[^0-9\n]{1,12})?"
    rb"([0-9](?:[ \-./_]?[0-9]){13,41})"
)
_GROUP = re.compile(rb"[0-9]+")
_HEX = frozenset(b"0123456789abcdef")
_DIGITS = frozenset(b"0123456789")

_IMEI_WORDS = re.compile(rb"imei|meid|device.?id|cgsn|device_ident|esn\b")
_IMSI_WORDS = re.compile(
    rb"imsi|subscriber|cimi\b|usim|\bsim\b|uicc|identity response|6f07|\bims\b|wlan\.mnc"
)
_ICCID_WORDS = re.compile(rb"icc.?id|ccid|sim.?serial|\bicc\b|2fe2|sim card|uicc")
_ANY_WORD = re.compile(rb"im[es]i|meid|id|cgsn|esn|subsc|cimi|sim|icc|6f07|ims|mnc|2fe2|identity")
_TIME_WORDS = re.compile(
    rb"nanos|time|stamp|elapsed|uptime|vsync|\bdur|clock|epoch|\bts\b|intended|deadline|bytes|size|\bns\b"
    rb"|handle|seq|\bjob\b|offset"
)
_TIME_UNITS = re.compile(rb" ?(?:ns|us|ms|bytes|b|kb)\b")
_OPERATOR_DOMAIN = re.compile(rb"@(?:ims|wlan|nai|private\.ims)?\.?(?:epc\.)?mnc[0-9]")


def is_luhn(digits: bytes) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = digit - 48
        if place % 2:
            value += value if value < 5 else value - 9  # noqa: PLR2004
        total += value
    return total % 10 == 0


def is_imei(digits: bytes) -> bool:
    """Whether 15 digits are an IMEI by themselves."""
    return digits[:2] in _BODIES and len(set(digits)) > 3 and is_luhn(digits)  # noqa: PLR2004


def _find_numbers(text: Text) -> Iterator[Hit]:
    data = text.data
    for pattern in (_SOLID, _SHAPED):
        for match in text.find(pattern):
            start, end = match.span()
            if data.startswith(b"000", start) or data[end : end + 1].isdigit():
                continue  # a padded address; a number that is longer than any of these
            digits = data[start:end].translate(None, _SEPARATORS)
            kind = _kind_of(text, digits, start, end, is_shaped=True)
            if kind is not None:
                yield Hit(start, end, kind)
    for match in text.find(_WORDED_RUN):
        yield from _in_run(text, *match.span(1))


_SEPARATORS = b" -./_"


def _in_run(text: Text, start: int, end: int) -> Iterator[Hit]:
    """The identifiers among groups of digits that stand one separator apart."""
    start, end = _whole(text.data, start, end)
    groups = [match.span() for match in _GROUP.finditer(text.data, start, end)]
    place = 0
    while place < len(groups):
        hit, used = _at(text, groups, place)
        if hit is not None:
            yield hit
        place += used


def _whole(data: bytes, start: int, end: int) -> tuple[int, int]:
    """The run with the digits that the expression was too short for."""
    while end < len(data) and data[end] in _DIGITS:
        end += 1
    return start, end


_MOST_GROUPS = 17


def _at(text: Text, groups: Sequence[tuple[int, int]], place: int) -> tuple[Hit | None, int]:
    """The identifier that begins with a group, and how many groups it takes."""
    best: tuple[Hit | None, int] = (None, 1)
    digits = b""
    separator = b""
    for count, (start, end) in enumerate(groups[place : place + _MOST_GROUPS], 1):
        if count > 1:
            gap = text.data[groups[place + count - 2][1] : start]
            if separator and gap != separator:
                break
            separator = gap
        digits += text.data[start:end]
        if len(digits) > _LONGEST:
            break
        if len(digits) >= _SHORTEST:
            begin = groups[place][0]
            sizes = tuple(behind - first for first, behind in groups[place : place + count])
            kind = _kind_of(text, digits, begin, end, is_shaped=count == 1 or sizes in _SHAPES)
            if kind is not None:
                best = Hit(begin, end, kind), count
    return best


_SHAPES = frozenset(
    {(2, 6, 6, 1), (8, 6, 1), (6, 2, 6, 1), (6, 8, 1), (14, 1), (4, 4, 4, 3), (3, 3, 3, 3, 3), (5, 5, 5),
     (4, 4, 4, 4, 3), (4, 4, 4, 4, 4), (2, 4, 4, 4, 5), (6, 6, 7), (1,) * 15}
)  # fmt: skip
"""How people write an IMEI or an ICCID in groups. A row of small numbers is grouped otherwise."""

_SHORTEST = 14
_LONGEST = 22
_IMEI_LENGTH = 15


def _kind_of(text: Text, digits: bytes, start: int, end: int, *, is_shaped: bool) -> Kind | None:
    slack = _hex_around(text.low, start, end)
    if slack is None or slack > _HEX_SLACK:
        return None
    if _OPERATOR_DOMAIN.match(text.after(end, 40)) and len(digits) <= _IMEI_LENGTH + 1:
        return Kind.IMSI
    before = text.before(start, 64)
    word = _announced(text, before, start)
    if word is not None and len(digits) in _WORDED[word] and _fits(word, digits):
        return word
    if not is_shaped or slack or before.endswith(b"-"):
        return None
    is_time = _TIME_WORDS.search(before[-32:]) or _TIME_UNITS.match(text.after(end, 8))
    return None if is_time else _by_itself(digits)


def _announced(text: Text, before: bytes, start: int) -> Kind | None:
    """The kind that the words before a number name, also on the line before: modems answer so."""
    word = _nearest(before) if _ANY_WORD.search(before) else None
    if word is None and b"\n" in text.low[max(0, start - 8) : start]:
        word = _nearest(text.low[max(0, start - 16) : start])
    return word


def _by_itself(digits: bytes) -> Kind | None:
    if len(digits) == _IMEI_LENGTH and is_imei(digits):
        return Kind.IMEI
    if len(digits) in (19, 20) and digits.startswith(b"89") and is_luhn(digits):
        return Kind.ICCID
    return None


_WORDED = {
    Kind.IMEI: (14, 15, 16, 17),
    Kind.IMSI: (14, 15, 16),
    Kind.ICCID: (18, 19, 20, 21, 22),
}


def _fits(kind: Kind, digits: bytes) -> bool:
    if kind is Kind.IMSI:
        return digits[:1] in b"234567" or digits[:3] in (b"901", b"999", b"001")
    if kind is Kind.ICCID:
        return digits.startswith(b"89")
    return len(set(digits)) > 1


def _nearest(before: bytes) -> Kind | None:
    """The kind that the last word before a number names."""
    found = [
        (match.end(), kind)
        for kind, words in (
            (Kind.IMEI, _IMEI_WORDS), (Kind.IMSI, _IMSI_WORDS), (Kind.ICCID, _ICCID_WORDS)
        )
        for match in words.finditer(before)
    ]  # fmt: skip
    return max(found)[1] if found else None


def _hex_around(low: bytes, start: int, end: int) -> int | None:
    """How many letters a to f touch a number; None when a digit or a decimal point does, or 0x."""
    if start and low[start - 1] in b"0123456789":
        return None
    if start > 1 and low[start - 1] == _DOT and low[start - 2] in _DIGITS:
        return None
    if end + 1 < len(low) and low[end] == _DOT and low[end + 1] in _DIGITS:
        return None
    first, last = start, end
    while first and start - first <= _HEX_SLACK and low[first - 1] in _HEX:
        first -= 1
    while last < len(low) and last - end <= _HEX_SLACK and low[last] in _HEX:
        last += 1
    return None if low[max(0, first - 2) : first] == b"0x" else last - first - (end - start)


_DOT = 0x2E
_HEX_SLACK = 3
"""As many letters a to f may touch a number, as in `abc` or `end`; more make it hexadecimal."""


# --- packed


_PACKED = screened(
    rb"(?:[0-9]{2} ?){7}[fF][0-9]|(?:08 ?)?[0-9][aA](?: ?[0-9]{2}){7}|08 ?[0-9]9(?: ?[0-9]{2}){7}|98(?: ?[0-9]{2}){8} ?[0-9fF][0-9]"
)


def _find_packed(text: Text) -> Iterator[Hit]:
    low = text.low
    for match in text.find(_PACKED):
        start, end = match.span()
        if (start and low[start - 1] in _HEX) or (end < len(low) and low[end] in _HEX):
            continue
        kind = _packed_kind(low[start:end].replace(b" ", b""), text.before(start, 48))
        if kind is not None:
            yield Hit(start, end, kind)


def _packed_kind(nibbles: bytes, before: bytes) -> Kind | None:
    values = unswapped(nibbles)
    if values.startswith(b"89") and len(values) == 20:  # noqa: PLR2004
        digits = values.rstrip(b"f")
        if digits.isdigit() and (is_luhn(digits) or _ICCID_WORDS.search(before)):
            return Kind.ICCID
    if len(nibbles) == 16 and values[-1:] == b"f" and values[:15].isdigit():  # noqa: PLR2004
        return Kind.IMEI if is_imei(values[:15]) else None
    if nibbles[:2] == b"08" and len(nibbles) == 18:  # noqa: PLR2004
        return _parity_kind(values[2:], before)
    return _parity_kind(values, before) if len(nibbles) == 16 else None  # noqa: PLR2004


def _parity_kind(values: bytes, before: bytes) -> Kind | None:
    """A mobile identity: a nibble of type and parity, then 15 digits (3GPP TS 24.008, 10.5.1.4)."""
    digits = values[1:]
    if not digits.isdigit():
        return None
    if values[:1] == b"a" and is_imei(digits):
        return Kind.IMEI
    if values[:1] == b"9" and _IMSI_WORDS.search(before) and _fits(Kind.IMSI, digits):
        return Kind.IMSI
    return None


def unswapped(nibbles: bytes) -> bytes:
    """Pairs of nibbles, turned round."""
    return b"".join(
        nibbles[at + 1 : at + 2] + nibbles[at : at + 1] for at in range(0, len(nibbles), 2)
    )


# --- telephone numbers


_PLUS = screened(rb"\+ ?[1-9](?:[ \-.()/]{0,2}[0-9]){6,14}")
_AFTER_WORD = screened(
    rb"(?i)(?:(?:phone.?(?:no|number|num)?|msisdn|line1.?(?:number)?|caller|callee|dial(?:ing|ed|led)?|"
    rb"call(?:ing)? to|call from|smsto|mmsto|sending to|voicemail)"
    rb"[\"'\\\])]{0,3} ?(?:[:=>,({\[]|is|->)?|(?:\b(?:mobile|sms|tel|smsc)|((?:\b|_)(?:number|address)))[\"'\\\])]{0,3} ?(?:[:=>({]|->))"
    rb"[ \"'\\(\[]{0,3}([0-9*(][0-9](?:[ \-.()/]{0,2}[0-9#]){4,14})"
)
_NATIONAL = screened(
    rb"\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ \-.][0-9]{4}|[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}"
)
_PHONE_WORDS = re.compile(rb"phone|msisdn|line1|number|tel:|sms|dial|call|sip:|mobile")
_LEAST_BARE = 10
_LEAST_WORDED = 7
_MOST_DIGITS = 15


def _find_phones(text: Text) -> Iterator[Hit]:
    data = text.data
    for match in text.find(_PLUS):
        start, end = match.start(), _phone_end(data, match.start(), match.end())
        if start and (data[start - 1 : start].isalnum() or data[start - 1] in b"_)]}+"):
            continue
        if end < len(data) and (data[end : end + 1].isalpha() or data[end] in b"_"):
            continue
        if data[end : end + 1] == b"." and data[end + 1 : end + 2].isdigit():
            continue
        count = sum(map(_DIGITS.__contains__, data[start:end]))
        is_worded = bool(_PHONE_WORDS.search(text.before(start, 48)))
        if count >= (_LEAST_WORDED if is_worded else _LEAST_BARE):
            yield Hit(start, end, Kind.PHONE)
    for match in text.find(_NATIONAL):
        if _is_between_words(data, *match.span()):
            yield Hit(*match.span(), Kind.PHONE)


def _find_worded_phones(text: Text) -> Iterator[Hit]:
    data = text.data
    for match in text.find(_AFTER_WORD):
        start, end = match.span(2)
        if not _is_between_words(data, start, end) or b"." in data[start:end]:
            continue
        before = text.before(match.start(), 64)
        if (match.group(1) and not _CALLS.search(before)) or b"permission." in before:
            continue
        count = sum(map(_DIGITS.__contains__, data[start:end]))
        if _LEAST_WORDED <= count <= _MOST_DIGITS:
            yield Hit(start, end, Kind.PHONE)


_CALLS = re.compile(rb"sms|mms|\bcall|phone|telecom|telephony|dial|sip|contact")


def _phone_end(data: bytes, start: int, end: int) -> int:
    """Where a number ends: not in the middle of digits, nor behind a group that is none of its own."""
    while end < len(data) and data[end] in _DIGITS:
        end += 1
    groups = [match.span() for match in _GROUP.finditer(data, start, end)]
    count = groups[0][1] - groups[0][0]
    last = groups[0][1]
    for (_, before), (first, behind) in pairwise(groups):
        is_whole = count >= _LEAST_BARE
        if is_whole or first - before > 2 or count + behind - first > 15:  # noqa: PLR2004
            break
        count, last = count + behind - first, behind
    return last


def _is_between_words(data: bytes, start: int, end: int) -> bool:
    ahead, behind = data[max(0, start - 1) : start], data[end : end + 1]
    return not (ahead.isalnum() or ahead in (b"-", b".", b"_")) and not (
        behind.isalnum() or behind in (b"-", b"_", b":")
    )


RULES = (
    Rule("long numbers", (), _find_numbers),
    Rule("packed numbers", (), _find_packed),
    Rule("phone numbers", (), _find_phones),
    Rule("worded phone numbers", (), _find_worded_phones),
)
