"""A phone enrols: its IMEI becomes a keyed look-up, the look-up leads to a random device id."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from devices.consent import Purpose
from devices.credentials import DEVICE_PREFIX, hash_token, new_token
from devices.identity import IdentityKey, keyed_digits, lookup_value
from devices.models import Device, DeviceToken, IdentityLink
from devices.scrubbing import scrub_value
from devices.services.consent import record_consent

_KEPT_TOKENS = 3
"""A phone whose answer was lost enrols again; the token of the lost answer may be in use."""


@dataclass(frozen=True, slots=True)
class EnrollmentRequest:
    """What a phone says when it enrols, less the IMEI. `purposes` is None without a statement."""

    model: str
    build_fingerprint: str
    os_version: str
    os_build: str
    mcc: str
    mnc: str
    policy_version: str
    purposes: frozenset[Purpose] | None
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The phone's id and its new token, which is told once."""

    device_id: uuid.UUID
    device_token: str


def enroll_device(
    imei: str,
    request: EnrollmentRequest,
    *,
    program_id: int,
    keys: Sequence[IdentityKey],
    region: str,
    now: datetime,
) -> Enrollment:
    """Enrol a phone; the same phone always gets the same id. Raises InvalidImei."""
    digits = keyed_digits(imei)
    device_id = _device_id_for(digits, program_id=program_id, keys=keys, region=region, now=now)
    with transaction.atomic():
        device = _save_device(device_id, request, program_id=program_id, now=now)
        if request.purposes is not None:
            record_consent(
                device.pk,
                purposes=request.purposes,
                policy_version=request.policy_version,
                given_at=request.given_at,
            )
        token = _new_token(device, now=now)
    return Enrollment(device_id=device_id, device_token=token)


def _device_id_for(
    digits: str,
    *,
    program_id: int,
    keys: Sequence[IdentityKey],
    region: str,
    now: datetime,
) -> uuid.UUID:
    """The random id behind a look-up, made on first contact; a link of an old epoch is renewed."""
    scoped_region = f"{region}/{program_id}"
    newest = lookup_value(digits, key=keys[0], region=scoped_region)
    for key in keys:
        lookup = lookup_value(digits, key=key, region=scoped_region)
        link = IdentityLink.objects.filter(lookup=lookup).first()
        if link is None:
            continue
        if key.epoch != keys[0].epoch:
            IdentityLink.objects.filter(pk=link.pk).update(lookup=newest, epoch=keys[0].epoch)
        return link.device_id
    return _create_link(newest, epoch=keys[0].epoch, program_id=program_id, now=now)


def _create_link(lookup: bytes, *, epoch: int, program_id: int, now: datetime) -> uuid.UUID:
    device_id = uuid.uuid4()
    try:
        with transaction.atomic():
            IdentityLink.objects.create(
                lookup=lookup,
                epoch=epoch,
                program_id=program_id,
                device_id=device_id,
                created_at=now,
            )
    except IntegrityError:  # the same phone enrolled at the same moment; the first id stands
        return IdentityLink.objects.get(lookup=lookup).device_id
    return device_id


def _save_device(
    device_id: uuid.UUID, request: EnrollmentRequest, *, program_id: int, now: datetime
) -> Device:
    facts = {
        "model": scrub_value("model", request.model),
        "build_fingerprint": scrub_value("build_fingerprint", request.build_fingerprint),
        "os_version": scrub_value("os_version", request.os_version),
        "os_build": scrub_value("os_build", request.os_build),
        "mcc": request.mcc,
        "mnc": request.mnc,
        "last_seen_at": now,
    }
    return Device.objects.update_or_create(
        id=device_id,
        defaults=facts,
        create_defaults={**facts, "program_id": program_id, "enrolled_at": now},
    )[0]


def _new_token(device: Device, *, now: datetime) -> str:
    token = new_token(DEVICE_PREFIX)
    DeviceToken.objects.create(device=device, token_hash=hash_token(token), created_at=now)
    live = DeviceToken.objects.filter(device=device, revoked_at=None).order_by("-pk")
    stale = list(live.values_list("pk", flat=True)[_KEPT_TOKENS:])
    if stale:
        DeviceToken.objects.filter(pk__in=stale).update(revoked_at=now)
    return token
