"""One phone for the few who may see one: what it is, what its owner allows, what it measured."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied

from devices.models import ConsentEntry, Device, Erasure, VitalSample
from devices.selectors.vital_samples import with_contents
from uxp_diag.roles import Scope
from uxp_diag.viewer import Viewer

MOST_SAMPLES = 1_000
_MOST_CONSENTS = 20


@dataclass(frozen=True, slots=True)
class ConsentSaid:
    """One statement of the owner: all purposes that were allowed from then on."""

    purposes: tuple[str, ...]
    policy_version: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A phone without its identity. `consents`: newest first, the last few."""

    device_id: uuid.UUID
    program_id: int
    model: str
    os_version: str
    os_build: str
    enrolled_at: datetime
    last_seen_at: datetime
    allows_development: bool
    allows_personalisation: bool
    consents: tuple[ConsentSaid, ...]


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One interval. `content` is None for one that is damaged."""

    interval_start: datetime
    interval_end: datetime
    os_build: str
    content: dict[str, Any] | None


def may_see_devices(viewer: Viewer) -> bool:
    """Whether somebody may see single phones: who sees raw payloads, or answers owners."""
    return viewer.may(Scope.RAW_PAYLOAD) or viewer.may(Scope.PRIVACY)


def get_device(*, viewer: Viewer, device_id: uuid.UUID) -> DeviceFacts:
    """One phone of the viewer's programs. Raises PermissionDenied, Device.DoesNotExist.

    A phone that is being erased is not there any more.
    """
    if not may_see_devices(viewer):
        raise PermissionDenied("Your role does not let you see single phones.")
    row = Device.objects.get(pk=device_id, program_id__in=viewer.program_ids)
    if Erasure.objects.filter(device_id=device_id, state=Erasure.State.REQUESTED).exists():
        raise Device.DoesNotExist
    said = ConsentEntry.objects.filter(device_id=device_id).order_by("-recorded_at", "-pk")
    return DeviceFacts(
        device_id=row.pk,
        program_id=row.program_id,
        model=row.model,
        os_version=row.os_version,
        os_build=row.os_build,
        enrolled_at=row.enrolled_at,
        last_seen_at=row.last_seen_at,
        allows_development=row.allows_development,
        allows_personalisation=row.allows_personalisation,
        consents=tuple(
            ConsentSaid(tuple(entry.purposes), entry.policy_version, entry.given_at)
            for entry in said[:_MOST_CONSENTS]
        ),
    )


def list_device_samples(device: DeviceFacts, *, since: datetime) -> list[DeviceSample]:
    """What a phone measured since a moment, oldest first: the newest `MOST_SAMPLES` intervals."""
    rows = VitalSample.objects.filter(
        program_id=device.program_id, device_id=device.device_id, interval_end__gt=since
    )
    newest = rows.order_by("-interval_end", "-pk")[:MOST_SAMPLES]
    found = [
        DeviceSample(row.interval_start, row.interval_end, row.os_build, content)
        for row, content in with_contents(newest.iterator(chunk_size=200))
    ]
    return found[::-1]
