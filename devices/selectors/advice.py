"""What is known of a phone whose owner allows personalisation, and what owners were told."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Q

from devices.models import AdviceGiven, Device, VitalSample
from devices.selectors.vital_samples import with_contents


@dataclass(frozen=True, slots=True)
class Phone:
    """An enrolled phone, as it enrolled."""

    id: uuid.UUID
    program_id: int
    model: str
    os_build: str
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class NewestSample:
    """What a phone's newest sample of vitals says of its software: build, and apps by version code."""

    ended_at: datetime
    os_build: str
    installed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AdviceCount:
    """Phones told of one fix of one issue, those that have it, and those that met the issue again."""

    issue_id: int
    fixed_in: str
    told: int
    installed: int
    met_again: int


def phone_of(row: Device) -> Phone:
    """A device as a value."""
    return Phone(row.pk, row.program_id, row.model, row.os_build, row.enrolled_at)


def newest_sample(phone: Phone) -> NewestSample | None:
    """What a phone told last of what it runs."""
    rows = VitalSample.objects.filter(program_id=phone.program_id, device_id=phone.id)
    newest = list(with_contents(rows.order_by("-interval_end")[:1]))
    if not newest:
        return None
    row, content = newest[0][0], newest[0][1] or {}  # of a damaged one
    apps = (*content.get("installed", ()), *content.get("apps", ()))
    return NewestSample(
        row.interval_end,
        row.os_build,
        {
            app["package"]: app["version_code"]
            for app in apps
            if app.get("version_code") is not None
        },
    )


def is_enrolled_with(*, program_id: int, model: str, os_build: str) -> bool:
    """Whether a phone of a model enrolled with an OS build."""
    return Device.objects.filter(program_id=program_id, model=model, os_build=os_build).exists()


def count_advice(
    *,
    program_ids: Iterable[int],
    issue_id: int | None,
    fixed_in: str | None,
    met_again: Exists,
    most: int,
) -> list[AdviceCount]:
    """The fixes that most were told of. `met_again` says of a row whether its phone met the issue since."""
    rows = AdviceGiven.objects.filter(program_id__in=list(program_ids))
    if issue_id is not None:
        rows = rows.filter(issue_id=issue_id)
    if fixed_in is not None:
        rows = rows.filter(fixed_in=fixed_in)
    counted = rows.values("issue_id", "fixed_in").annotate(
        told=Count("pk"),
        installed=Count("pk", filter=Q(installed_at__isnull=False)),
        met_again=Count("pk", filter=Q(met_again, installed_at__isnull=False)),
    )
    found = counted.order_by("-told", "issue_id", "fixed_in")
    return [
        AdviceCount(*row)
        for row in found.values_list("issue_id", "fixed_in", "told", "installed", "met_again")[
            :most
        ]
    ]
