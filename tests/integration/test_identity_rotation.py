"""Keys of identity come and go: phones that come back keep their id, the others cannot be found.

`UXP_TEST_ROTATION=10000` rotates with so many phones.
"""

import hashlib
import hmac
import os
from datetime import timedelta

import pytest
from django.apps import apps

from crashes.services.retention import forget_due
from devices.consent import Purpose
from devices.identity import IdentityKey, luhn_digit
from devices.models import IdentityLink
from devices.services.enrollment import EnrollmentRequest, enroll_device
from devices.services.retention import forget_dead_links
from tests.factories import NOW, make_program

pytestmark = pytest.mark.django_db

PHONES = int(os.environ.get("UXP_TEST_ROTATION", "60"))
EPOCHS = 6
LIVING_KEYS = 4
TAC = "49015420"
REQUEST = EnrollmentRequest(
    model="Nokia G42 5G",
    build_fingerprint="",
    os_version="14",
    os_build="V3.420",
    mcc="244",
    mnc="05",
    policy_version="2023-04-17",
    purposes=frozenset({Purpose.DEVELOPMENT}),
    given_at=NOW,
)


def imei(serial):
    body = f"{TAC}{serial:06d}"
    return f"{body}{luhn_digit(body)}"


def keys_at(epoch):
    """The keys that are configured in an epoch, newest first."""
    oldest = max(1, epoch - LIVING_KEYS + 1)
    return tuple(
        IdentityKey(number, f"secret of epoch {number}".encode() * 3)
        for number in range(epoch, oldest - 1, -1)
    )


def enroll(serial, program, keys, *, now=NOW):
    return enroll_device(
        imei(serial), REQUEST, program_id=program.pk, keys=keys, region="eu", now=now
    ).device_id


def test_phones_that_come_back_keep_their_id_and_the_others_are_lost():
    program = make_program()
    first = {serial: enroll(serial, program, keys_at(1)) for serial in range(PHONES)}
    active = range(0, PHONES, 2)
    for epoch in range(2, EPOCHS + 1):
        now = NOW + timedelta(days=90 * (epoch - 1))
        changed = [it for it in active if enroll(it, program, keys_at(epoch), now=now) != first[it]]
        forget_dead_links(keys=keys_at(epoch))
        assert changed == []

    assert IdentityLink.objects.count() == len(active)
    assert set(IdentityLink.objects.values_list("epoch", flat=True)) == {EPOCHS}
    every_key = [key for epoch in range(1, EPOCHS + 1) for key in keys_at(epoch)]
    back = {enroll(serial, program, every_key) for serial in range(1, PHONES, 2)}
    assert back & set(first.values()) == set()


def test_look_ups_of_living_keys_stay(settings):
    program = make_program()
    enroll(1, program, keys_at(1))
    enroll(2, program, keys_at(2)[:1])
    settings.IDENTITY_KEYS = "3:" + "c" * 40 + ",2:" + "b" * 40

    forget_due(now=NOW)

    assert list(IdentityLink.objects.values_list("epoch", flat=True)) == [2]


def dump():
    """All bytes and texts of the database."""
    return {
        bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
        for model in apps.get_models()
        for row in model._default_manager.values_list()
        for value in row
    }


def guesses(serial):
    """What a dump would hold of an IMEI if it were kept in one of the usual ways."""
    digits = imei(serial)
    for text in (digits.encode(), digits[:14].encode()):
        yield text
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s"):
            hashed = hashlib.new(name, text, usedforsecurity=False)
            yield from (hashed.digest(), hashed.hexdigest().encode())
        for key in (b"", b"eu", b"uxp_diag", b"uxp_diag.device"):
            keyed = hmac.new(key, text, hashlib.sha256)
            yield from (keyed.digest(), keyed.hexdigest().encode())


def found_in(there):
    return [serial for serial in range(2_000) if there.intersection(guesses(serial))]


def test_who_has_a_dump_finds_no_phone_by_trying_serial_numbers():
    program = make_program()
    for serial in (17, 1_234):
        enroll(serial, program, keys_at(1))

    assert found_in(dump()) == []

    link = IdentityLink.objects.order_by("pk")[0]
    link.lookup = hashlib.sha256(imei(17)[:14].encode()).digest()
    link.save()
    assert found_in(dump()) == [17]
