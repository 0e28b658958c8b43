"""Where somebody is, and where somebody keeps things: coordinates, and paths below a person's folders.

Of a path stays what tells the program and the kind of place (`/data/user/0/com.example.app/files/`,
`/storage/emulated/0/Android/data/com.example.app/`) and the file's ending; code stays whole
(`lib/`, `code_cache/`, `*.so`, `*.apk`, `*.dex`). Of a home directory only the name goes.
"""

import re
from collections.abc import Iterator

from devices.scrubbing.expressions import screened
from devices.scrubbing.kinds import Hit, Kind, Rule, Text

_NUMBER = rb"-?[0-9]{1,3}\.[0-9]{2,}"
_KEYED = screened(
    rb"(?i)(?:latitude|longitude|\bm?lat|\bm?l(?:on|ng|ong))(?:deg|e7)?(?:\\?[\"']|\])?[ ]?[:= (]{1,2}(?:\\?[\"']|\[)?(-?[0-9]{1,3}\.[0-9]{3,}|-?[0-9]{5,10})\b"
)
_PAIR = screened(rb"-?[0-9]{1,3}\.[0-9]{3,}(?:, ?|%2[cC]|;| )-?[0-9]{1,3}\.[0-9]{3,}")
_PLACE_WORDS = re.compile(
    rb"gps|gnss|\bloc|location|\blat|\blon|\blng|latlng|geo|fused|\bmap|position|coordinate|where|place|point\(|"
    rb"[?&](?:q|ll|sll|center|daddr|saddr|near|query|destination|origin|at)=|wkt|nlp\b|trkpt|cell.?tower"
)
_NOT_PLACES = re.compile(rb"matrix|accel|gyro|scale|motionevent|x\[0\]|pointer|rect|touch")
_NMEA = screened(rb"[0-9]{4}\.[0-9]+,[NS],[0-9]{5}\.[0-9]+,[EW]")
_DEGREES = screened(
    rb"[0-9]{1,3}(?:\xc2\xb0|\xb0|\\u00b0| deg) ?[0-9]{1,2}(?:'|\xe2\x80\xb2) ?[0-9.]{1,8}(?:\"|''|\\\"|\xe2\x80\xb3) ?[NSEW]"
)
_ISO6709 = screened(rb"[+\-][0-9]{2}\.[0-9]{3,}[+\-][0-9]{3}\.[0-9]{3,}")
_DIGITS_OF_E7 = 7
_LARGEST_LATITUDE = 90
_LARGEST_LONGITUDE = 180


def _find_coordinates(text: Text) -> Iterator[Hit]:
    for match in text.find(_KEYED):
        is_short = b"." not in match.group(1) and len(match.group(1)) < _DIGITS_OF_E7
        if not is_short or b"e7" in match.group().lower():
            yield Hit(*match.span(1), Kind.COORDINATES)
    for pattern in (_NMEA, _DEGREES):
        for match in text.find(pattern):
            yield Hit(*match.span(), Kind.COORDINATES)


def _find_pairs(text: Text) -> Iterator[Hit]:
    for match in text.find(_PAIR):
        start, end = match.span()
        if start and text.data[start - 1] in b"0123456789.":
            continue
        before = text.before(start, 96)
        if (
            _PLACE_WORDS.search(before)
            and not _NOT_PLACES.search(before)
            and _is_on_earth(text.data[start:end])
        ):
            yield Hit(start, end, Kind.COORDINATES)
    for match in text.find(_ISO6709):
        if _is_on_earth(
            re.sub(rb"(?<=[0-9])([+\-])", rb",\1", text.data[match.start() : match.end()])
        ):
            yield Hit(*match.span(), Kind.COORDINATES)


def _is_on_earth(pair: bytes) -> bool:
    parts = [abs(float(part)) for part in re.findall(rb"[+\-]?[0-9]+\.[0-9]+", pair)]
    return min(parts) <= _LARGEST_LATITUDE and max(parts) <= _LARGEST_LONGITUDE


# --- paths

