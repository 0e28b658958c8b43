"""Count what was done, in the transaction that does it: totals that survive restarts and erasures.

Rows of reports and samples go with their owners' wish and with age, so their number is no total.
"""

import random
from enum import StrEnum

from devices.models import WorkCount
from uxp_diag.db import insert_adding

_SLOTS = 64


class Work(StrEnum):
    """What is counted."""

    REPORTS_ACCEPTED = "reports_accepted"
    REPORTS_DIGESTED = "reports_digested"
    REPORTS_QUARANTINED = "reports_quarantined"
    SAMPLES_ACCEPTED = "samples_accepted"


def count_work(what: Work, count: int) -> None:
    """Add to a total. The last thing that a transaction does, as it holds a row that others want."""
    if count:
        slot = random.randrange(_SLOTS)  # noqa: S311  no secret
        row = WorkCount(what=what.value, slot=slot, count=count)
        insert_adding([row], conflict=["what", "slot"], add="count")
