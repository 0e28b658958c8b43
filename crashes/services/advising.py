"""Owners hear that what their phone met is fixed: in the answer to an upload once, on request always.

Only for the purpose personalisation, and only while the owner allows it. What was told is kept
(`devices.services.advice`), so that nobody hears it twice, and so that the share of phones that were cured can
be counted (`crashes.selectors.cures`).
"""

import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from crashes.intake.report import Report
from crashes.models import BuildSeen, Issue
from crashes.selectors.fixes import (
    Fix,
    FixForDevice,
    fixes_met_by,
    list_fixes,
    missing_fixes,
    software_of,
)
from crashes.triage.transitions import (
    NO_VERSION,
    BuildOrder,
    IssueState,
    Resolution,
    Sight,
    Standing,
    carries_fix,
)
from devices.selectors.access import Sender
from devices.selectors.advice import Phone
from devices.selectors.battery_advice import find_drain
from devices.services.advice import (
    OpenAdvice,
    Told,
    hold_personalisation,
    note_installed,
    take_open_advice,
    write_advice,
)
from uxp_diag.outage import database_outage

_FIXES_SECONDS = 10.0
_DEVICE_SECONDS = 600.0
_MOST_DEVICES = 50_000


class AdviceMemory:
    """Spares uploads the question: a program's fixes for seconds, a phone that was asked about for minutes."""

    def __init__(self) -> None:
        self._fixes: dict[int, tuple[float, list[Fix]]] = {}
        self._asked: OrderedDict[uuid.UUID, float] = OrderedDict()
        self._lock = Lock()

    def fixes(self, program_id: int) -> list[Fix]:
        """The fixes of a program, as they were seconds ago."""
        now = time.monotonic()
        loaded_at, fixes = self._fixes.get(program_id, (-_FIXES_SECONDS, []))
        if now - loaded_at >= _FIXES_SECONDS:
            fixes = list_fixes(program_id)
            self._fixes[program_id] = (now, fixes)
        return fixes

    def is_due(self, device_id: uuid.UUID) -> bool:
        """Whether it is time to ask about a phone again; asking counts."""
        now = time.monotonic()
        with self._lock:
            if now - self._asked.get(device_id, -_DEVICE_SECONDS) < _DEVICE_SECONDS:
                return False
            self._asked[device_id] = now
            self._asked.move_to_end(device_id)
            while len(self._asked) > _MOST_DEVICES:
                self._asked.popitem(last=False)
        return True

    def forget(self) -> None:
        """Ask about everything anew."""
        self._fixes.clear()
        self._asked.clear()


memory = AdviceMemory()


def advise_on_upload(sender: Sender, report: Report) -> list[dict[str, Any]]:
    """What the owner has not heard yet, for the answer to a report that is durable already.

    Never raises for a database that is away: the upload is more important.
    """
    device_id = sender.device_id
    if device_id is None or not sender.allows_personalisation or database_outage.is_on():
        return []
    try:
        fixes = memory.fixes(sender.program_id)
        if not fixes or not memory.is_due(device_id):
            return []
        return _tell(device_id, fixes, report=report, now=timezone.now(), only_new=True)
    except DatabaseError:
        return []


def advise(sender: Sender, *, now: datetime) -> list[dict[str, Any]]:
    """Everything that can be done for a phone now: fixes to install, an app that drains it."""
    if sender.device_id is None:
        return []
    told = _tell(
        sender.device_id, list_fixes(sender.program_id), report=None, now=now, only_new=False
    )
    drain = find_drain(sender.device_id, program_id=sender.program_id, now=now)
    if drain is not None:
        told.append(
            {
                "kind": "battery",
                "package": drain.package,
                "version_code": drain.version_code,
                "fixed_in": {"version_code": drain.better_code},
                "text": (
                    f"{drain.package} takes about {drain.percent_a_day:.0f} % of this phone's battery "
                    f"a day. Version {drain.better_code} takes {drain.better_by:.0%} less on other "
                    "phones: update it."
                ),
            }
        )
    return told


