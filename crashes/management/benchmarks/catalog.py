"""All benchmarks, in the order of the table."""

from crashes.management.benchmarks import (
    exactness,
    grouping,
    intake,
    parsing,
    peers,
    retracing,
    scrubbing,
    symbols,
)
from crashes.management.benchmarks.terms import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    *intake.BENCHMARKS,
    *parsing.BENCHMARKS,
    *scrubbing.BENCHMARKS,
    *symbols.BENCHMARKS,
    *exactness.BENCHMARKS,
    *grouping.BENCHMARKS,
    *retracing.BENCHMARKS,
    *peers.BENCHMARKS,
)
