"""The pipeline, one step per task.

    process_reports   parse, symbolicate, group, store the reports with these numbers
    prepare_symcache  make the tables of the debug file with this number
    resymbolicate     digest the reports again that waited for it
    fetch_debug_files ask other people's debuginfod servers for what is missing
    collect_symbols   make room among the debug files
    move_to_mechanism move reports of a program that was switched to another mechanism
    sweep             ring again for whatever no bell announced; end mutes that are over; see
                      which phones have installed what their owners were told of
    reconcile_spool   adopt or remove spool files that no row names
    erase_devices     empty the stores of devices whose owners asked for it
    roll_up_vitals    make the roll-ups of days again whose samples changed
    judge_releases    judge the releases that are due
    seal_stored       seal what is from before there were keys, and renew keys
    forget            delete what is a year old, and take deleted rows out of files
    share             release the counts of weeks that are over to the developers of apps

Tasks take numbers only, may run twice, and may get lost: the lease in the database decides. The
embedded platform has no Celery; its workers call the same services in a loop.
"""

import logging
from collections.abc import Sequence
from typing import Any

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from celery.signals import celeryd_after_setup
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from crashes.services.advising import settle_advice
from crashes.services.collecting import tend_debug_files
from crashes.services.erasing import erase_waiting
from crashes.services.fetching import fetch_missing_debug_files, upstream_client
from crashes.services.noise import SharingUnavailable
from crashes.services.processing import lease_reports, list_unannounced
from crashes.services.processing import process_reports as process
from crashes.services.reconciling import reconcile
from crashes.services.regrouping import list_awaited, regroup_waiting
from crashes.services.releasing import judge_due
from crashes.services.retention import forget_due
from crashes.services.seal_stored import seal_some
from crashes.services.sharing import release_due
from crashes.services.standings import end_mutes
from crashes.services.switch_moves import BATCH as SWITCH_BATCH
from crashes.services.switch_moves import list_unfinished, move_batch
from crashes.services.symbol_tables import list_unprepared, prepare_debug_file
from devices.sealing.keys import MasterKeyMissing
from devices.selectors.data_keys import check_master_keys
from devices.services.rollups import roll_up_one_day
from uxp_diag.bell import Bell

logger = logging.getLogger(__name__)

BATCH = 50
FETCHED_AT_ONCE = 50
SEALED_AT_ONCE = 200
_SWEEP_LIMIT = 2_000
_DAYS_IN_A_ROW = 400
_BATCHES_IN_A_ROW = 20
"""Then the task ends and rings for itself, so that others get their turn."""


@celeryd_after_setup.connect
def _need_master_keys(**_: Any) -> None:
    """A worker that cannot seal what it stores does not start."""
    try:
        check_master_keys()
    except MasterKeyMissing as problem:
        raise SystemExit(str(problem)) from None
    except DatabaseError:  # it is away, and then nothing is stored either
        return
    finally:
        connection.close()  # the worker's children make their own


def ring(report_pks: Sequence[int]) -> None:
    """Tell the workers about reports that are committed.

    Without Redis, or while it is away, nobody is told and nothing is lost: embedded workers look
    by themselves, and the sweeper looks for the others.
    """
    if settings.REDIS_URL:
        _reports_bell.ring(list(report_pks))


def ring_some(report_pks: Sequence[int]) -> None:
    """Tell the workers about many reports at once; the sweep rings for what is beyond 2,000."""
    for start in range(0, min(len(report_pks), _SWEEP_LIMIT), BATCH):
        ring(report_pks[start : start + BATCH])


def ring_symbols(debug_file_id: int) -> None:
    """Tell the symbolication workers about a new debug file. Whoever needs it earlier makes it."""
    if settings.REDIS_URL:
        _symbols_bell.ring([debug_file_id])


def ring_waiting(debug_file_id: int) -> None:
    """Tell the symbolication workers that reports may have waited for this debug file."""
    if settings.REDIS_URL:
        _waiting_bell.ring([debug_file_id])


def _send_reports(report_pks: list[int]) -> None:
    process_reports.apply_async(kwargs={"report_pks": report_pks}, retry=False, ignore_result=True)


def _send_symbols(debug_file_ids: list[int]) -> None:
    for debug_file_id in debug_file_ids:
        prepare_symcache.apply_async(
            kwargs={"debug_file_id": debug_file_id},
            expires=settings.RECOVERY_SECONDS,  # the sweep rings again, so none pile up
            retry=False,
            ignore_result=True,
        )


def _send_waiting(debug_file_ids: list[int]) -> None:
    for debug_file_id in debug_file_ids:
        resymbolicate.apply_async(
            kwargs={"debug_file_id": debug_file_id},
            expires=settings.RECOVERY_SECONDS,  # the sweep rings again, so none pile up
            retry=False,
            ignore_result=True,
        )


