"""Who may send how much: the buckets in front of the door.

| bucket | holds | for |
|---|---|---|
| device | `UXP_DEVICE_REPORTS_PER_DAY` at once and per day | one phone in a crash loop |
| program | `UXP_PROGRAM_REPORTS_PER_SECOND`, ten seconds' worth at once | a whole fleet gone wrong |
| network | 50 enrollments at once, 1 a second | somebody who makes up phones |

Only our own agent is told 429: others throw away what is turned away (docs/clients.md).
"""

from django.conf import settings
from rest_framework.request import Request

from devices.selectors.access import Sender
from uxp_diag.api.problem import Problem
from uxp_diag.limits import Rate, limiter, network_key, retry_after

_DAY_SECONDS = 86_400
_PROGRAM_BURST_SECONDS = 10
ENROLLMENTS = Rate(per_second=1.0, burst=50)


def spend_reports(sender: Sender, *, count: int) -> None:
    """Take `count` reports from the buckets of a sender. Raises Problem 429."""
    if sender.device_id is not None:
        per_day = settings.DEVICE_REPORTS_PER_DAY
        rate = Rate(per_second=per_day / _DAY_SECONDS, burst=per_day)
        _spend(f"device/{sender.device_id}", rate, count, "device_budget", "This device")
    per_second = settings.PROGRAM_REPORTS_PER_SECOND
    rate = Rate(per_second=per_second, burst=per_second * _PROGRAM_BURST_SECONDS)
    _spend(f"program/{sender.program_id}", rate, count, "program_budget", "The program")


def spend_enrollment(request: Request) -> None:
    """Take one enrollment from the bucket of a network. Raises Problem 429."""
    address = request.META.get("REMOTE_ADDR", "")
    if not settings.ENROLLMENT_LIMIT:
        return
    _spend(f"network/{network_key(address)}", ENROLLMENTS, 1, "enrollment_budget", "This network")


def _spend(key: str, rate: Rate, cost: int, code: str, who: str) -> None:
    wait = limiter().take(key, rate, cost=cost)
    if wait > 0:
        raise Problem(
            429,
            code,
            f"{who} has sent too much for now.",
            retry=True,
            headers={"Retry-After": retry_after(wait)},
        )
