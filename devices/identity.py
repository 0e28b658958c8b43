"""Which phone is this, without keeping who it is.

An IMEI has 15 digits: a type allocation code (TAC, 8 digits: the model), a serial number
(6 digits) and a Luhn check digit; 16 digits are an IMEISV, which ends in a software version
instead (3GPP TS 23.003, section 6.2). The first 14 digits name the phone.

There are only a million serials per model code, so a plain hash of an IMEI can be undone in
seconds. We keep an HMAC-SHA-256 under a secret key instead, and only as the way to a random
device id that everything else hangs on. Keys have epochs: the newest makes new look-ups, older
ones still find phones that enrolled under them.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

_IMEI_DIGITS = 15
_IMEISV_DIGITS = 16
_KEYED_DIGITS = 14
_MIN_SECRET_LENGTH = 32


class InvalidImei(Exception):
    """The text is no IMEI. The text itself is not in the message, so that no log gets it."""


class InvalidIdentityKeys(Exception):
    """The configured keys cannot be used; the message says what to set."""


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """One secret of one epoch; a higher epoch is newer."""

    epoch: int
    secret: bytes = field(repr=False)


def parse_keys(text: str) -> tuple[IdentityKey, ...]:
    """Keys from `epoch:secret,epoch:secret`, newest first; a bare secret is epoch 1.

    Raises InvalidIdentityKeys for an empty list, a short secret or a repeated epoch.
    """
    keys = tuple(_parse_key(item.strip()) for item in text.split(",") if item.strip())
    if not keys:
        raise InvalidIdentityKeys("UXP_IDENTITY_KEYS holds no key.")
    if len({key.epoch for key in keys}) != len(keys):
        raise InvalidIdentityKeys("UXP_IDENTITY_KEYS names one epoch twice.")
    return tuple(sorted(keys, key=lambda key: -key.epoch))


def _parse_key(item: str) -> IdentityKey:
    epoch, separator, secret = item.partition(":")
    if not separator:
        epoch, secret = "1", item
    if not (epoch.isascii() and epoch.isdigit()):
        raise InvalidIdentityKeys("An epoch in UXP_IDENTITY_KEYS is no whole number.")
    if len(secret) < _MIN_SECRET_LENGTH:
        raise InvalidIdentityKeys(
            f"A secret in UXP_IDENTITY_KEYS is shorter than {_MIN_SECRET_LENGTH} characters."
        )
    return IdentityKey(epoch=int(epoch), secret=secret.encode())


def luhn_digit(digits: str) -> int:
    """The check digit that belongs behind these digits (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004
    return -total % 10


def keyed_digits(imei: str) -> str:
    """The 14 digits that name the phone, from an IMEI or IMEISV in its usual spellings.

    Spaces, dashes, dots and slashes between digits are ignored. Raises InvalidImei for other
    characters, a wrong length, a wrong check digit or an all-zero number.
    """
    digits = "".join(letter for letter in imei if letter not in " -./")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidImei("An IMEI has digits only.")
    if len(digits) not in {_IMEI_DIGITS, _IMEISV_DIGITS}:
        raise InvalidImei("An IMEI has 15 digits, an IMEISV 16.")
    body = digits[:_KEYED_DIGITS]
    if len(digits) == _IMEI_DIGITS and luhn_digit(body) != int(digits[-1]):
        raise InvalidImei("The check digit of the IMEI is wrong.")
    if not body.strip("0"):
        raise InvalidImei("An IMEI of zeros names no phone.")
    return body


def type_allocation_code(digits: str) -> str:
    """The TAC: the first 8 of the digits that `keyed_digits` returned. A model, no person."""
    return digits[:8]


def lookup_value(digits: str, *, key: IdentityKey, region: str) -> bytes:
    """The 32 bytes under which a phone is found again in one region and key epoch."""
    message = b"\x00".join((b"uxp_diag.device", region.encode(), digits.encode()))
    return hmac.new(key.secret, message, hashlib.sha256).digest()
