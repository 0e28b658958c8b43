"""What Prometheus reads: true numbers, for those who may, whatever is away."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from crashes.models import Report
from crashes.register import REGISTER
from crashes.services.processing import lease_reports, process_reports
from crashes.web import metrics
from devices.models import Device, Erasure
from tests.integration.test_erasure import report
from uxp_diag.outage import database_outage

pytestmark = pytest.mark.django_db

NAMES = {metric.name: metric.labels for metric in REGISTER.metrics}
OF_REDIS = {"uxp_redis_memory_bytes"}


@pytest.fixture(autouse=True)
def nothing_remembered():
    metrics.page.forget()
    yield
    metrics.page.forget()


def read(now=None):
    """All samples by name and, where there are some, values of labels."""
    text = metrics.exposition(now=now or timezone.now()).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(name, now=None):
    return read(now)[(name,)]


def digest():
    process_reports(lease_reports(limit=50, now=timezone.now()), now=timezone.now())


def test_every_registered_metric_is_told_with_its_labels(client):
    answer = client.get("/metrics")
    families = list(text_string_to_metric_families(answer.content.decode()))
    samples = [sample for family in families for sample in family.samples]

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {it.name for it in samples} == NAMES.keys() - OF_REDIS
    assert all(set(it.labels) == set(NAMES[it.name]) for it in samples)
    assert all(family.documentation for family in families)
    totals = {f"{family.name}_total" for family in families if family.type == "counter"}
    assert totals == {name for name in NAMES if name.endswith("_total")}


def test_what_waits_and_what_was_done(send, device_token):
    for _ in range(3):
        send("reports/", report(), token=device_token)
    Report.objects.update(received_at=timezone.now() - timedelta(seconds=500))

    before = read()
    digest()
    after = read()

    assert before[("uxp_reports_waiting",)] == 3
    assert 500 <= before[("uxp_oldest_waiting_report_age_seconds",)] < 560
    assert before[("uxp_spool_files",)] == 3
    assert before[("uxp_spool_bytes",)] > 100
    assert before[("uxp_reports_accepted_total",)] == 3
    assert before[("uxp_reports_digested_total",)] == 0
    assert after[("uxp_reports_waiting",)] == after[("uxp_spool_files",)] == 0
    assert after[("uxp_oldest_waiting_report_age_seconds",)] == 0
    assert after[("uxp_reports_digested_total",)] == 3


def test_a_lease_that_nobody_renews_is_seen(send, device_token):
    send("reports/", report(), token=device_token)
    now = timezone.now()
    lease_reports(limit=1, now=now)

    later = read(now + timedelta(seconds=90))

    assert later[("uxp_reports_leased",)] == 1
    assert later[("uxp_oldest_lease_age_seconds",)] == pytest.approx(90)


def test_a_total_counts_a_replay_once_and_outlives_what_it_counted(send, device_token):
    body = report()
    for _ in range(2):
        send("reports/", body, token=device_token)
    digest()
    Report.objects.all().delete()

    assert value("uxp_reports_accepted_total") == 1
    assert value("uxp_reports_digested_total") == 1


def test_a_report_in_quarantine_is_seen(send, device_token):
    bad = report(kind="native_crash", payload={"format": "tombstone_text", "text": "nothing"})
    send("reports/", bad, token=device_token)
    digest()

    assert value("uxp_reports_in_quarantine") == 1
    assert value("uxp_reports_quarantined_total") == 1
    assert value("uxp_reports_digested_total") == 0


def test_an_erasure_that_waits_is_seen(send, device_token):
    send("devices/me/erase/", b"", token=device_token)
    Erasure.objects.update(requested_at=timezone.now() - timedelta(days=2))

    found = read()

    assert found[("uxp_erasures_waiting",)] == 1
    assert 172_800 <= found[("uxp_oldest_erasure_age_seconds",)] < 172_900


def test_the_oldest_record_is_found_in_any_program(send, device_token):
    send("reports/", report(), token=device_token)
    Report.objects.update(received_at=timezone.now() - timedelta(days=361))

    assert value("uxp_oldest_record_age_days") == pytest.approx(361, abs=0.1)


def test_the_number_of_queries_does_not_grow_with_what_is_stored(send, device_token):
    def count():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            read()
        return len(queries)

    empty = count()
    for _ in range(3):
        send("reports/", report(), token=device_token)
    digest()

    assert count() == empty <= 35


def test_without_the_database_the_rest_is_told(client):
    database_outage.begin()
    try:
        answer = client.get("/metrics")
    finally:
        database_outage.end()

    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'uxp_up{part="database"} 0.0' in text
    assert 'uxp_up{part="disk"} 1.0' in text
    assert "uxp_disk_free_bytes" in text
    assert "uxp_reports_waiting" not in text


def test_redis_is_told_when_it_is_there_and_when_it_is_away(settings, redis_url):
    settings.REDIS_URL = redis_url
    there = read()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    away = read()

    assert there[("uxp_up", "redis")] == 1
    assert there[("uxp_redis_memory_bytes",)] > 1000
    assert away[("uxp_up", "redis")] == 0
    assert away[("uxp_up", "database")] == 1
    assert OF_REDIS & {key[0] for key in away} == set()


def test_an_answer_stands_for_a_moment(client):
    first = client.get("/metrics").content

    with CaptureQueriesContext(connection) as queries:
        assert client.get("/metrics").content == first
    assert len(queries) == 0


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 401),
        ("192.0.2.7", {}, 401),
        ("", {}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 401),
    ],
)
def test_without_a_token_only_this_machine_reads_them(client, peer, headers, status):
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=peer)

    assert answer.status_code == status
    assert (b"uxp_up" in answer.content) == (status == 200)


def test_the_header_of_the_proxy_counts_as_one(client, settings):
    settings.CLIENT_ADDRESS_HEADER = "X-Client"

    assert client.get("/metrics", headers={"X-Client": "::1"}).status_code == 401


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer right", 200), ("Bearer wröng", 401), ("right", 401), ("", 401)],
)
def test_with_a_token_whoever_shows_it_reads_them(client, settings, given, status):
    settings.METRICS_TOKEN = "right"  # noqa: S105

    for peer in ("127.0.0.1", "192.0.2.7"):
        answer = client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR=peer)
        assert answer.status_code == status
        assert ("WWW-Authenticate" in answer) == (status == 401)


def test_nothing_of_a_phone_is_told(send, device_token):
    send("reports/", report(), token=device_token)
    digest()
    device = Device.objects.get()
    text = metrics.exposition(now=timezone.now()).decode()

    told = {label for labels in NAMES.values() for label in labels}
    assert told == {"part", "app", "migration", "region", "parser", "scrubber"}
    assert str(device.pk) not in text
    assert device.model not in text
