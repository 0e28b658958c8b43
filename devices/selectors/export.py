"""What is kept of one device in this app, for its owner."""

import uuid
from collections.abc import Iterator
from typing import Any

from devices.models import AdviceGiven, ConsentEntry, Device, DeviceToken, VitalSample
from devices.selectors.vital_samples import with_contents


def export_device(device_id: uuid.UUID) -> dict[str, Any] | None:
    """The device as it is known; None if it is not.

    The look-up value that its identity leads to is left out: with it others could try identities.
    """
    row = Device.objects.filter(pk=device_id).first()
    if row is None:
        return None
    tokens = DeviceToken.objects.filter(device=row).order_by("pk")
    return {
        "device_id": str(row.pk),
        "model": row.model,
        "build_fingerprint": row.build_fingerprint,
        "os_version": row.os_version,
        "os_build": row.os_build,
        "mcc": row.mcc,
        "mnc": row.mnc,
        "enrolled_at": row.enrolled_at.isoformat(),
        "last_seen_at": row.last_seen_at.isoformat(),
        "policy_version": row.policy_version,
        "allows_development": row.allows_development,
        "allows_personalisation": row.allows_personalisation,
        "tokens": [
            {
                "created_at": token.created_at.isoformat(),
                "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
            }
            for token in tokens
        ],
    }


def export_consent(device_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """The ledger of consent, oldest first."""
    for row in ConsentEntry.objects.filter(device_id=device_id).order_by("recorded_at", "pk"):
        yield {
            "purposes": row.purposes,
            "policy_version": row.policy_version,
            "given_at": row.given_at.isoformat(),
            "recorded_at": row.recorded_at.isoformat(),
        }


def export_advice(device_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """What the owner was told, oldest first."""
    for row in AdviceGiven.objects.filter(device_id=device_id).order_by("given_at", "pk"):
        yield {
            "issue": row.issue_id,
            "fixed_in": row.fixed_in,
            "given_at": row.given_at.isoformat(),
            "installed_at": row.installed_at.isoformat() if row.installed_at else None,
        }


def export_samples(device_id: uuid.UUID, *, program_id: int) -> Iterator[dict[str, Any]]:
    """The samples of vitals, oldest first; of one that is damaged only the columns, and that."""
    rows = VitalSample.objects.filter(program_id=program_id, device_id=device_id)
    for row, content in with_contents(rows.order_by("pk").iterator(chunk_size=200)):
        yield {
            "sample_id": str(row.sample_id),
            "received_at": row.received_at.isoformat(),
            "interval_start": row.interval_start.isoformat(),
            "interval_end": row.interval_end.isoformat(),
            "model": row.model,
            "os_version": row.os_version,
            "os_build": row.os_build,
            "mcc": row.mcc,
            "mnc": row.mnc,
            **({"is_damaged": True} if content is None else content),
        }
