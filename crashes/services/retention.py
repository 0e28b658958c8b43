"""Nothing is kept longer than was promised: twelve months from the moment it tells of.

That moment is when the report was received, or earlier, when the device says so and its clock can be
believed. Everything goes a week before its year is over, so that a run that fails may fail for days.
Deletes are bounded, and each forgets a report as wholly as an erasure does.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import F, Q

from crashes.models import ClientLoss, IssueTally, Report
from crashes.services.forgetting import Forgotten, forget_reports
from devices.identity import parse_keys
from devices.selectors.audit import audit_head
from devices.selectors.operations import program_ids
from devices.services.audit import forget_old_looks
from devices.services.data_keys import forget_old_keys
from devices.services.erasure import forget_old_erasures
from devices.services.retention import (
    forget_dead_links,
    forget_old_advice,
    forget_old_samples,
    oldest_sample_at,
)
from uxp_diag.db import leave_no_traces

logger = logging.getLogger(__name__)

YEAR = timedelta(days=365)
KEPT = YEAR - timedelta(days=7)
_CHUNK = 5_000

GROWING_TABLES = (
    "crashes_report",
    "crashes_reportcontent",
    "crashes_occurrencemark",
    "crashes_attachment",
    "crashes_batchanswer",
    "crashes_issuedevice",
    "devices_advicegiven",
    "devices_vitalsample",
    "devices_datakey",
)


@dataclass(frozen=True, slots=True)
class Expired:
    """How much was too old."""

    reports: int
    samples: int


def forget_expired(*, now: datetime) -> Expired:
    """Delete what is too old."""
    limit = now - KEPT
    forgotten = Forgotten()
    forget_reports(Report.objects.filter(_told_before(limit)), forgotten=forgotten)
    while pks := list(
        IssueTally.objects.filter(day__lt=limit.date()).values_list("pk", flat=True)[:_CHUNK]
    ):
        IssueTally.objects.filter(pk__in=pks).delete()
    ClientLoss.objects.filter(day__lt=limit.date()).delete()
    forget_old_advice(before=limit)
    samples = forget_old_samples(before=limit)
    forget_old_keys(before=limit)
    expired = Expired(reports=forgotten.counts["reports"], samples=samples)
    if expired.reports or expired.samples:
        logger.info("expired: %d reports, %d samples", expired.reports, expired.samples)
    return expired


def forget_due(*, now: datetime) -> None:
    """What is to be done every day: delete whatever may not be kept any longer."""
    forget_expired(now=now)
    forget_old_erasures(now=now)
    forget_dead_links(keys=parse_keys(settings.IDENTITY_KEYS))
    forget_old_looks(now=now)
    SessionStore.clear_expired()
    clean_files()
    logger.info("audit head %d:%s", *audit_head())  # so that it leaves the machine with the logs


def clean_files() -> None:
    """Take deleted rows out of the database's files; once a day is enough."""
    leave_no_traces(GROWING_TABLES)


def oldest_record_age(*, now: datetime) -> timedelta:
    """How old the oldest thing is that is kept of a device; an alarm is due at 360 days."""
    believed = Report.objects.filter(occurred_at__gte=F("received_at") - YEAR)
    moments = [
        believed.order_by("occurred_at").values_list("occurred_at", flat=True).first(),
        oldest_sample_at(),
    ]
    for program_id in program_ids():  # each is one step into an index
        received = Report.objects.filter(program_id=program_id).order_by("received_at", "pk")
        moments.append(received.values_list("received_at", flat=True).first())
    return now - min((moment for moment in moments if moment is not None), default=now)


def _told_before(limit: datetime) -> Q:
    """A clock that is off by more than a year is not believed."""
    is_believed = Q(occurred_at__gte=F("received_at") - YEAR)
    return Q(received_at__lt=limit) | (Q(occurred_at__lt=limit) & is_believed)
