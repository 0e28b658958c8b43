"""The production workers' application: three queues and a timetable.

Celery and Redis only ring the bell. The database owns every report's state, so a message that
Redis loses costs a few seconds until the sweeper rings again, and a message that comes twice
finds nothing left to do. Hence: tasks take ids only, keep no results, and may run twice.
"""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import celeryd_after_setup
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "uxp_diag.settings")

app = Celery("uxp_diag")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_default_queue="reports",
    # Symbolication has a queue of its own, so that a burst of uploads cannot hold up the reports.
    task_routes={
        "crashes.tasks.prepare_symcache": {"queue": "symbols"},
        "crashes.tasks.resymbolicate": {"queue": "symbols"},
        "crashes.tasks.move_to_mechanism": {"queue": "symbols"},
        "crashes.tasks.fetch_debug_files": {"queue": "symbols"},
        "crashes.tasks.collect_symbols": {"queue": "symbols"},
    },
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=2000,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker never gives up on its broker
    broker_connection_timeout=2,
    broker_transport_options={
        "visibility_timeout": 120,
        # The defaults look for unacknowledged work every 100 s; these look every 5 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 2,
        "health_check_interval": 10,
    },
    beat_schedule={
        # Those that nobody heard while the workers were away do not pile up.
        "sweep": {
            "task": "crashes.tasks.sweep",
            "schedule": settings.RECOVERY_SECONDS / 2,
            "options": {"expires": settings.RECOVERY_SECONDS},
        },
        "reconcile": {
            "task": "crashes.tasks.reconcile_spool",
            "schedule": float(settings.RECOVERY_SECONDS),
            "options": {"expires": settings.RECOVERY_SECONDS},
        },
        "erase": {
            "task": "crashes.tasks.erase_devices",
            "schedule": settings.RECOVERY_SECONDS / 2,
            "options": {"expires": settings.RECOVERY_SECONDS},
        },
        "roll-up": {
            "task": "crashes.tasks.roll_up_vitals",
            "schedule": settings.RECOVERY_SECONDS / 2,
            "options": {"expires": settings.RECOVERY_SECONDS},
        },
        "judge": {
            "task": "crashes.tasks.judge_releases",
            "schedule": float(settings.RECOVERY_SECONDS),
            "options": {"expires": settings.RECOVERY_SECONDS},
        },
        "seal": {
            "task": "crashes.tasks.seal_stored",
            "schedule": float(settings.RECOVERY_SECONDS),
            "options": {"expires": settings.RECOVERY_SECONDS},
        },
        "forget": {
            "task": "crashes.tasks.forget",
            "schedule": crontab(hour="2", minute="23"),
            "options": {"expires": 3600 * 12},
        },
        "share": {
            "task": "crashes.tasks.share",
            "schedule": crontab(hour="3", minute="11"),
            "options": {"expires": 3600 * 12},
        },
        "collect": {
            "task": "crashes.tasks.collect_symbols",
            "schedule": settings.COLLECT_SECONDS,
            "options": {"expires": settings.COLLECT_SECONDS / 2},
        },
    },
)
if settings.DEBUGINFOD_URLS:
    app.conf.beat_schedule["fetch"] = {
        "task": "crashes.tasks.fetch_debug_files",
        "schedule": settings.FETCH_SECONDS,
        "options": {"expires": settings.FETCH_SECONDS},
    }
app.autodiscover_tasks()


@celeryd_after_setup.connect
def _need_spool_keys(instance: Any, **_: Any) -> None:
    """A worker of reports that cannot open the spool does not start."""
    if "reports" not in instance.app.amqp.queues.consume_from:
        return
    try:
        settings.READ_SPOOL_KEYS()
    except ImproperlyConfigured as problem:
        raise SystemExit(str(problem)) from None
