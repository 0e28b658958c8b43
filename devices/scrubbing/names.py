"""Names that people gave to things, and numbers of one device.

They have no shape of their own, so only the word before them tells.
"""

import re
from collections.abc import Iterator

from devices.scrubbing.expressions import screened
from devices.scrubbing.kinds import Hit, Kind, Rule, Text
from devices.scrubbing.words import value_after

_EMPTY = re.compile(
    rb"(?i)\s*(?:a2dp.*|bt (?:sco|a2dp).*|bluetooth|android|<?null>?|<?none>?|<unknown ssid>|unknown|<[a-z_#0-9]+>\**|\*+|true|false|\d{1,3}|0x0*|)\s*"
)

_SSID = screened(rb"(?i)(?:[a-z_.]*essid|[a-z_.]*ssid|configkey|wifi.?name|network.?name)\b")
_NO_SSID = re.compile(rb"(?i)bssid$|NSsid$")
_BLUETOOTH = screened(
    rb"(?i)(?:bluetooth.?(?:device.?)?(?:adapter.?)?name|\bbt.?name|\bbd.?name|remote.?name|device.?name|local.?name|adapter.?name"
    rb"|device_?name|\balias|\bset_?name|\bget_?name\(\)|\bname)"
)
_BLUETOOTH_LINE = re.compile(
    rb"bluetooth|\bbt[_. ]|btif|btm_|a2dp|\bhfp|gatt|avrcp|remotedevices|bonded|paired|adapter\.|\beir\b|bdname"
)
_SURE = re.compile(
    rb"(?i)bluetooth.?(?:device.?)?(?:adapter.?)?name|bt.?name|bd.?name|remote.?name|local.?name"
)
_DEVICE = re.compile(rb"(?i)device.?name")
_ATTRIBUTE = re.compile(rb"<[A-Za-z]+ \Z")
_POSSESSIVE = screened(
    rb"[A-Z][A-Za-z\x80-\xff]+(?:'|\\u2019|\xe2\x80\x99)s (?:iPhone|iPad|Galaxy|Pixel|AirPods|Buds|Phone|phone|Tablet|Watch|Car|MacBook|Laptop|"
    rb"Headphones|Headset|Speaker|TV|Nokia|Xperia|Redmi|Hotspot|hotspot|WiFi|Wi-Fi)(?: ?(?:Pro|Max|Mini|Ultra|[A-Z]?[0-9]{1,3})\b)*"
)
_SERIAL = screened(
    rb"(?i)(?:\b(?:serial(?:no|.?number)?|android_?id|secure_?id|ssaid|gaid|aaid|idfa|ad_?id)|ro\.(?:boot\.)?serialno|boot\.serialno"
    rb"|advertising.?(?:id|identifier)|hardware.?serial)\b"
)
_SERIAL_VALUE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9\-_]{7,63}\Z")


def _find_ssids(text: Text) -> Iterator[Hit]:
    done = 0
    for match in text.find(_SSID):
        if match.start() < done or _NO_SSID.search(text.data[match.start() : match.end()]):
            continue
        span = value_after(text.data, match.end(), is_loose=True)
        span = span or _quoted_next(text.data, match.end())
        if span is not None:
            done = span[1]
            yield from _named(text, span, Kind.SSID)


def _quoted_next(data: bytes, end: int) -> tuple[int, int] | None:
    """`SSID 'Home'`."""
    if data[end : end + 2] in (b" '", b' "'):
        stop = data.find(data[end + 1 : end + 2], end + 2, end + 70)
        if stop > 0:
            return end + 2, stop
    return None


def _find_bluetooth_names(text: Text) -> Iterator[Hit]:
    done = 0
    for match in text.find(_BLUETOOTH):
        if match.start() < done:
            continue
        word = text.data[match.start() : match.end()]
        if not (
            _SURE.fullmatch(word)
            or _DEVICE.fullmatch(word)
            or _BLUETOOTH_LINE.search(_line(text.low, match.start()))
        ):
            continue
        if _ATTRIBUTE.search(text.data, max(0, match.start() - 24), match.start()):
            continue  # `<string name="…">` names a setting
        span = value_after(text.data, match.end(), is_loose=True) or _quoted_next(
            text.data, match.end()
        )
        if span is not None:
            done = span[1]
            yield from _named(text, span, Kind.BLUETOOTH_NAME)
    for match in text.find(_POSSESSIVE):
        yield Hit(match.start(), match.end(), Kind.BLUETOOTH_NAME)


_FURTHEST = 160


def _line(low: bytes, place: int) -> bytes:
    first = low.rfind(b"\n", max(0, place - _FURTHEST), place) + 1 or max(0, place - _FURTHEST)
    return low[first:place]


def _named(text: Text, span: tuple[int, int], kind: Kind) -> Iterator[Hit]:
    start, end = span
    value = text.data[start:end]
    if value[:1] in b"\"'" and value[:1]:
        start += 1
    while end > start and text.data[end - 1] in b" \t\"',;)":
        end -= 1
    value = text.data[start:end]
    if value and not _EMPTY.fullmatch(value) and len(value) <= _LONGEST_NAME:
        yield Hit(start, end, kind)


_LONGEST_NAME = 250


def _find_serials(text: Text) -> Iterator[Hit]:
    done = 0
    for match in text.find(_SERIAL):
        span = (
            value_after(text.data, match.end(), is_loose=False) if match.start() >= done else None
        )
        if span is None:
            continue
        done = span[1]
        value = text.data[slice(*span)]
        if _SERIAL_VALUE.match(value) and any(48 <= letter <= 57 for letter in value):  # noqa: PLR2004
            yield Hit(*span, Kind.SERIAL)


RULES = (
    Rule("SSID", (), _find_ssids),
    Rule("Bluetooth name", (), _find_bluetooth_names),
    Rule("serial number", (), _find_serials),
)
