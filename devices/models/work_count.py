"""How much was done since the installation began, in numbers that only grow."""

from django.db import models


class WorkCount(models.Model):
    """A part of one total; the total is the sum over its slots.

    Slots are there so that processes that count at once seldom wait for one another. No day and no
    program: nothing can be told from it about anybody.
    """

    what = models.CharField(max_length=20)
    slot = models.PositiveSmallIntegerField()
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["what", "slot"], name="work_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.what} in slot {self.slot}"
