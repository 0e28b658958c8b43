"""What one event costs to group when there are many groups already."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count

from crashes.management.benchmarks.machines import python, run, session
from crashes.management.benchmarks.stacks import ALL_PAIRS_KEPT
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
    events = terms.size(1_000, quick=200)
    few = max(5, min(100, 100_000 // groups))
    missing = {}
    with ExitStack() as stack:
        sides: dict[str, Side] = {
            OURS: _asked(stack, "group_in_memory", groups, events),
            ALL_PAIRS: _asked(stack, "compare_all_pairs", groups, few),
        }
        if groups <= terms.size(_DATABASE_LIMIT, quick=1_000):
            changes = {"UXP_DATA_DIR": str(terms.folder / "database")}
            run(python("manage.py", "migrate", "-v0"), changes=changes)
            sides[DATABASE] = _asked(stack, "group_in_database", groups, events, changes=changes)
        else:
            missing[DATABASE] = "filled up to 10,000 groups only, 1,000 in a quick run"
        yield Contest(sides, _rows(groups), missing)


def _asked(
    stack: ExitStack,
    job: str,
    groups: int,
    events: int,
    *,
    changes: Mapping[str, str] | None = None,
) -> Side:
    """A side that is filled once; every round has events of its own."""
    ask = stack.enter_context(session(job, {"groups": groups}, changes=changes))
    seeds = count()

    def side() -> Measures:
        answer: Measures = ask({"events": events, "seed": next(seeds)})
        return answer

    return side


def _rows(groups: int) -> list[Row]:
    note = f"{groups:,} groups; 70 % repeats, 20 % alike, 10 % new"
    few = f"{groups:,} groups; the peer over fewer events"
    if groups > ALL_PAIRS_KEPT:
        few += f" and {ALL_PAIRS_KEPT:,} groups, times {groups // ALL_PAIRS_KEPT}"
    return [
        Row("median, in memory", "median_us", "us CPU/event", peer=ALL_PAIRS, less_is_better=True,
            note=note),
        Row("p99, in memory", "p99_us", "us CPU/event", peer=ALL_PAIRS, less_is_better=True, note=few),
        Row("median, in SQLite", "median_us", "us CPU/event", side=DATABASE, peer=ALL_PAIRS,
            less_is_better=True, note="commit included"),
        Row("p99, in SQLite", "p99_us", "us CPU/event", side=DATABASE, peer=ALL_PAIRS,
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
    Benchmark(
        "grouping-1e6", "one event among 1,000,000 groups (whole runs only)",
        partial(prepare, 1_000_000, 0),
    ),
)  # fmt: skip
