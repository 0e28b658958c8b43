"""What runs in a process of its own: `python -m crashes.management.benchmarks.inner JOB`.

The request comes as JSON on standard input, the answer goes as JSON to standard output. A fresh
process is what makes start-up, peak memory and cold caches part of the measurement. Django is set
up only for the jobs that need it.
"""

import importlib
import json
import sys
from collections.abc import Callable

_JOBS = {
    "look_up": "crashes.management.benchmarks.lookups:look_up",
    "look_up_warm": "crashes.management.benchmarks.lookups:look_up_warm",
    "build_symcache": "crashes.management.benchmarks.lookups:build",
    "read_naively": "crashes.management.benchmarks.lookups:read_naively",
    "group_in_memory": "crashes.management.benchmarks.stacks:group_in_memory",
    "group_in_database": "crashes.management.benchmarks.stacks:group_in_database",
    "compare_all_pairs": "crashes.management.benchmarks.stacks:compare_all_pairs",
    "retrace": "crashes.management.benchmarks.mappings:retrace",
    "retrace_text": "crashes.management.benchmarks.mappings:retrace_text",
    "retrace_with_symbolic": "crashes.management.benchmarks.mappings:retrace_with_symbolic",
    "parse_one": "crashes.management.benchmarks.payloads:parse_one",
}
_SESSIONS = frozenset({"group_in_memory", "group_in_database", "compare_all_pairs"})
_WITH_DJANGO = frozenset({"group_in_database"})


def main(job: str) -> None:
    """Do one job."""
    if job in _WITH_DJANGO:
        _set_django_up()
    module, _, function = _JOBS[job].partition(":")
    work = getattr(importlib.import_module(module), function)
    if job in _SESSIONS:
        _hold_session(work)
        return
    answer = work(**json.loads(sys.stdin.buffer.read()))
    if answer is not None:
        sys.stdout.write(json.dumps(answer))


def _hold_session(prepare: Callable[..., Callable[..., object]]) -> None:
    measure = prepare(**json.loads(sys.stdin.readline()))
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(measure(**json.loads(line))) + "\n")
        sys.stdout.flush()


def _set_django_up() -> None:
    import os  # noqa: PLC0415  other jobs start without it

    import django  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "uxp_diag.settings")
    django.setup()


if __name__ == "__main__":
    main(sys.argv[1])
