"""`/metrics`: how the platform is doing, for Prometheus (text format 0.0.4).

Every value is read when asked, from database, disk and Redis: any number of web processes tell the
same, and a restart changes nothing. Totals are counted in the transactions that do the work
(`devices.services.work_counts`), so they only grow. What cannot be read is left out, and `uxp_up` of
that part is 0; the answer is 200 all the same. An answer stands for five seconds.

To add a metric: yield it here with its labels, enter it in `crashes/register/beside.py`, and explain it
in docs/operations.md; tests compare the three.
"""

import hmac
import ipaddress
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from crashes.formats.registry import PARSER_VERSION
from crashes.selectors.operations import PipelineOperations, read_pipeline_operations
from crashes.services.leases import LEASE
from crashes.services.retention import oldest_record_age
from crashes.services.spooled import spool
from devices.scrubbing import SCRUBBER_VERSION
from devices.selectors.operations import FleetOperations, read_fleet_operations
from uxp_diag.db import applied_migrations, database_bytes
from uxp_diag.limits import connect
from uxp_diag.outage import database_outage

SECONDS = 5.0
_DAY_SECONDS = 86_400
_FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics: 200, or 401 for those who may not read them."""
    if not _may_read(request):
        advice = "Send the token of UXP_METRICS_TOKEN as `Authorization: Bearer …`.\n"
        if not settings.METRICS_TOKEN:
            advice = "Without UXP_METRICS_TOKEN, metrics are for this machine alone.\n"
        refusal = HttpResponse(advice, status=401, content_type="text/plain; charset=utf-8")
        refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refusal
    return HttpResponse(page.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_read(request: HttpRequest) -> bool:
    """Whoever has the token; without one, whoever asks from this machine and not through a proxy."""
    token = settings.METRICS_TOKEN
    if token:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    named = {*_FORWARDED, settings.CLIENT_ADDRESS_HEADER} - {""}
    if any(name in request.headers for name in named):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class _Page:
    """The last answer. While one request reads anew, the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = b""
        self._made_at = float("-inf")

    def text(self) -> bytes:
        """An answer that is at most five seconds old."""
        with self._lock:
            if time.monotonic() - self._made_at >= SECONDS:
                self._text = exposition(now=timezone.now())
                self._made_at = time.monotonic()
            return self._text

    def forget(self) -> None:
        """Read anew when next asked."""
        self._made_at = float("-inf")


page = _Page()


def exposition(*, now: datetime) -> bytes:
    """All metrics as they are now, in the text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Platform(now))
    return generate_latest(registry)


class _Platform(Collector):
    """Reads everything once; each part that cannot be read is told as such."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        up = GaugeMetricFamily(
            "uxp_up", "Whether a part of the platform could be read.", labels=["part"]
        )
        yield from self._of("database", up, _database(self._now))
        yield from self._of("disk", up, _disk())
        if settings.REDIS_URL:
            yield from self._of("redis", up, _redis())
        yield _build()
        yield up

    def _of(self, part: str, up: GaugeMetricFamily, found: Iterator[Metric]) -> list[Metric]:
        try:
            families = list(found)
        except (DatabaseError, InterfaceError, redis.RedisError, OSError):
            families = None
        up.add_metric([part], 0 if families is None else 1)
        return families or []


def _database(now: datetime) -> Iterator[Metric]:
    if database_outage.is_on():
        raise InterfaceError
    yield from _pipeline(read_pipeline_operations(), now)
    yield from _fleet(read_fleet_operations(), now)
    yield GaugeMetricFamily(
        "uxp_oldest_record_age_days",
        "Age of the oldest thing that is kept of a phone. An alarm is due at 360.",
        oldest_record_age(now=now).total_seconds() / _DAY_SECONDS,
    )
    yield GaugeMetricFamily(
        "uxp_database_bytes", "Size of the database on its disk.", database_bytes()
    )
    schema = GaugeMetricFamily(
        "uxp_schema_info",
        "The newest migration of each app; always 1.",
        labels=["app", "migration"],
    )
    for app, migration in applied_migrations(("crashes", "devices")).items():
        schema.add_metric([app, migration], 1)
    yield schema


