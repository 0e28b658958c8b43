"""How long to wait after a failure: full jitter, never before the server says.

After the n-th failure in a row the pause is random between zero and `base · 2ⁿ`, so that phones
that failed together do not come back together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom

BASE_SECONDS = 30.0
CAP_SECONDS = 6 * 3600.0
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class FullJitter:
    """Pauses from `base_seconds` on, up to `cap_seconds`."""

    base_seconds: float = BASE_SECONDS
    cap_seconds: float = CAP_SECONDS
    uniform: Callable[[float, float], float] = field(default=SystemRandom().uniform)

    def pause_seconds(self, failures: int, *, at_least: float = 0.0) -> float:
        """The pause after `failures` failures in a row; `at_least` is the server's Retry-After."""
        doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
        limit = min(self.cap_seconds, self.base_seconds * 2.0**doublings)
        return max(min(at_least, self.cap_seconds), self.uniform(0.0, limit))
