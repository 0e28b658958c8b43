"""What one event costs to group when there are many groups already."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from crashes.management.benchmarks.machines import python, run, run_inner
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Measures,
    Row,
    Side,
    Terms,
    Unavailable,
)

ALL_PAIRS = "rapidfuzz, all pairs"
DATABASE = "database"
_DATABASE_LIMIT = 10_000


@contextmanager
def prepare(full: int, quick: int, terms: Terms) -> Iterator[Contest]:
    """One size of the index."""
    groups = terms.size(full, quick=quick)
    if not groups:
        raise Unavailable("not part of a quick run")
    events = terms.size(1_000, quick=300)
    few = max(5, min(100, 200_000 // groups))
    sides: dict[str, Side] = {
        OURS: partial(run_inner, "group_in_memory", {"groups": groups, "events": events}),
        ALL_PAIRS: partial(run_inner, "compare_all_pairs", {"groups": groups, "events": few}),
    }
    missing = {}
    if groups <= terms.size(_DATABASE_LIMIT, quick=1_000):
        sides[DATABASE] = partial(_in_database, terms, groups, events)
    else:
        missing[DATABASE] = "filled up to 10,000 groups only, 1,000 in a quick run"
    yield Contest(sides, _rows(groups), missing)


def _in_database(terms: Terms, groups: int, events: int) -> Measures:
    """In a fresh SQLite file each round."""
    folder = terms.folder / f"database-{len(list(terms.folder.iterdir()))}"
    changes = {"UXP_DATA_DIR": str(folder)}
    run(python("manage.py", "migrate", "-v0"), changes=changes)
    request = {"groups": groups, "events": events}
    answer: Measures = run_inner("group_in_database", request, changes=changes)
    return answer


def _rows(groups: int) -> list[Row]:
    note = f"{groups:,} groups; 70 % repeats, 20 % alike, 10 % new"
    few = f"{groups:,} groups; the peer over fewer events"
    return [
        Row("median, in memory", "median_us", "us/event", peer=ALL_PAIRS, less_is_better=True,
            note=note),
        Row("p99, in memory", "p99_us", "us/event", peer=ALL_PAIRS, less_is_better=True, note=few),
        Row("median, in SQLite", "median_us", "us/event", side=DATABASE, peer=ALL_PAIRS,
            less_is_better=True, note="commit included"),
        Row("p99, in SQLite", "p99_us", "us/event", side=DATABASE, peer=ALL_PAIRS,
            less_is_better=True),
        Row("memory", "bytes_per_group", "bytes/group", less_is_better=True),
    ]  # fmt: skip


BENCHMARKS = (
    Benchmark("grouping-1e3", "one event among 1,000 groups", partial(prepare, 1_000, 1_000)),
    Benchmark("grouping-1e4", "one event among 10,000 groups", partial(prepare, 10_000, 10_000)),
    Benchmark(
        "grouping-1e5", "one event among 100,000 groups (whole runs only)",
        partial(prepare, 100_000, 0),
    ),
)  # fmt: skip
