"""A worker of the embedded platform: the production pipeline without Celery.

It leases, digests and stores with the same services as the Celery tasks; only the bell is
missing, so it looks at the table itself: at once while there is work, then less and less often.
"""

import logging
import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone

from crashes.services.advising import settle_advice
from crashes.services.collecting import tend_debug_files
from crashes.services.erasing import erase_waiting
from crashes.services.noise import SharingUnavailable
from crashes.services.processing import lease_reports, process_reports
from crashes.services.reconciling import reconcile
from crashes.services.regrouping import list_awaited, regroup_waiting
from crashes.services.releasing import judge_due
from crashes.services.retention import forget_due
from crashes.services.seal_stored import seal_some
from crashes.services.sharing import release_due
from crashes.services.standings import end_mutes
from crashes.services.switch_moves import list_unfinished, move_batch
from crashes.services.symbol_tables import list_unprepared, prepare_debug_file
from crashes.tasks import BATCH, SEALED_AT_ONCE
from devices.sealing.keys import MasterKeyMissing
from devices.selectors.data_keys import check_master_keys
from devices.services.rollups import roll_up_one_day

logger = logging.getLogger(__name__)

_SHORTEST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5
_JUDGE_SECONDS = 20.0
_SEALED_IN_A_ROW = 10
_FORGET_SECONDS = 24 * 3600.0


class Command(BaseCommand):
    """Work until told to stop."""

    help = "Digest reports as they arrive, without Celery (embedded worker)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long, and what else."""
        parser.add_argument("--once", action="store_true", help="end when nothing is left to do")
        parser.add_argument(
            "--reconcile",
            action="store_true",
            help="also bring spool and table into agreement, make room among debug files, and "
            "judge releases",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Work in a loop; SIGTERM and SIGINT end it after the batch at hand."""
        del args
        _check_keys()
        self._is_stopping = False
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        next_reconcile = next_collection = float("inf")
        if options["reconcile"]:
            next_reconcile = time.monotonic()
            next_collection = next_reconcile + settings.RECOVERY_SECONDS  # not while it starts
        next_forget = next_judging = next_reconcile
        pause = _SHORTEST_PAUSE_SECONDS
        while not self._is_stopping:
            if time.monotonic() >= next_reconcile:
                _attempt(_reconcile)
                _attempt(_end_mutes)
                _attempt(_settle_advice)
                _attempt(_seal)
                next_reconcile = time.monotonic() + settings.RECOVERY_SECONDS
            if time.monotonic() >= next_collection:
                _attempt(_collect)
                next_collection = time.monotonic() + settings.COLLECT_SECONDS
            if time.monotonic() >= next_judging:
                _attempt(_judge)
                next_judging = time.monotonic() + _JUDGE_SECONDS
            if time.monotonic() >= next_forget:
                _attempt(_forget)
                _attempt(_share)
                next_forget = time.monotonic() + _FORGET_SECONDS
            if _work_once():
                pause = _SHORTEST_PAUSE_SECONDS
                continue
            if options["once"]:
                return
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_stopping = True


def _check_keys() -> None:
    try:
        check_master_keys()
    except MasterKeyMissing as problem:
        raise CommandError(str(problem)) from None
    except DatabaseError:  # it is away, and then nothing is stored either
        logger.warning("the database is away; master keys are not checked")


def _work_once() -> bool:
    """Do one piece of work of every kind; whether there was any."""
    steps = (
        _erase_device, _prepare_debug_file, _digest_reports, _regroup_reports,
        _move_to_mechanism, _roll_up,
    )  # fmt: skip
    done = [_attempt(step) for step in steps]
    return any(done)


def _attempt(step: Callable[[], object]) -> bool:
    """Whether a step did something. One kind of work that fails never holds up the others."""
    try:
        return bool(step())
    except (OperationalError, InterfaceError):
        logger.exception("the database did not take part; trying again")
        time.sleep(1.0)
    except Exception:
        logger.exception("a step failed; what it held is free again in a while")
    return False


def _reconcile() -> None:
    reconcile(now=timezone.now())


def _end_mutes() -> None:
    end_mutes(now=timezone.now())


def _settle_advice() -> None:
    settle_advice(now=timezone.now())


def _seal() -> None:
    for _ in range(_SEALED_IN_A_ROW):
        if not seal_some(limit=SEALED_AT_ONCE):
            return


def _collect() -> None:
    tend_debug_files(now=timezone.now())


def _erase_device() -> bool:
    return erase_waiting(now=timezone.now())


def _judge() -> None:
    judge_due(now=timezone.now())


def _forget() -> None:
    forget_due(now=timezone.now())


def _share() -> None:
    try:
        release_due(now=timezone.now())
    except SharingUnavailable:
        logger.warning("sharing: OpenDP is not installed, so no week is released")


def _prepare_debug_file() -> bool:
    unprepared = list_unprepared(limit=1)
    for debug_file_id in unprepared:
        prepare_debug_file(debug_file_id)
    return bool(unprepared)


def _digest_reports() -> bool:
    rows = lease_reports(limit=BATCH, now=timezone.now())
    process_reports(rows, now=timezone.now())
    return bool(rows)


def _regroup_reports() -> bool:
    awaited = list_awaited(now=timezone.now(), limit=1)
    return any(regroup_waiting(debug_file_id, now=timezone.now()) for debug_file_id in awaited)


def _move_to_mechanism() -> bool:
    return any(
        move_batch(proposal_id, limit=BATCH, now=timezone.now())
        for proposal_id in list_unfinished(limit=1)
    )


def _roll_up() -> bool:
    return roll_up_one_day(now=timezone.now())