def _pipeline(found: PipelineOperations, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "uxp_reports_waiting", "Reports that no worker has finished.", found.reports_waiting
    )
    yield GaugeMetricFamily(
        "uxp_oldest_waiting_report_age_seconds",
        "Since when the first of them waits; 0 without any.",
        _age(found.oldest_waiting_at, now),
    )
    yield GaugeMetricFamily(
        "uxp_reports_leased", "Reports that a worker has taken.", found.reports_leased
    )
    lease_began_at = found.earliest_lease_end_at and found.earliest_lease_end_at - LEASE
    yield GaugeMetricFamily(
        "uxp_oldest_lease_age_seconds",
        "Since when the oldest lease was not renewed; 0 without any.",
        _age(lease_began_at, now),
    )
    yield GaugeMetricFamily(
        "uxp_reports_in_quarantine", "Reports that were set aside.", found.quarantined
    )
    yield GaugeMetricFamily(
        "uxp_missing_debug_files", "Build ids without a debug file.", found.missing_debug_files
    )
    yield GaugeMetricFamily(
        "uxp_reports_lacking_symbols",
        "Reports that a debug file would give more names.",
        found.reports_lacking_symbols,
    )
    yield GaugeMetricFamily(
        "uxp_debug_files_unprepared",
        "Debug files that no worker has made a table of.",
        found.debug_files_unprepared,
    )
    yield GaugeMetricFamily("uxp_releases", "Releases that are known.", found.releases)
    yield GaugeMetricFamily(
        "uxp_releases_judged", "Releases with a verdict.", found.releases_judged
    )
    yield GaugeMetricFamily(
        "uxp_last_verdict_age_seconds",
        "Since when no verdict was made; 0 without any.",
        _age(found.last_verdict_at, now),
    )


def _fleet(found: FleetOperations, now: datetime) -> Iterator[Metric]:
    total = found.totals.get
    yield CounterMetricFamily(
        "uxp_reports_accepted_total",
        "Reports that were taken, each once.",
        total("reports_accepted", 0),
    )
    yield CounterMetricFamily(
        "uxp_reports_digested_total",
        "Reports that became part of an issue.",
        total("reports_digested", 0),
    )
    yield CounterMetricFamily(
        "uxp_reports_quarantined_total",
        "Times that a report was set aside.",
        total("reports_quarantined", 0),
    )
    yield CounterMetricFamily(
        "uxp_vital_samples_accepted_total",
        "Vitals of a phone and interval that were taken, each once.",
        total("samples_accepted", 0),
    )
    yield GaugeMetricFamily(
        "uxp_vital_marks_waiting", "Uploads whose days are to be rolled up.", found.marks_waiting
    )
    yield GaugeMetricFamily(
        "uxp_oldest_vital_mark_age_seconds",
        "Since when the first of them waits; 0 without any.",
        _age(found.oldest_mark_at, now),
    )
    yield GaugeMetricFamily(
        "uxp_erasures_waiting", "Erasures that are asked for and not done.", found.erasures_waiting
    )
    yield GaugeMetricFamily(
        "uxp_oldest_erasure_age_seconds",
        "Since when the first of them waits; 0 without any.",
        _age(found.oldest_erasure_at, now),
    )


def _disk() -> Iterator[Metric]:
    files, size_bytes = spool().usage()
    yield GaugeMetricFamily("uxp_spool_files", "Files in the spool.", files)
    yield GaugeMetricFamily("uxp_spool_bytes", "What the spool takes up.", size_bytes)
    disk = shutil.disk_usage(settings.DATA_DIR)
    yield GaugeMetricFamily("uxp_disk_free_bytes", "Free where the data folder is.", disk.free)
    yield GaugeMetricFamily("uxp_disk_bytes", "Size of that disk.", disk.total)


def _redis() -> Iterator[Metric]:
    client = connect(settings.REDIS_URL)
    try:
        used = client.info("memory")["used_memory"]
    finally:
        client.connection_pool.disconnect()
    yield GaugeMetricFamily("uxp_redis_memory_bytes", "What Redis holds in memory.", used)


def _build() -> Metric:
    build = GaugeMetricFamily(
        "uxp_build_info",
        "What runs here; always 1.",
        labels=["region", "parser", "scrubber"],
    )
    build.add_metric([settings.REGION, str(PARSER_VERSION), str(SCRUBBER_VERSION)], 1)
    return build


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
