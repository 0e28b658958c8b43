"""How much work one dump may cause."""

from dataclasses import dataclass

MAX_WORDS = 500_000
"""Stack words looked at. A hundred threads of thirty frames each take about 50,000."""

MAX_FRAMES_OF_A_DUMP = 20_000


@dataclass(slots=True)
class Budget:
    """What is left for all threads of a dump together; it is spent by whoever walks them."""

    words: int = MAX_WORDS
    frames: int = MAX_FRAMES_OF_A_DUMP

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be looked at."""
        return self.words <= 0 or self.frames <= 0
