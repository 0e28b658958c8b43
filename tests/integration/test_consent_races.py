"""An owner withdraws while the phone uploads: whoever commits first, nothing of later is kept.

`UXP_TEST_RACES=1000` runs as many, in two minutes.
"""

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from crashes.models import Report, ReportContent
from crashes.services.acceptance import Acceptance, accept_reports
from crashes.services.erasing import erase_waiting
from crashes.services.processing import lease_reports, process_reports
from crashes.services.reconciling import reconcile
from devices.consent import Purpose
from devices.models import ConsentEntry, VitalSample
from devices.services.consent import record_consent
from devices.services.vitals import SampleStatus, accept_samples
from devices.vitals.sample import decode_sample
from tests.factories import make_device, make_program
from tests.integration.test_pipeline import upload
from tests.integration.test_vitals_upload import lines, sample

RACES = int(os.environ.get("UXP_TEST_RACES", "12"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite writes one at a time")
def test_an_upload_that_races_a_withdrawal_leaves_nothing_of_later():
    program = make_program()
    told = {"kept": 0, "refused": 0}
    with ThreadPoolExecutor(3) as pool:
        for _ in range(RACES):
            device = make_device(program)
            allow(device.pk, frozenset({Purpose.DEVELOPMENT}))
            start = threading.Barrier(3)
            jobs = [
                pool.submit(job, start, device) for job in (upload_report, upload_sample, withdraw)
            ]
            report, vital, _ = (job.result() for job in jobs)

            # Who was told that it is kept was first: the row is there, and is of before.
            rows = Report.objects.filter(device_id=device.pk)
            samples = VitalSample.objects.filter(device_id=device.pk)
            assert rows.count() == (report is Acceptance.ACCEPTED)
            assert samples.count() == (vital is SampleStatus.ACCEPTED)
            withdrawn_at = ConsentEntry.objects.filter(device_id=device.pk).latest("pk").recorded_at
            received = [row.received_at for row in rows] + [row.received_at for row in samples]
            assert all(moment < withdrawn_at for moment in received)
            told["kept"] += report is Acceptance.ACCEPTED
            told["refused"] += report is Acceptance.CONSENT_WITHDRAWN
    now = timezone.now()
    process_reports(lease_reports(limit=100, now=now), now=now)
    while erase_waiting(now=timezone.now()):
        pass
    reconcile(now=timezone.now())
    process_reports(lease_reports(limit=100, now=timezone.now()), now=timezone.now())

    assert told["kept"] + told["refused"] == RACES
    assert Report.objects.count() == ReportContent.objects.count() == 0
    assert VitalSample.objects.count() == 0
    assert [path for path in settings.BLOB_DIR.rglob("*") if path.is_file()] == []


def allow(device_id, purposes):
    record_consent(
        device_id, purposes=purposes, policy_version="2023-04-17", given_at=timezone.now()
    )


def on_its_own(job):
    """A thread's job with a connection that ends with it."""

    def call(start, device):
        try:
            start.wait(timeout=30)
            return job(device)
        finally:
            connection.close()

    return call


@on_its_own
def upload_report(device):
    one = upload(report_id=uuid.uuid4(), program_id=device.program_id, device_id=device.pk)
    (receipt,) = accept_reports([replace(one, received_at=timezone.now())])
    return receipt.acceptance


@on_its_own
def upload_sample(device):
    (outcome,) = accept_samples(
        [decode_sample(lines(sample()), received_at=timezone.now())],
        program_id=device.program_id,
        device_id=device.pk,
        model=device.model,
        now=timezone.now(),
    )
    return outcome


@on_its_own
def withdraw(device):
    allow(device.pk, frozenset())
