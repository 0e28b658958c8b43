"""Who may send how much: the buckets in front of the door.

| bucket | holds | for |
|---|---|---|
| device | `UXP_DEVICE_REPORTS_PER_DAY` at once and per day | one phone in a crash loop |
| program | `UXP_PROGRAM_REPORTS_PER_SECOND`, ten seconds' worth at once | a whole fleet gone wrong |
| attachments of a device | 200 MiB at once and per day | large files on a slow day |
| attachments of a program | 4 GiB at once and per hour | the same from clients without enrollment |
| network | 50 enrollments at once, 1 a second | somebody who makes up phones |

Only our own agent is told 429: others throw away what is turned away (docs/clients.md). While too
much waits for the workers, vitals are turned away, and then repeats (crashes/intake/admission.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings
from rest_framework.request import Request

from devices.selectors.access import Sender
from uxp_diag.api.problem import Problem
from uxp_diag.limits import Rate, client_address, limiter, network_key, retry_after
from uxp_diag.load import backlog

_DAY_SECONDS = 86_400
_PROGRAM_BURST_SECONDS = 10
_OVERLOAD_SECONDS = 60.0
_DEVICE_ATTACHMENTS = Rate(per_second=(200 << 20) / _DAY_SECONDS, burst=200 << 20)
_PROGRAM_ATTACHMENTS = Rate(per_second=(4 << 30) / 3_600, burst=4 << 30)
_DEVICE = ("device_budget", "This device")
_PROGRAM = ("program_budget", "The program")
ENROLLMENTS = Rate(per_second=1.0, burst=50)


def spend_reports(sender: Sender, *, count: int) -> None:
    """Take `count` reports from the buckets of a sender. Raises Problem 429."""
    per_second = settings.PROGRAM_REPORTS_PER_SECOND
    rate = Rate(per_second=per_second, burst=per_second * _PROGRAM_BURST_SECONDS)
    budgets = [_Budget(f"program/{sender.program_id}", rate, *_PROGRAM)]
    if sender.device_id is not None:
        per_day = settings.DEVICE_REPORTS_PER_DAY
        rate = Rate(per_second=per_day / _DAY_SECONDS, burst=per_day)
        budgets.insert(0, _Budget(f"device/{sender.device_id}", rate, *_DEVICE))
    _spend(budgets, count)


def spend_attachment(sender: Sender, *, size_bytes: int) -> None:
    """Take the bytes of a piece of a file from the buckets of a sender. Raises Problem 429."""
    program = f"attachments/program/{sender.program_id}"
    budgets = [_Budget(program, _PROGRAM_ATTACHMENTS, *_PROGRAM)]
    if sender.device_id is not None:
        device = f"attachments/device/{sender.device_id}"
        budgets.insert(0, _Budget(device, _DEVICE_ATTACHMENTS, *_DEVICE))
    _spend(budgets, size_bytes)


def spend_enrollment(request: Request) -> None:
    """Take one enrollment from the bucket of a network. Raises Problem 429."""
    if not settings.ENROLLMENT_LIMIT:
        return
    key = f"network/{network_key(client_address(request._request))}"
    _spend([_Budget(key, ENROLLMENTS, "enrollment_budget", "This network")], 1)


def refuse_vitals_under_load() -> None:
    """Samples are worth least, so they are turned away first. Raises Problem 503."""
    if backlog.load() >= 1:
        raise overloaded()


def overloaded(*, status_code: int = 503) -> Problem:
    """The answer to what is turned away because too much waits: come back in a minute or so."""
    return Problem(
        status_code,
        "overloaded",
        "Too much waits to be worked on; send this again later.",
        retry=True,
        headers={"Retry-After": retry_after(_OVERLOAD_SECONDS)},
    )


class _Budget(NamedTuple):
    """A bucket, and what its owner hears when it is empty."""

    key: str
    rate: Rate
    code: str
    who: str


def _spend(budgets: Sequence[_Budget], cost: int) -> None:
    """Take from all of them, or from none and raise Problem 429 for the first that is empty."""
    waits = limiter().take_all([(budget.key, budget.rate) for budget in budgets], cost=cost)
    for budget, wait in zip(budgets, waits, strict=True):
        if wait > 0:
            raise Problem(
                429,
                budget.code,
                f"{budget.who} has sent too much for now.",
                retry=True,
                headers={"Retry-After": retry_after(wait)},
            )