_reports_bell = Bell(_send_reports, most=BATCH)
_symbols_bell = Bell(_send_symbols, most=BATCH)
_waiting_bell = Bell(_send_waiting, most=BATCH)


@shared_task(base=DjangoTask)
def prepare_symcache(*, debug_file_id: int) -> None:
    """Make the tables of one debug file; a queue of its own, so bursts hold up nobody."""
    prepare_debug_file(debug_file_id)
    ring_waiting(debug_file_id)


@shared_task(base=DjangoTask)
def resymbolicate(*, debug_file_id: int) -> None:
    """Digest the reports again that waited for a debug file."""
    for _ in range(_BATCHES_IN_A_ROW):
        if not regroup_waiting(debug_file_id, now=timezone.now()):
            return
    ring_waiting(debug_file_id)


@shared_task(base=DjangoTask)
def process_reports(*, report_pks: Sequence[int]) -> None:
    """Digest what waits, oldest first, until these reports are done.

    The numbers say that there is work, not which: after a restart thousands of small messages
    wait, and whoever takes the first of them may as well take a whole batch. The others then find
    nothing left.
    """
    mine = set(report_pks)
    for _ in range(_BATCHES_IN_A_ROW):
        rows = lease_reports(limit=BATCH, now=timezone.now())
        if not rows:
            return
        process(rows, now=timezone.now())
        mine -= {row.pk for row in rows}
        if not mine:
            return


@shared_task(base=DjangoTask)
def sweep() -> None:
    """Ring again for reports that wait unannounced or whose lease ran out, and end mutes."""
    forgotten = list_unannounced(now=timezone.now(), limit=_SWEEP_LIMIT)
    ring_some(forgotten)
    for debug_file_id in list_unprepared(limit=_SWEEP_LIMIT):
        ring_symbols(debug_file_id)
    for debug_file_id in list_awaited(now=timezone.now(), limit=_SWEEP_LIMIT):
        ring_waiting(debug_file_id)
    end_mutes(now=timezone.now())
    settle_advice(now=timezone.now())
    for proposal_id in list_unfinished():
        ring_moves(proposal_id)


def ring_moves(proposal_id: int) -> None:
    """Tell the workers that a program was switched to another mechanism."""
    if settings.REDIS_URL:
        move_to_mechanism.apply_async(
            kwargs={"proposal_id": proposal_id},
            expires=settings.RECOVERY_SECONDS,
            retry=False,
            ignore_result=True,
        )


@shared_task(base=DjangoTask)
def move_to_mechanism(*, proposal_id: int) -> None:
    """Move some reports of a switched program; the sweep rings again until all have moved."""
    for _ in range(_BATCHES_IN_A_ROW):
        if not move_batch(proposal_id, limit=SWITCH_BATCH, now=timezone.now()):
            return


@shared_task(base=DjangoTask, acks_late=False)  # it may take long, and the timetable repeats it
def fetch_debug_files() -> None:
    """Ask the servers of the settings for the debug files that most reports wait for."""
    for fetched in fetch_missing_debug_files(
        upstream_client(), limit=FETCHED_AT_ONCE, now=timezone.now()
    ):
        for registration in fetched.registrations:
            ring_symbols(registration.debug_file.pk)


@shared_task(base=DjangoTask, acks_late=False)
def collect_symbols() -> None:
    """Make room among the debug files."""
    tend_debug_files(now=timezone.now())


@shared_task(base=DjangoTask)
def reconcile_spool() -> None:
    """Bring spool and table into agreement."""
    reconcile(now=timezone.now())


@shared_task(base=DjangoTask)
def erase_devices() -> None:
    """Do the erasures that wait."""
    for _ in range(_BATCHES_IN_A_ROW):
        if not erase_waiting(now=timezone.now()):
            return


@shared_task(base=DjangoTask, acks_late=False)
def roll_up_vitals() -> None:
    """Roll up the days whose samples changed."""
    for _ in range(_DAYS_IN_A_ROW):
        if not roll_up_one_day(now=timezone.now()):
            return


@shared_task(base=DjangoTask, acks_late=False)
def judge_releases() -> None:
    """Find new releases, and judge those that are due."""
    judge_due(now=timezone.now())


@shared_task(base=DjangoTask, acks_late=False)  # the timetable repeats it
def seal_stored() -> None:
    """Seal some of what is stored from before there were keys."""
    for _ in range(_BATCHES_IN_A_ROW):
        if not seal_some(limit=SEALED_AT_ONCE):
            return


@shared_task(base=DjangoTask, acks_late=False)  # it may take long, and the timetable repeats it
def forget() -> None:
    """Delete what may not be kept any longer."""
    forget_due(now=timezone.now())


@shared_task(base=DjangoTask, acks_late=False)
def share() -> None:
    """Release what developers of apps may see of the weeks that are over."""
    try:
        release_due(now=timezone.now())
    except SharingUnavailable:
        logger.warning("sharing: OpenDP is not installed, so no week is released")
