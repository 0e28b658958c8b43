"""Retrace: from R8's names to those in the source."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from crashes.management.benchmarks.machines import run_inner
from crashes.management.benchmarks.mappings import write_mapping
from crashes.management.benchmarks.terms import OURS, Benchmark, Contest, Row, Terms

SYMBOLIC = "symbolic.ProguardMapper"


@contextmanager
def prepare(terms: Terms) -> Iterator[Contest]:
    """One mapping, random frames of it, a fresh process per side and round."""
    mapping = terms.folder / "mapping.txt"
    classes = terms.size(12_000, quick=3_000)
    write_mapping(mapping, classes)
    count = terms.size(100_000, quick=20_000)
    request = {"mapping": str(mapping), "classes": classes, "count": count}
    sides = {
        OURS: partial(run_inner, "retrace", request),
        SYMBOLIC: partial(run_inner, "retrace_with_symbolic", request),
    }
    yield Contest(sides, _rows(mapping.stat().st_size))


def _rows(size_bytes: int) -> list[Row]:
    note = f"mapping of {size_bytes / 1e6:.1f} MB"
    return [
        Row("first pass", "first_pass_per_s", "frames/CPU s", peer=SYMBOLIC, target=50_000.0,
            note=note),
        Row("again", "hot_per_s", "frames/CPU s", peer=SYMBOLIC, target=1_000_000.0),
        Row("open and first frame", "first_ms", "ms CPU", peer=SYMBOLIC, less_is_better=True,
            target=150.0),
    ]  # fmt: skip


BENCHMARKS = (Benchmark("retrace", "R8 mappings, frame by frame", prepare),)
