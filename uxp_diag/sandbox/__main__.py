"""Which protections hold on this machine, and what a job costs: `python -m uxp_diag.sandbox`.

One line per kind of call with the median and the 99th percentile in milliseconds. The first line
includes starting the server.
"""

import statistics
import sys
import time
from collections.abc import Callable

from uxp_diag.sandbox import Protection, Sandbox

ROUNDS = 200
BATCH = 100
PAYLOAD = bytes(64 * 1024)

_PROBE = "uxp_diag.sandbox.probe"
_MEASURE = f"{_PROBE}:measure"


def main() -> None:
    """Print the protections and the costs."""
    with Sandbox((_PROBE, "symbolic", "elftools.*"), allowed=(_PROBE,)) as sandbox:
        _say("first call", _times(lambda: sandbox.run(_MEASURE, b""), rounds=1))
        held = sandbox.protection()
        for layer in Protection:
            sys.stdout.write(f"{layer:20} {'holds' if layer in held else 'MISSING'}\n")
        _say("trivial job", _times(lambda: sandbox.run(_MEASURE, b""), rounds=ROUNDS))
        _say("64 KiB payload", _times(lambda: sandbox.run(_MEASURE, PAYLOAD), rounds=ROUNDS))
        many = _times(lambda: sandbox.run_many(_MEASURE, [(PAYLOAD,)] * BATCH), rounds=ROUNDS // 10)
        _say(f"64 KiB, one of {BATCH}", [spent / BATCH for spent in many])


def _times(call: Callable[[], object], *, rounds: int) -> list[float]:
    """Milliseconds of each round."""
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        spent.append((time.perf_counter() - started) * 1000)
    return spent


def _say(name: str, spent: list[float]) -> None:
    median, worst = statistics.median(spent), sorted(spent)[int(len(spent) * 0.99)]
    sys.stdout.write(f"{name:20} p50 {median:8.2f} ms   p99 {worst:8.2f} ms\n")


if __name__ == "__main__":
    main()
