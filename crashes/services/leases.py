"""Leases that live as long as their holder: short, and renewed while the work goes on.

A worker that dies stops renewing, so what it held is free again half a minute later, however long
the work itself may take.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=settings.RECOVERY_SECONDS)
RENEW_SECONDS = settings.RECOVERY_SECONDS / 3


@contextmanager
def kept(renew: Callable[[datetime], object]) -> Iterator[None]:
    """Call `renew` with the new end every ten seconds for as long as the block takes.

    It is called in a thread, with a database connection of its own.
    """
    is_over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(renew, is_over), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
        keeper.join()


def _keep(renew: Callable[[datetime], object], is_over: threading.Event) -> None:
    while not is_over.wait(RENEW_SECONDS):
        try:
            renew(timezone.now() + LEASE)
        except DatabaseError:
            logger.exception("a lease could not be renewed; somebody else may take over")
        finally:
            connection.close()