_SHARED = screened(
    rb"/(?:storage/(?:emulated/[0-9]{1,3}|[0-9A-F]{4}-[0-9A-F]{4}|self/primary)|sdcard|mnt/(?:sdcard|media_rw/[^/\s]{1,40}|user/[0-9]+/primary)|data/media/[0-9]{1,3})/"
)
_OWN = screened(rb"/data/(?:user|user_de)/[0-9]{1,3}/[A-Za-z0-9_.]+/|/data/data/[A-Za-z0-9_.]+/")
_APP_FOLDER = re.compile(rb"Android/(?:data|media|obb)/[A-Za-z0-9_.]+/(?:files/|cache/)?")
_STANDARD = re.compile(
    rb"(?:files|cache|databases|shared_prefs|no_backup|code_cache|lib|oat|app_[A-Za-z0-9_]+)(?:/|\b)"
)
_CODE = re.compile(
    rb"(?:lib|code_cache|oat|app_webview|(?:files/|cache/)?(?:tombstones|anr|traces))/"
)
_PLAIN_FILE = re.compile(
    rb"[A-Za-z][A-Za-z0-9_\-]*(?:\.[a-z]{2,8}[0-9]?)?(?:-wal|-shm|-journal|\.tmp|\.bak)?\Z"
)
"""Directly in a folder that Android makes: the program's own name for it, not a person's."""
_CODE_FILE = re.compile(rb"\.(?:so|apk|dex|jar|oat|odex|vdex|art|apex|zip)\b")
_TAIL = re.compile(rb"[^\r\n\0\"'<>|,;)\]}]*")
_TAIL_END = re.compile(
    rb"(?::? (?:open failed|\(|E[A-Z]+\b|: |uid|does|not|is\b|failed|for\b|from\b|to\b|in\b|at\b|mode|flags)|: |[:?#&]| \(|\s+$)"
)
_ENDING = re.compile(rb"\.[A-Za-z][A-Za-z0-9]{0,7}\Z")
_HOME = screened(
    rb"(?:/home/|/User[s]/|(?i:[A-Z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/)))([^/\\\r\n\"'<>:|]{1,64})[/\\]"
)
_NOBODIES = frozenset({b"shared", b"public", b"default"})
_CONTENT = screened(rb"content://([A-Za-z0-9_.\-]+)/([^\s\"'<>,;)\]}]+)")
_PERSONAL = re.compile(
    rb"(?i)contact|sms|mms|call_?log|telephony|calendar|people|mail|document|download"
)
_PLAIN_PATH = re.compile(rb"[a-z_/]*(?:[0-9]{1,9}/?[a-z_/]*)*\Z")


def _find_paths(text: Text) -> Iterator[Hit]:
    data = text.data
    for pattern in (_SHARED, _OWN):
        for match in text.find(pattern):
            if pattern is _OWN or not _OWN.match(data, match.start()):
                yield from _tail(data, match.end(), is_own=pattern is _OWN)


def _tail(data: bytes, start: int, *, is_own: bool) -> Iterator[Hit]:
    known = (_STANDARD if is_own else _APP_FOLDER).match(data, start)
    if known is not None:
        if is_own and _CODE.match(data, start):
            return
        start = known.end()
    rest = _TAIL.match(data, start, start + 512)
    end = rest.end() if rest else start
    stop = _TAIL_END.search(data, start, end)
    end = stop.start() if stop else end
    end = _without_words(data, start, end)
    tail = data[start:end]
    if not tail or _CODE_FILE.search(tail) or (is_own and known and _PLAIN_FILE.match(tail)):
        return
    ending = _ENDING.search(tail)
    yield Hit(start, end - len(ending.group()) if ending and ending.start() else end, Kind.PATH)


def _without_words(data: bytes, start: int, end: int) -> int:
    """A path with blanks goes on to its last slash or dot; words behind that are not of it."""
    tail = data[start:end]
    blank = tail.find(b" ")
    if blank < 0:
        return end
    last = max(tail.rfind(b"/"), tail.rfind(b"."))
    if last < blank:
        return start + blank
    behind = re.search(rb"\s", tail[last:])
    return start + last + behind.start() if behind else end


def _find_homes(text: Text) -> Iterator[Hit]:
    for match in text.find(_HOME):
        if match.group(1).lower() not in _NOBODIES and not match.group(1).startswith(b"<"):
            yield Hit(*match.span(1), Kind.USER)


def _find_content_addresses(text: Text) -> Iterator[Hit]:
    for match in text.find(_CONTENT):
        path = match.group(2)
        if not path.replace(b"_", b"a").isalpha() and (
            _PERSONAL.search(match.group(1)) or not _PLAIN_PATH.match(path)
        ):
            yield Hit(*match.span(2), Kind.PATH)


RULES = (
    Rule("coordinates", (), _find_coordinates),
    Rule("pairs of coordinates", (b".",), _find_pairs),
    Rule("paths", (), _find_paths),
    Rule("homes", (), _find_homes),
    Rule("content addresses", (b"content://",), _find_content_addresses),
)
