"""Spool and table brought into agreement: at start and every minute.

A file that no row names was written while the database was away, or by a process that died before
its commit: whole records in it are adopted. A file whose reports
are all finished was left by a worker that died before cleaning up: it goes.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from crashes.models import Report
from crashes.services.acceptance import adopt_spool_file, spool
from crashes.services.batch_answers import forget_old_answers

logger = logging.getLogger(__name__)

_SETTLED_AFTER = timedelta(seconds=60)
"""A younger file may belong to a commit that is just happening."""

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found and mended."""

    adopted_reports: int
    removed_files: int


def reconcile(*, now: datetime, settled_after: timedelta = _SETTLED_AFTER) -> Reconciliation:
    """Adopt what no row names, remove what nobody needs, forget what nobody will ask for."""
    forget_old_answers(now=now)
    limit = (now - settled_after).timestamp()
    names = [name for name, changed in spool().names() if changed <= limit]
    adopted = removed = 0
    for start in range(0, len(names), _CHUNK):
        some = names[start : start + _CHUNK]
        known = set(Report.objects.filter(spool_file__in=some).values_list("spool_file", flat=True))
        for name in some:
            if name not in known:
                added = adopt_spool_file(name)
                adopted, removed = adopted + added, removed + (added == 0)
        removed += _remove_finished(known)
    if adopted or removed:
        logger.info("spool: adopted %d reports, removed %d files", adopted, removed)
    return Reconciliation(adopted, removed)


def _remove_finished(names: set[str]) -> int:
    unfinished = Report.objects.filter(
        spool_file__in=names, state__in=[Report.State.RECEIVED, Report.State.LEASED]
    )
    finished = names - set(unfinished.values_list("spool_file", flat=True))
    for name in finished:
        spool().remove(name)
    Report.objects.filter(spool_file__in=finished).update(spool_file="")
    return len(finished)
