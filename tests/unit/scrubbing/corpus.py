"""Planted values and harmless look-alikes, with the answer beside each: what the rules are held to.

Written from what phones write (logcat, RIL and SIP logs, wpa_supplicant, GNSS, dumpsys, tombstones,
client JSON), before there were rules and without a look at them. All values are made up: numbers
of test ranges, reserved domains and documentation networks beside arbitrary ones.

A positive is a text with one secret; it has been scrubbed when no spelling of the secret is left.
A negative must come back as it was.
"""

import base64
import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

Spell = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Planted:
    """`secrets` are the strings that may not be in what comes out, in whatever encoding they are."""

    kind: str
    spelling: str
    text: bytes
    secrets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Harmless:
    """A text that looks like something and is nothing."""

    kind: str
    text: bytes


def luhn(body: str) -> str:
    """The digits with their check digit behind them."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


# --- values


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def imei(rng: random.Random) -> str:
    """Of the bodies that allocate today or did in the years of phones that are still alive."""
    return luhn(rng.choice(["35", "86", "01", "35", "86", "49", "99"]) + _digits(rng, 12))


def imsi(rng: random.Random) -> str:
    mcc = rng.choice(["244", "310", "262", "208", "460", "404", "234", "724", "240", "505", "901"])
    return mcc + _digits(rng, 12)


def iccid(rng: random.Random) -> str:
    country = rng.choice(["1", "44", "49", "358", "86", "91", "33"])
    body = "89" + country
    return luhn(body + _digits(rng, rng.choice([18, 19]) - len(body)))


def phone(rng: random.Random) -> str:
    """E.164 with plus."""
    plan = rng.choice(
        [("1", 10, "2"), ("44", 10, "7"), ("358", 9, "4"), ("49", 11, "1"), ("91", 10, "9"),
         ("86", 11, "1"), ("33", 9, "6"), ("55", 11, "1"), ("372", 7, "5"), ("81", 10, "9")]
    )  # fmt: skip
    return f"+{plan[0]}{plan[2]}{_digits(rng, plan[1] - 1)}"


def mac(rng: random.Random) -> str:
    octets = [rng.randrange(256) & 0xFE, *(rng.randrange(256) for _ in range(5))]
    octets[0] |= 4
    return ":".join(f"{octet:02x}" for octet in octets)


def email(rng: random.Random) -> str:
    names = [
        "anna.virtanen",
        "j_smith",
        "li.wei88",
        "maria+news",
        "o'brien",
        "x",
        "ravi-kumar",
        "info",
    ]
    hosts = ["example.com", "mail.example.org", "gmail.com", "163.com", "qq.com", "firma.example.de",
             "corp.internal", "web.example.co.uk", "students.uni.example"]  # fmt: skip
    return f"{rng.choice(names)}{rng.choice(['', str(rng.randrange(1000))])}@{rng.choice(hosts)}"


def ipv4(rng: random.Random) -> str:
    first = rng.choice([10, 192, 172, 100, 93, 203, 8, 185, 81, 198, 141])
    return ".".join(
        map(str, [first, rng.randrange(256), rng.randrange(256), rng.randrange(1, 255)])
    )


def ipv6(rng: random.Random) -> str:
    def group() -> str:
        return f"{rng.randrange(1, 1 << 16):x}"

    shape = rng.randrange(4)
    if shape == 0:
        return f"2001:db8:{':'.join(group() for _ in range(6))}"
    if shape == 1:
        return f"fe80::{group()}:{group()}:{group()}:{group()}"
    if shape == 2:
        return f"2a00:{group()}:{group()}::{group()}"
    return (
        f"fd{rng.randrange(256):02x}:{group()}:{group()}:0:{group()}:{group()}:{group()}:{group()}"
    )


def ssid(rng: random.Random) -> str:
    return rng.choice(
        ["Virtanen Home", "FRITZ!Box 7590 QX", "TP-LINK_A3F2", "Smith_Family_5G", "CafeSolo", "kotiwifi",
         "DIRECT-7b-HP OfficeJet", "eduroam-annex", "Anna's Hotspot", "Livebox-4D21", "NETGEAR88-5G"]
    )  # fmt: skip


def bluetooth_name(rng: random.Random) -> str:
    return rng.choice(
        ["Anna's Buds", "John's Galaxy Watch6", "Maria\u2019s AirPods Pro", "Volvo XC60 Virtanen", "Ravi car kit",
         "LE_WH-1000XM4 Pekka", "Smith Living Room TV", "JBL Tune of Maria", "Mein Auto 4711"]
    )  # fmt: skip


def token(rng: random.Random) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(rng.choice(letters) for _ in range(rng.choice([20, 24, 32, 43, 64])))


def jwt(rng: random.Random) -> str:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    claims = f'{{"sub":"{_digits(rng, 10)}","name":"Anna V","iat":17{_digits(rng, 8)}}}'
    head = '{"alg":"HS256","typ":"JWT"}'
    return f"{part(head)}.{part(claims)}.{token(rng)}"


def person(rng: random.Random) -> str:
    return rng.choice(["anna.virtanen", "jsmith", "maria_k", "LiWei", "ravi-kumar", "Pekka P"])


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


def _hex(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(count))


def _negative_makers(rng: random.Random) -> dict[str, Callable[[], str]]:
    number = rng.randrange

    def package() -> str:
        maker, app = (
            rng.choice(["example", "vendor", "acme"]),
            rng.choice(["app", "camera", "mail"]),
        )
        return f"com.{maker}.{app}"

    return {
        "frame": lambda: f"    #{number(40):02d} pc {_hex(rng, 16)}  /system/lib64/libfoo.so (ns::run(int)+{number(1, 9_999_999)}) (BuildId: {_hex(rng, 40)})",
        "frame-apk": lambda: f"      #01 pc {_hex(rng, 16)}  /data/app/~~{token(rng)[:22]}==/{package()}-{token(rng)[:22]}==/base.apk!libx.so (offset 0x{_hex(rng, 6)})",
        "registers": lambda: f"    x0  {_hex(rng, 16)}  x1  {_hex(rng, 16)}  x2  {_hex(rng, 16)}  x3  {_hex(rng, 16)}",
        "fault": lambda: f"signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x{_hex(rng, 16)}",
        "java-frame": lambda: f"\tat {package()}.Main$Inner.run(Main.java:{number(1, 5000)})",
        "object": lambda: f"android.view.ViewRootImpl$W@{_hex(rng, 7)} is not valid; token android.os.BinderProxy@{_hex(rng, 7)}",
        "hidl": lambda: f"/vendor/bin/hw/android.hardware.wifi@{number(1, 4)}.{number(6)}-service.rc, vendor.acme.radio@1.{number(6)}::IRadio",
        "dalvik": lambda: f"/data/dalvik-cache/arm64/system@app@Mail@Mail.apk@classes.dex pid {number(99999)}",
        "logcat": lambda: f"11-{number(1, 29):02d} {number(24):02d}:{number(60):02d}:{number(60):02d}.{number(1000):03d}  {number(99999)}  {number(99999)} I ActivityManager: Start proc {number(99999)}:{package()}/u0a{number(400)} for service",
        "nanos": lambda: f"elapsedRealtimeNanos={number(10**14, 9 * 10**14)} frame={number(10**5)}",
        "nanos-vsync": lambda: f"Choreographer: vsync timestamp {number(10**14, 9 * 10**14)} ns, intended {number(10**14, 9 * 10**14)}ns",
        "micros": lambda: f"ts=17{number(10**14):014d} dur={number(10**6)}",
        "millis": lambda: f'"timestamp":17{number(10**11):011d},"uptime_ms":{number(10**9)}',
        "epoch-ns": lambda: f"at 17{number(10**17):017d} ns",
        "sizes": lambda: f"Total: {number(10**11)} bytes, free {number(10**8)} kB, alloc {number(10**9)} ({number(100)}%)",
        "build-id": lambda: f"BuildId: {_hex(rng, rng.choice([32, 40]))}",
        "sha": lambda: f"sha256 {_hex(rng, 64)} sha1 {_hex(rng, 40)} md5 {_hex(rng, 32)}",
        "cert": lambda: "SHA1 fingerprint: " + ":".join(_hex(rng, 2).upper() for _ in range(20)),
        "uuid": lambda: f"report {uuid.UUID(int=rng.getrandbits(128))} boot {uuid.UUID(int=rng.getrandbits(128))}",
        "version": lambda: f"versionName={number(30)}.{number(40)}.{number(10)}.{number(250)} versionCode={number(10**9)}",
        "version-v": lambda: f"{package()} v{number(9)}.{number(9)}.{number(9)}.{number(99)} (SDK {number(21, 36)})",
        "user-agent": lambda: f"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/{number(90, 140)}.0.{number(256)}.{number(200)} Mobile",
        "library": lambda: f"libcore-{number(9)}.{number(9)}.{number(9)}.{number(9)}.jar loaded, fw version {number(9)}.{number(9)}.{number(9)}.{number(99)}",
        "oid": lambda: f"OID 1.3.6.1.4.1.{number(50000)}.{number(99)}.{number(9)} and 2.5.29.{number(40)}",
        "fingerprint": lambda: f"acme/G42_00WW/G42:14/UKQ1.{number(230000, 240000)}.001/00WW_3_{number(100, 999)}:user/release-keys",
        "floats": lambda: f"matrix=[{rng.random():.6f}, {rng.random():.6f}, {rng.random():.6f}] scale {rng.random():.7f}",
        "touch": lambda: f"MotionEvent {{ x[0]={rng.uniform(0, 1080):.4f}, y[0]={rng.uniform(0, 2400):.4f}, toolType[0]=FINGER }}",
        "sensor": lambda: f"accel x={rng.uniform(-9, 9):.6f} y={rng.uniform(-9, 9):.6f} z={rng.uniform(-9, 9):.6f}",
        "battery": lambda: f"9,0,l,bt,0,{number(10**8)},{number(10**8)},{number(10**8)},{number(10**8)},17{number(10**11):011d},{number(10**7)}",
        "history": lambda: f"  +{number(9)}h{number(60)}m{number(60)}s{number(1000)}ms ({number(9)}) {number(100)} +wake_lock=u0a{number(300)}:\"*alarm*\" volt={number(3000, 4400)} temp={number(200, 450)}",
        "maps": lambda: f"{_hex(rng, 10)}-{_hex(rng, 10)} r-xp {_hex(rng, 8)} fd:00 {number(10**6)} /apex/com.android.runtime/lib64/bionic/libc.so",
        "time": lambda: f"{number(24):02d}:{number(60):02d}:{number(60):02d} up 3 days, load average: {rng.random():.2f}, {rng.random():.2f}",
        "iso": lambda: f"2026-{number(1, 13):02d}-{number(1, 29):02d}T{number(24):02d}:{number(60):02d}:{number(60):02d}.{number(10**6):06d}+02:00",
        "cpp": lambda: f"art::Thread::Run(void*) std::__1::basic_string<char>::{rng.choice(['append', 'dead', 'fade'])}(unsigned long)",
        "kernel": lambda: f"[{number(10**5)}.{number(10**6):06d}] c{number(8)} {number(9999)} Unable to handle kernel paging request at virtual address {_hex(rng, 16)}",
        "pid": lambda: f"pid: {number(99999)}, tid: {number(99999)}, name: RenderThread  >>> {package()} <<<",
        "dex": lambda: f"/data/user/0/{package()}/code_cache/secondary-dexes/base-{number(9)}.apk.classes{number(9)}.dex",
        "library-path": lambda: f"/data/user/0/{package()}/lib/libnative.so: dlopen failed: cannot locate symbol \"_ZN3foo3barEv\"",
        "ids": lambda: f"job {number(10**18):018d} handle {number(10**17):017d} seq {number(10**6)}",
        "windows": lambda: f"Window{{{_hex(rng, 7)} u0 {package()}/{package()}.MainActivity}} token=Token{{{_hex(rng, 7)} ActivityRecord{{{_hex(rng, 7)} u0 t{number(999)}}}}}",
        "binder": lambda: f"binder: {number(9999)}:{number(9999)} transaction failed {number(10**5)}/-{number(100)}, size {number(10**4)}-{number(99)} line {number(4000)}",
        "resource": lambda: f"Resource ID #0x7f{_hex(rng, 6)} type #0x{number(30)} is not valid at 0x{_hex(rng, 8)}",
        "url": lambda: f"https://api.example.com/v{number(9)}/items?page={number(99)}&size={number(500)}&sort=name",
        "loopback": lambda: f"bind 127.0.0.1:{number(65536)} and [::1]:{number(65536)} and 0.0.0.0 mask 255.255.255.0 mac 00:00:00:00:00:00",
        "words": lambda: f"the token is not valid; key={rng.choice(['value', 'null', '12'])}; ssid is null; no imei; name: main prio=5 tid={number(99)} Native",
        "wifi-none": lambda: "SSID: <unknown ssid>, BSSID: 02:00:00:00:00:00, Supplicant state: DISCONNECTED",
        "gradle": lambda: f"com.squareup.okhttp3:okhttp:{number(5)}.{number(13)}.{number(9)} node_modules/react@{number(18)}.{number(9)}.2/index.js",
        "signed": lambda: f"delta=+{number(10**6)} offset=-{number(10**6)} drift +{number(10**5)} us",
    }  # fmt: skip


def negatives(seed: int = 2, *, count: int = 5200) -> Iterator[Harmless]:
    """Look-alikes of every kind, in turn."""
    rng = random.Random(seed)
    makers = list(_negative_makers(rng).items())
    for at in range(count):
        kind, make = makers[at % len(makers)]
        yield Harmless(kind, make().encode())