def _tell(
    device_id: uuid.UUID,
    fixes: Sequence[Fix],
    *,
    report: Report | None,
    now: datetime,
    only_new: bool,
) -> list[dict[str, Any]]:
    met = fixes_met_by(device_id, fixes)
    if not met:
        return []
    with transaction.atomic():
        phone = hold_personalisation(device_id)
        if phone is None:
            return []
        software = software_of(phone, met)
        if report is not None:
            software |= _software_of_report(phone, report)
        found = missing_fixes(phone, met, software)
        new = write_advice(phone, [_told(it) for it in found], now=now)
    return [_document(it) for it in found if not only_new or (it.fix.issue_id, it.fixed_in) in new]


def _software_of_report(phone: Phone, report: Report) -> dict[str, Sight]:
    moment = report.occurred_at or timezone.now()
    build = report.software.os_build or phone.os_build
    found = {"": Sight(moment, phone.model, build)}
    if report.app.package:
        code = report.app.version_code
        found[report.app.package] = Sight(
            moment,
            phone.model,
            build,
            report.app.version_name,
            NO_VERSION if code is None else code,
        )
    return found


def _told(it: FixForDevice) -> Told:
    code = NO_VERSION if it.version_code is None else it.version_code
    return Told(it.fix.issue_id, it.fixed_in, not it.os_build, code)


def _document(it: FixForDevice) -> dict[str, Any]:
    what, subject = (
        _KIND_WORDS.get(it.fix.kind, "problem"),
        it.fix.package or "the phone's software",
    )
    if it.os_build:
        fixed_in: dict[str, Any] = {"os_build": it.os_build}
        update = f"system update {it.os_build}"
    else:
        fixed_in = {"version_name": it.version_name, "version_code": it.version_code}
        update = f"version {it.version_name or it.version_code}"
    return {
        "kind": "fixed",
        "problem": it.fix.kind,
        "package": it.fix.package or None,
        "fixed_in": fixed_in,
        "text": f"The {what} of {subject} that this phone had is fixed in {update}.",
    }


_KIND_WORDS = {
    "java_crash": "crash",
    "native_crash": "crash",
    "anr": "freeze",
    "watchdog": "restart",
    "kernel_panic": "restart",
    "reboot": "restart",
    "low_memory_kill": "closing by itself",
    "background_kill": "closing by itself",
}


def settle_advice(*, now: datetime, limit: int = 500) -> int:
    """Look which of the phones that were told have installed it since; how many have."""
    with transaction.atomic():
        rows = take_open_advice(now=now, limit=limit)
        issues = Issue.objects.in_bulk({row.told.issue_id for row in rows})
        done = [
            row.pk
            for row in rows
            if (issue := issues.get(row.told.issue_id)) and _has_installed(row, issue)
        ]
        note_installed(done, now=now)
    return len(done)


def _has_installed(row: OpenAdvice, issue: Issue) -> bool:
    """By what the owner was told: meanwhile the issue may be open again."""
    told, phone = row.told, row.phone
    standing = Standing(
        state=IssueState.RESOLVED,
        resolution=Resolution.VERSION if told.is_app else Resolution.BUILD,
        resolved_at=row.given_at,
        resolved_in_build="" if told.is_app else told.fixed_in,
        resolved_in_version=told.fixed_in if told.is_app else "",
        resolved_in_version_code=told.version_code,
    )
    software = software_of(phone, [Fix(issue.pk, issue.kind, issue.package, standing)])
    sight = software.get(issue.package, software[""])
    seen = BuildSeen.objects.filter(program_id=phone.program_id, model=phone.model)
    order = BuildOrder(
        {
            (model, build): first
            for model, build, first in seen.values_list("model", "os_build", "first_seen_at")
        }
    )
    return carries_fix(standing, sight, order)
