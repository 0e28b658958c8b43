"""Made-up values of persons and phones: numbers, addresses, names, tokens."""

import base64
import random
import string


def luhn(body: str) -> str:
    """The digits with their check digit behind them."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def imei(rng: random.Random) -> str:
    """Of the bodies that allocate today or did in the years of phones that are still alive."""
    return luhn(rng.choice(["35", "86", "01", "35", "86", "49", "99"]) + digits(rng, 12))


def imsi(rng: random.Random) -> str:
    mcc = rng.choice(["244", "310", "262", "208", "460", "404", "234", "724", "240", "505", "901"])
    return mcc + digits(rng, 12)


def iccid(rng: random.Random) -> str:
    country = rng.choice(["1", "44", "49", "358", "86", "91", "33"])
    body = "89" + country
    return luhn(body + digits(rng, rng.choice([18, 19]) - len(body)))


def phone(rng: random.Random) -> str:
    """E.164 with plus."""
    plan = rng.choice(
        [("1", 10, "2"), ("44", 10, "7"), ("358", 9, "4"), ("49", 11, "1"), ("91", 10, "9"),
         ("86", 11, "1"), ("33", 9, "6"), ("55", 11, "1"), ("372", 7, "5"), ("81", 10, "9")]
    )  # fmt: skip
    return f"+{plan[0]}{plan[2]}{digits(rng, plan[1] - 1)}"


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

    claims = f'{{"sub":"{digits(rng, 10)}","name":"Anna V","iat":17{digits(rng, 8)}}}'
    head = '{"alg":"HS256","typ":"JWT"}'
    return f"{part(head)}.{part(claims)}.{token(rng)}"


def person(rng: random.Random) -> str:
    return rng.choice(["anna.virtanen", "jsmith", "maria_k", "LiWei", "ravi-kumar", "Pekka P"])


def hexadecimal(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(count))
