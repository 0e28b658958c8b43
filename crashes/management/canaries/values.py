"""The planted values, and what they look like when somebody kept them."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import quote

VALUES = {
    "imei": "356938035643809",
    "imsi": "244917283746510",
    "iccid": "8935817263544839208",
    "phone": "+358409182736",
    "mac": "9e:4f:1c:d7:a3:58",
    "email": "kanarja.lintu@canary-mail.example",
    "ipv4": "203.0.113.187",
    "ipv6": "2001:db8:ca7a:117:beef:91d3:44a0:6c2e",
    "ssid": "Kanarialinnun Pesa 7",
    "bluetooth_name": "Kanarja's Galaxy Buds9",
    "coordinates": "61.498731",
    "path": "kanarja-kuvat-2026",
    "secret": "kNr7Qx2LbV9sTz4WmEd8Yp3HcA",
    "serial": "KNR9X7Q2LB4D",
}
"""Reserved networks and domains, numbers of nobody; each with its check digit."""

LINES = """\
imei={imei} imsi={imsi} iccid={iccid}
caller {phone} on wlan0: Trying to associate with {mac} (SSID='{ssid}' freq=5180 MHz)
BluetoothDevice name={bluetooth_name}
Account {{name={email}, type=com.google}} from {ipv4} and {ipv6}
Location[gps {coordinates},23.761234 hAcc=12]
open failed: /storage/emulated/0/Pictures/{path}/a.jpg ENOENT
GET https://api.example.com/v1?access_token={secret} ro.serialno={serial}
""".format(**VALUES)

NAMED = {
    name: VALUES[name]
    for name in ("imei", "imsi", "iccid", "phone", "mac", "email", "ipv4", "ipv6")
} | {
    "ssid": VALUES["ssid"],
    "bluetooth_name": VALUES["bluetooth_name"],
    "location": f"{VALUES['coordinates']},23.761234",
    "file": f"/storage/emulated/0/Pictures/{VALUES['path']}/a.jpg",
    "access_token": VALUES["secret"],
    "serialno": VALUES["serial"],
}
"""The same as fields of documents: what has no shape of its own is told by its name alone."""

SHAPED = tuple(VALUES[name] for name in ("imei", "iccid", "phone", "mac", "email", "ipv4", "ipv6"))
"""Those that are known without any word."""

CLEAR_TEXT = (b"hAcc=12", b"ENOENT", b"Account {name=", b"GET https://api.example.com")
"""Words of the payloads that name nobody. They may be kept, but nowhere in clear."""

_DIGITS = frozenset({"imei", "imsi", "iccid"})


def forms_of(kind: str, value: str) -> Iterator[tuple[str, bytes]]:
    """(name of the form, bytes) of everything that would give the value away."""
    plain = value.encode()
    yield "plain", plain
    yield "upper", value.upper().encode()
    yield "percent", quote(value, safe="").encode()
    yield "utf-16-le", value.encode("utf-16-le")
    yield "utf-16-be", value.encode("utf-16-be")
    yield "hex", plain.hex().encode()
    yield "json", value.replace(":", "\\u003a").replace("@", "\\u0040").encode()
    for shift in range(3):
        packed = base64.b64encode(b"\0" * shift + plain)
        yield f"base64+{shift}", packed[4 if shift else 0 : len(packed) - 4]
    for name in ("sha256", "sha1", "md5"):
        digest = hashlib.new(name, plain, usedforsecurity=False)
        yield name, digest.digest()
        yield f"{name} hex", digest.hexdigest().encode()
    for name in ("sha256", "sha1"):
        keyed = hmac.new(b"", plain, name)
        yield f"hmac-{name} without key", keyed.digest()
        yield f"hmac-{name} without key hex", keyed.hexdigest().encode()
    if kind in _DIGITS:
        yield from _forms_of_digits(value)
    if kind == "mac":
        for separator in ("", "-", "_"):
            yield "mac" + separator, value.replace(":", separator).encode()


def _forms_of_digits(value: str) -> Iterator[tuple[str, bytes]]:
    padded = value if len(value) % 2 == 0 else value + "f"
    swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
    yield "packed", bytes.fromhex(swapped)
    yield "packed hex", swapped.encode()
    yield "packed HEX", swapped.upper().encode()
    for separator in ("-", " ", "."):
        yield "2-6-6-1", separator.join((value[:2], value[2:8], value[8:14], value[14:])).encode()
    if int(value) < 2**63:
        yield "int64-le", int(value).to_bytes(8, "little")
        yield "int64-be", int(value).to_bytes(8, "big")


def needles() -> list[tuple[str, str, bytes]]:
    """(kind, form, bytes) of all that is looked for."""
    return list(
        {
            needle: (kind, form, needle)
            for kind, value in VALUES.items()
            for form, needle in forms_of(kind, value)
            if len(needle) >= 6  # noqa: PLR2004  shorter ones are anywhere
        }.values()
    )
