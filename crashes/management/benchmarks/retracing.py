"""Retrace: from R8's names to those in the source.

In process, frame by frame, beside the mapper that can be called the same way; as a command over
the text of a stack, start included, beside the retrace of ProGuard that Debian has.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from crashes.management.benchmarks.machines import Used, python, run, run_inner
from crashes.management.benchmarks.mappings import write_mapping, write_stack
from crashes.management.benchmarks.terms import OURS, Benchmark, Contest, Measures, Row, Side, Terms

SYMBOLIC, PROGUARD = "symbolic.ProguardMapper", "ProGuard retrace"
_PROGUARD_JAR = Path("/usr/share/java/proguard-retrace.jar")


@contextmanager
def prepare(terms: Terms) -> Iterator[Contest]:
    """One mapping, random frames of it, a fresh process per side and round."""
    mapping = terms.folder / "mapping.txt"
    classes = terms.size(12_000, quick=3_000)
    write_mapping(mapping, classes)
    count = terms.size(100_000, quick=20_000)
    request = {"mapping": str(mapping), "classes": classes, "count": count}
    stacks = {}
    for name, lines in (("one", 1), ("all", count)):
        stacks[name] = terms.folder / f"{name}-frames.txt"
        write_stack(stacks[name], classes, lines)
    sides: dict[str, Side] = {
        OURS: partial(_ours, request, mapping, stacks),
        SYMBOLIC: partial(run_inner, "retrace_with_symbolic", request),
    }
    java, missing = shutil.which("java"), {}
    if java is None:
        missing[PROGUARD] = "no Java"
    elif not _PROGUARD_JAR.exists():
        missing[PROGUARD] = "not installed"
    else:
        sides[PROGUARD] = partial(_proguard, java, mapping, stacks, count)
    yield Contest(sides, _rows(mapping.stat().st_size), missing)


def _ours(request: dict[str, Any], mapping: Path, stacks: dict[str, Path]) -> Measures:
    def printed(name: str) -> Used:
        text = json.dumps({"mapping": str(mapping), "stack": str(stacks[name])}).encode()
        command = python("-m", "crashes.management.benchmarks.inner", "retrace_text")
        return run(command, text=text, is_output_kept=False)

    one, whole = printed("one"), printed("all")
    measured: Measures = run_inner("retrace", request)
    return {
        **measured,
        "command_one_ms": one.cpu_seconds * 1000,
        "command_per_s": request["count"] / whole.cpu_seconds,
        "command_peak_mib": whole.peak_bytes / (1 << 20),
    }


def _proguard(java: str, mapping: Path, stacks: dict[str, Path], count: int) -> Measures:
    def command(name: str) -> Sequence[str]:
        tool = ("-cp", str(_PROGUARD_JAR), "proguard.retrace.ReTrace")
        return [java, *tool, str(mapping), str(stacks[name])]

    one, whole = (run(command(name), is_output_kept=False) for name in ("one", "all"))
    return {
        "command_one_ms": one.cpu_seconds * 1000,
        "command_per_s": count / whole.cpu_seconds,
        "command_peak_mib": whole.peak_bytes / (1 << 20),
        # The virtual machine's start and the reading of the mapping are in both.
        "first_pass_per_s": (count - 1) / max(whole.cpu_seconds - one.cpu_seconds, 1e-3),
    }


def _rows(size_bytes: int) -> list[Row]:
    note = f"mapping of {size_bytes / 1e6:.1f} MB"
    rate = "frames/CPU s"
    return [
        Row("first pass", "first_pass_per_s", rate, peer=SYMBOLIC, target=50_000.0, note=note),
        Row("first pass", "first_pass_per_s", rate, peer=PROGUARD,
            note="the peer without its start, but with its printing"),
        Row("again", "hot_per_s", rate, peer=SYMBOLIC, target=1_000_000.0),
        Row("open and first frame", "first_ms", "ms CPU", peer=SYMBOLIC, less_is_better=True,
            target=150.0),
        Row("one frame, as a command", "command_one_ms", "ms CPU", peer=PROGUARD,
            less_is_better=True),
        Row("all frames, as a command", "command_per_s", rate, peer=PROGUARD),
        Row("memory of the command", "command_peak_mib", "MiB", peer=PROGUARD,
            less_is_better=True),
    ]  # fmt: skip


BENCHMARKS = (Benchmark("retrace", "R8 mappings, frame by frame", prepare),)
