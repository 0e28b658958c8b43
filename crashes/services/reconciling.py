"""Spool and table brought into agreement: at start and every minute.

A file that no row names was written while the database was away, or by a process that died before
its commit: whole records in it are adopted. A file whose reports are all done was left by a worker
that died before cleaning up: it goes, and so does the half of a file that a writer left when it
died. A file that cannot be adopted stays, is named in the log, and holds up no other.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError

from crashes.models import Report
from crashes.services.acceptance import adopt_spool_file
from crashes.services.attachment_cleaning import clean_attachments
from crashes.services.attachments import tend_attachments
from crashes.services.batch_answers import forget_old_answers
from crashes.services.refusals import forget_old_refusals
from crashes.services.spooled import spool

logger = logging.getLogger(__name__)

_SETTLED_AFTER = timedelta(seconds=settings.RECOVERY_SECONDS)
"""A younger file may belong to a commit that is just happening."""

_ABANDONED_AFTER = timedelta(hours=1)
"""A younger half may belong to a writer that is slow."""

_CHUNK = 500
_ATTACHMENTS = 20
"""At a time: the largest takes some seconds."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found and mended."""

    adopted_reports: int
    removed_files: int


def reconcile(*, now: datetime, settled_after: timedelta = _SETTLED_AFTER) -> Reconciliation:
    """Adopt what no row names, remove what nobody needs, forget what nobody will ask for."""
    forget_old_answers(now=now)
    forget_old_refusals(now=now)
    tend_attachments(now=now)
    clean_attachments(limit=_ATTACHMENTS)
    spool().remove_partial_files(before=(now - _ABANDONED_AFTER).timestamp())
    limit = (now - settled_after).timestamp()
    future = (now + settled_after).timestamp()  # from before a clock was set back
    names = [name for name, changed in spool().names() if not limit < changed <= future]
    adopted = removed = 0
    for start in range(0, len(names), _CHUNK):
        some = names[start : start + _CHUNK]
        known = set(Report.objects.filter(spool_file__in=some).values_list("spool_file", flat=True))
        for name in some:
            if name not in known:
                added = _adopt(name)
                adopted, removed = adopted + added, removed + (added == 0)
        removed += _remove_finished(known)
    if adopted or removed:
        logger.info("spool: adopted %d reports, removed %d files", adopted, removed)
    return Reconciliation(adopted, removed)


def _adopt(name: str) -> int:
    try:
        return adopt_spool_file(name)
    except (OperationalError, InterfaceError):  # the database is away: the next run goes on
        raise
    except Exception:
        logger.exception("spool file %s cannot be adopted", name)
        return 0


def _remove_finished(names: set[str]) -> int:
    unfinished = Report.objects.filter(spool_file__in=names).exclude(state=Report.State.DONE)
    finished = names - set(unfinished.values_list("spool_file", flat=True))
    for name in finished:
        spool().remove(name)
    Report.objects.filter(spool_file__in=finished).update(spool_file="")
    return len(finished)
