"""All benchmarks, in the order of the table."""

from crashes.management.benchmarks import (
    exactness,
    grouping,
    intake,
    parsing,
    peers,
    retracing,
    symbols,
)
from crashes.management.benchmarks.terms import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    *intake.BENCHMARKS,
    *parsing.BENCHMARKS,
    *symbols.BENCHMARKS,
    *exactness.BENCHMARKS,
    *grouping.BENCHMARKS,
    *retracing.BENCHMARKS,
    *peers.BENCHMARKS,
)
