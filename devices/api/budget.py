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


def spend_attachment(sender: Sender, *, size_bytes: int) -> None:
    """Take the bytes of a piece of a file from the buckets of a sender. Raises Problem 429."""
    if sender.device_id is not None:
        key = f"attachments/device/{sender.device_id}"
        _spend(key, _DEVICE_ATTACHMENTS, size_bytes, "device_budget", "This device")
    key = f"attachments/program/{sender.program_id}"
    _spend(key, _PROGRAM_ATTACHMENTS, size_bytes, "program_budget", "The program")


def spend_enrollment(request: Request) -> None:
    """Take one enrollment from the bucket of a network. Raises Problem 429."""
    if not settings.ENROLLMENT_LIMIT:
        return
    _spend(
        f"network/{network_key(client_address(request._request))}",
        ENROLLMENTS,
        1,
        "enrollment_budget",
        "This network",
    )


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
