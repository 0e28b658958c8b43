"""Planted values and harmless look-alikes, with the answer beside each: what the rules are held to.

Written from what phones write (logcat, RIL and SIP logs, wpa_supplicant, GNSS, dumpsys, tombstones,
client JSON), before there were rules and without a look at them. All values are made up: numbers
of test ranges, reserved domains and documentation networks beside arbitrary ones.

A positive is a text with one secret; it has been scrubbed when no spelling of the secret is left.
A negative must come back as it was.
"""

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from tests.unit.scrubbing.values import (
    bluetooth_name,
    email,
    iccid,
    imei,
    imsi,
    ipv4,
    ipv6,
    jwt,
    mac,
    person,
    phone,
    ssid,
    token,
)

Spell = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Planted:
    """`secrets` are the strings that may not be in what comes out, in whatever encoding they are."""

    kind: str
    spelling: str
    text: bytes
    secrets: tuple[bytes, ...]


# --- spellings


def _grouped(*sizes: int, by: str) -> Spell:
    def spell(value: str) -> str:
        parts, at = [], 0
        for size in sizes:
            parts.append(value[at : at + size])
            at += size
        if at < len(value):
            parts.append(value[at:])
        return by.join(parts)

    return spell


def swapped(value: str) -> str:
    """Packed BCD as a SIM or a modem has it: nibbles swapped, F at the end."""
    padded = value if len(value) % 2 == 0 else value + "F"
    return "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))


def _hexed(value: str) -> str:
    return value.encode().hex()


