"""Which workers start without the private key of the spool."""

from types import SimpleNamespace

import pytest
from celery.app.amqp import Queues
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from uxp_diag.celery import _need_spool_keys


def no_keys():
    raise ImproperlyConfigured("UXP_SPOOL_KEYS is not set")


def start(*chosen):
    queues = Queues({"reports": Queue("reports"), "symbols": Queue("symbols")})
    queues.select(list(chosen))
    _need_spool_keys(
        instance=SimpleNamespace(app=SimpleNamespace(amqp=SimpleNamespace(queues=queues)))
    )


def test_a_worker_of_reports_needs_it_and_one_of_symbols_does_not(settings):
    settings.READ_SPOOL_KEYS = no_keys

    start("symbols")
    with pytest.raises(SystemExit, match="UXP_SPOOL_KEYS is not set"):
        start("reports", "symbols")


def test_a_worker_with_the_key_starts():
    start("reports")
