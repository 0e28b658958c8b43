"""What Celery's tasks do when they are called, however often and with whatever numbers."""

import pytest

from crashes.models import Issue, Report
from crashes.services.acceptance import accept_reports
from crashes.tasks import process_reports, sweep
from tests.integration.test_pipeline import upload

pytestmark = pytest.mark.django_db


def states():
    return sorted(Report.objects.values_list("state", flat=True))


def test_a_bell_for_one_report_clears_what_waits_with_it():
    receipts = accept_reports([upload() for _ in range(5)])

    process_reports(report_pks=[receipts[4].pk])

    assert states() == ["done"] * 5


def test_a_bell_that_rings_again_finds_nothing_left():
    (receipt,) = accept_reports([upload()])

    for _ in range(3):
        process_reports(report_pks=[receipt.pk])

    assert Issue.objects.get().report_count == 1


def test_a_bell_for_what_is_gone_ends():
    process_reports(report_pks=[1, 2, 3])

    assert states() == []


def test_a_sweep_without_redis_is_quiet():
    accept_reports([upload()])

    sweep()

    assert states() == ["received"]