def _based(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


PLAIN: dict[str, Spell] = {"plain": lambda value: value}
IMEI_SPELLINGS: dict[str, Spell] = PLAIN | {
    "dashes": _grouped(2, 6, 6, by="-"),
    "dashes-8-6-1": _grouped(8, 6, by="-"),
    "dashes-6-2-6-1": _grouped(6, 2, 6, by="-"),
    "spaces": _grouped(2, 6, 6, by=" "),
    "spaces-of-4": _grouped(4, 4, 4, by=" "),
    "spaces-of-3": _grouped(3, 3, 3, 3, by=" "),
    "dots": _grouped(2, 6, 6, by="."),
    "slashes": _grouped(8, 6, by="/"),
}
MAC_SPELLINGS: dict[str, Spell] = PLAIN | {
    "upper": str.upper,
    "dashes": lambda value: value.replace(":", "-").upper(),
    "cisco": lambda value: _grouped(4, 4, by=".")(value.replace(":", "")),
    "underscores": lambda value: "dev_" + value.replace(":", "_").upper(),
    "percent": lambda value: value.replace(":", "%3A"),
}
PHONE_SPELLINGS: dict[str, Spell] = PLAIN | {
    "spaces": lambda value: f"{value[:3]} {value[3:6]} {value[6:9]} {value[9:]}".strip(),
    "dashes": lambda value: f"{value[:3]}-{value[3:6]}-{value[6:]}",
    "parens": lambda value: f"{value[:2]} ({value[2:5]}) {value[5:8]}-{value[8:]}",
    "percent": lambda value: value.replace("+", "%2B"),
}

# --- contexts: `%` stands for the value


_KEYED = [
    "{key}=%", "{key}: %", "{key}:%", '"{key}":"%"', '"{key}": "%"', "{key} = '%'", "{key}=[%]", "{key} is %",
    '<string name="{key}">%</string>', "<{key}>%</{key}>", '{{\\"{key}\\":\\"%\\"}}', "{key}=%&next=1",
    "11-24 10:11:12.345  1234  5678 D Phone   : {key}=%, slot=0", "m{key}=%", "[{key}]: [%]", "({key} %)",
    "?{key}=%&x=y", "{key}(%)", "update {key} -> %",
]  # fmt: skip


def _keyed(*keys: str) -> list[str]:
    return [shape.format(key=key) for key in keys for shape in _KEYED]


CONTEXTS: dict[str, list[str]] = {
    "imei": [
        *_keyed("imei", "IMEI", "deviceId"),
        "RILJ    : [0042]< DEVICE_IDENTITY {%, 78, null, null} [SUB0]",
        "GsmCdmaPhone: getImei() returns %",
        "imei_%", "IMEI%end", "IMEI1:% IMEI2:", "AT+CGSN\r\r\n%\r\n\r\nOK\r\n",
        "java.lang.IllegalStateException: device % is not registered",
        "urn:gsma:imei:%", '+sip.instance="<urn:gsma:imei:%>"', "https://api.example.com/v1/devices/%/status",
        "Device ID = %", "user-agent: Phone/1.0 (imei:%)", "gsm.imei=%", "%",
        "MEID/IMEI slot 0 %", "phone % started",
    ],
    "imsi": [
        *_keyed("imsi", "IMSI", "subscriberId"),
        "RILJ    : [0043]< GET_IMSI {%} [SUB0]", "SIMRecords: IMSI: %", "AT+CIMI\r\r\n%\r\n\r\nOK\r\n",
        "From: <sip:%@ims.mnc005.mcc244.3gppnetwork.org>;tag=ab", "0%@wlan.mnc005.mcc244.3gppnetwork.org",
        "getSubscriberId returned %", "uicc app usim loaded % ok", "NAS: identity response, IMSI %",
    ],
    "iccid": [
        *_keyed("iccid", "ICCID", "simSerialNumber"),
        "UiccProfile: iccid %", "+CCID: %", "SubscriptionInfo{id=1 iccId=% simSlotIndex=0}", "EF_ICCID read %",
        "icc_id:%", "AT+ICCID %", "sim card % inserted", "%",
    ],
    "phone": [
        *_keyed("phoneNumber", "msisdn", "line1Number"),
        "tel:%", "sip:%@ims.example.net;user=phone", "Telecom: call to % failed", "SmsManager: sending to %",
        "Intent { act=android.intent.action.CALL dat=tel:% }", "InCallController: handle=%", "smsto:%",
        "address=%", "Dialing %", "caller %, 12 s", "Invalid number %", "P-Asserted-Identity: <tel:%>",
    ],
    "mac": [
        *_keyed("mac", "bssid", "BSSID"),
        "wpa_supplicant: wlan0: Trying to associate with % (SSID='x' freq=5180 MHz)",
        "wlan0: CTRL-EVENT-CONNECTED - Connection to % completed", "link/ether % brd ff:ff:ff:ff:ff:ff",
        "bt_btif: btif_gattc_open: remote bda %", "BluetoothDevice: connectGatt() %", "HWaddr %",
        "HCI: Connection complete, handle 0x0003, bd_addr %", "ap=% rssi=-61", "gatt/%/services", "%",
        "java.io.IOException: read failed, socket to % might be closed", "/org/bluez/hci0/%",
    ],
    "email": [
        *_keyed("account", "user", "email"),
        "Account {name=%, type=com.google}", "mailto:%", "SyncManager: sync of % com.android.contacts failed",
        "<%>", "%", "java.lang.SecurityException: caller does not own account %", "content://gmail-ls/%/label",
        "/data/data/com.mail/databases/%.db", "login as %.", "https://example.com/u/%/inbox", "To: Anna <%>",
    ],
    "ipv4": [
        *_keyed("ip", "address", "host"),
        "java.net.ConnectException: failed to connect to /% (port 443) from /0.0.0.0 after 10000ms",
        "failed to connect to www.example.com/% (port 443)", "connect %:8080 refused", "inet %/24 scope global wlan0",
        "DHCP: lease %", "http://%:9000/path", "tcp 0 0 %:40312 ESTABLISHED", "ping % failed", "[%]", "%", "Via: SIP/2.0/UDP %;rport",
        "default via % dev wlan0", "LinkAddresses: [ %/24 ]", "DnsAddresses: [ /% ]", "src=% dst=10.1.2.3",
    ],
    "ipv6": [
        *_keyed("ip", "address", "host"),
        "inet6 %/64 scope link", "http://[%]:8080/x", "failed to connect to /% (port 443)", "DnsAddresses: [ /% ]",
        "%", "route add % via wlan0", "[%]:443", "%%wlan0", "Contact: <sip:x@[%]:5060>", "resolved to %,",
    ],
    "ssid": [
        'SSID: "%", BSSID: <none>', 'mWifiInfo SSID: "%", Supplicant state: COMPLETED', "ssid=%\n", 'ssid="%"',
        "Trying to associate with SSID '%'", '"ssid":"%"', '"ssid": "%"', '<string name="SSID">&quot;%&quot;</string>',
        'WifiConfiguration: ID: 3 SSID: "%" PROVIDER-NAME: null', "(SSID='%' freq=2412 MHz)", 'networkSsid = "%"',
        'essid:"%"', '{\\"ssid\\":\\"%\\"}', 'lastConnectedSsid="%"', '<SSID>%</SSID>', 'connected to SSID "%"',
        "ssid: %\n", 'ESSID "%"', "wifi_ssid=%\n",
    ],
    "bluetooth": [
        "BluetoothDevice name=%\n", 'bt name: "%"', '"bluetoothName":"%"', "BluetoothAdapterService: setName(%)",
        "bluetooth device name: %\n", "remote name: %\n", 'RemoteDevices: name "%"', '"deviceName": "%"', "bt_name=%\n",
        '<string name="bluetooth_name">%</string>', "Bluetooth: bonded with name '%'", "bdname: %\n", "A2DP alias=%\n",
        'BluetoothHeadset: connected device name="%"', 'adapter.getName() = "%"', "EIR complete local name: %\n",
    ],
    "token": [
        "https://api.example.com/v1?token=%", "https://x.example/cb?code=1&access_token=%&state=2", "Authorization: Bearer %",
        "GET /feed?session=% HTTP/1.1", "http://x.example/a?sig=%#top", '"refresh_token":"%"', '"access_token": "%"',
        "authorization=Bearer %", "https://u:%@git.example.com/x.git", "Cookie: SID=%", "?X-Amz-Signature=%&x=1",
        "wss://push.example/?auth=%", "api_key=%", "apiKey: '%'", "https://example.com/reset?key=%", "client_secret=%",
        "password=%", "https://example.com/a?id_token=%", "x-auth-token: %", "Set-Cookie: sessionid=%; Path=/",
        "myapp://open?secret=%", "https%3A%2F%2Fx.example%2F%3Ftoken%3D%", "{\\\"token\\\":\\\"%\\\"}", "Authorization: Basic %",
    ],
    "path": [
        "/storage/emulated/0/DCIM/%/IMG_1.jpg", "/storage/emulated/0/Documents/%.pdf", "/sdcard/Download/%/cv.docx",
        "open failed: /storage/emulated/10/Android/data/com.example.app/files/%/a.bin: EACCES", "/home/%/src/app.c",
        "/User" "s/%/Library/Caches", "C:\\Users\\%\\AppData\\Local", "/data/user/0/com.example.app/files/%/state.json",
        "/data/user/10/com.example.app/cache/%/x", "/data/data/com.example.app/files/accounts/%/db",
        "/mnt/media_rw/1A2B-3C4D/%/song.mp3", "/storage/1A2B-3C4D/Music/%/song.mp3", "/data/media/0/Pictures/%/x.png",
        "content://com.android.contacts/contacts/lookup/%/12", "file:///storage/emulated/0/Notes/%.txt",
        "content://com.android.externalstorage.documents/document/primary%3ADownload%2F%.pdf",
        "java.io.FileNotFoundException: /storage/emulated/0/Pictures/% trip/a.jpg: open failed: ENOENT",
    ],
    "coordinates": [],
}  # fmt: skip


def _place(rng: random.Random) -> tuple[float, float]:
    return rng.uniform(-70, 70), rng.uniform(-179, 179)


def _coordinates(rng: random.Random) -> tuple[str, str, tuple[str, ...]]:
    """(spelling, text, secrets)."""
    north, east = _place(rng)
    lat, lon = f"{north:.6f}", f"{east:.6f}"
    shapes = {
        "location": f"Location[gps {lat},{lon} hAcc=12 et=+1d2h3m4s {{Bundle[mParcelledData]}}]",
        "keys": f"lat={lat} lon={lon}",
        "keys-long": f"latitude: {lat}, longitude: {lon}",
        "json": f'{{"lat":{lat},"lng":{lon}}}',
        "json-long": f'"latitude": {lat}, "longitude": {lon}',
        "json-text": f'"latitude":"{lat}","longitude":"{lon}"',
        "geo": f"Intent {{ act=android.intent.action.VIEW dat=geo:{lat},{lon}?z=11 }}",
        "pair": f"LocationManager: last known position {lat}, {lon}",
        "fused": f"fused provider: ({lat}, {lon}) acc 20m",
        "query": f"https://maps.example.com/?q={lat},{lon}",
        "query-ll": f"https://maps.example.com/?ll={lat},{lon}&z=3",
        "latlng": f"lat/lng: ({lat},{lon})",
        "xml": f'<trkpt lat="{lat}" lon="{lon}">',
        "geojson": f'"type":"Point","coordinates":[{lon}, {lat}]',
        "m-field": f"mLatitude={lat},mLongitude={lon}",
        "wkt": f"POINT({lon} {lat})",
        "comma-keys": f"GnssLocationProvider: lat: {lat} long: {lon} alt 20",
        "url-encoded": f"https://x.example/s?latlng={lat}%2C{lon}",
    }
    name = rng.choice(sorted(shapes))
    return name, shapes[name], (lat.lstrip("-"), lon.lstrip("-"))


def _more_coordinates(rng: random.Random) -> tuple[str, str, tuple[str, ...]]:
    north, east = (abs(part) for part in _place(rng))
    lat = f"{int(north):02d}{(north % 1) * 60:07.4f}"
    lon = f"{int(east):03d}{(east % 1) * 60:07.4f}"
    seven = str(round(north * 1e7)), str(round(east * 1e7))
    minutes = f"{int(north)}\u00b0{int(north % 1 * 60):02d}'{rng.randrange(60):02d}\"N"
    other = f"{int(east)}\u00b0{int(east % 1 * 60):02d}'{rng.randrange(60):02d}\"E"
    shapes = [
        ("nmea-gga", f"$GPGGA,101112.00,{lat},N,{lon},E,1,08,0.9,45.4,M,46.9,M,,*47", (lat, lon)),
        ("nmea-rmc", f"$GNRMC,101112.00,A,{lat},N,{lon},E,0.0,84.4,241126,,,A*6A", (lat, lon)),
        ("e7", f'"latitudeE7": {seven[0]}, "longitudeE7": {seven[1]}', seven),
        ("dms", f"GPS position {minutes} {other}", (minutes, other)),
        ("iso6709", f"location +{north:07.4f}+{east:08.4f}/", (f"{north:07.4f}", f"{east:08.4f}")),
    ]
    return rng.choice(shapes)


# --- the corpus


_MAKERS: dict[str, tuple[Callable[[random.Random], str], dict[str, Spell]]] = {
    "imei": (imei, IMEI_SPELLINGS),
    "imsi": (imsi, PLAIN),
    "iccid": (iccid, PLAIN),
    "phone": (phone, PHONE_SPELLINGS),
    "mac": (mac, MAC_SPELLINGS),
    "email": (
        email,
        PLAIN | {"upper": str.upper, "percent": lambda value: value.replace("@", "%40")},
    ),
    "ipv4": (ipv4, PLAIN),
    "ipv6": (ipv6, PLAIN | {"upper": str.upper}),
    "ssid": (ssid, PLAIN),
    "bluetooth": (bluetooth_name, PLAIN),
    "token": (token, PLAIN),
    "path": (person, PLAIN),
}

_PREFIXES = [
    "",
    "",
    "11-24 10:11:12.345  1234  5678 I Tag     : ",
    "[ 1234.567890] ",
    "    at ",
    "W/System.err: ",
]
_SUFFIXES = ["", "", "\n", " (uid 10123)", ", retrying", ";"]


def positives(seed: int = 1, *, per_context: int = 3) -> Iterator[Planted]:
    """Planted values of every kind, in contexts and spellings; more than 2,000."""
    rng = random.Random(seed)
    for kind, (make, spellings) in _MAKERS.items():
        for context in CONTEXTS[kind]:
            for name in rng.sample(sorted(spellings), min(per_context, len(spellings))):
                yield _planted(rng, kind, context, name, make(rng), spellings[name])
            if len(spellings) < per_context:
                yield _planted(rng, kind, context, "plain", make(rng), spellings["plain"])
    for _ in range(120):
        for name, text, secrets in (_coordinates(rng), _more_coordinates(rng)):
            yield Planted("coordinates", name, text.encode(), tuple(s.encode() for s in secrets))
    for context in CONTEXTS["token"]:
        yield _planted(rng, "token", context, "jwt", jwt(rng), PLAIN["plain"])
    yield from _encoded(rng)


def _planted(  # noqa: PLR0917
    rng: random.Random, kind: str, context: str, name: str, value: str, spell: Spell
) -> Planted:
    spelled = spell(value)
    text = (
        context.replace("%3A", "\0a")
        .replace("%2F", "\0f")
        .replace("%3F", "\0q")
        .replace("%3D", "\0d")
    )
    if "%%" in text:
        text = text.replace("%%", f"{spelled}\0p")
    text = text.replace("%", spelled)
    for mark, letters in {
        "\0a": "%3A",
        "\0f": "%2F",
        "\0q": "%3F",
        "\0d": "%3D",
        "\0p": "%",
    }.items():
        text = text.replace(mark, letters)
    if context != "%":
        suffix = rng.choice(_SUFFIXES) if not context.endswith("\n") else ""
        text = rng.choice(_PREFIXES) + text + suffix
    return Planted(kind, name, text.encode(), (spelled.encode(),))


def _encoded(rng: random.Random) -> Iterator[Planted]:
    """What is hidden in other encodings."""
    for _ in range(12):
        number, subscriber, card, address, link = (
            imei(rng),
            imsi(rng),
            iccid(rng),
            email(rng),
            mac(rng),
        )
        yield _text(
            "imei",
            "bcd",
            f"NV item 550: 08{swapped('A' + number)[:16]}",
            swapped("A" + number)[:16],
        )
        yield _text("imei", "bcd-f", f"imei raw {swapped(number)}", swapped(number))
        yield _text("iccid", "bcd", f"SIM_IO EF_ICCID data {swapped(card)}", swapped(card))
        yield _text(
            "imsi",
            "bcd",
            f"SIM_IO EF_IMSI 08{swapped('9' + subscriber)}",
            swapped("9" + subscriber),
        )
        for kind, value in (("imei", f"imei={number}"), ("email", f"user {address} ok"), ("mac", f"bssid={link} x"),
                            ("imsi", f"imsi={subscriber}"), ("iccid", f"iccid={card}")):  # fmt: skip
            yield _text(kind, "base64", f"blob: {_based(value)}", _based(value))
            yield _text(kind, "hex", f"data={_hexed(value)}", _hexed(value))
            wide = value.encode("utf-16-le")
            yield Planted(kind, "utf-16", b"\x01\x02" + wide + b"\x05\x00\x00", (wide,))
            yield _text(
                kind,
                "percent",
                f"https://x.example/a?d={quote(value, safe='')}&b=1",
                quote(value.split("=")[-1], safe=""),
            )
            yield _text(kind, "json-escapes", _json_escaped(value), _json_escaped(value))


def _json_escaped(value: str) -> str:
    """As writers spell it that escape all but letters and digits."""
    return "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in value)


def _text(kind: str, spelling: str, text: str, secret: str) -> Planted:
    return Planted(kind, spelling, text.encode(), (secret.encode(),))
