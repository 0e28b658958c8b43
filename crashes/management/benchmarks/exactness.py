"""Agreement with llvm-symbolizer: the same random addresses, every inline list compared.

Nothing here is about speed. The table says how many of a hundred addresses that LLVM knows get the
same answer, and how many fall into each class of difference; `agreement.py` tells what is compared.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from crashes.management.benchmarks.agreement import (
    Agreement,
    Difference,
    agreement,
    asked_llvm,
    plain_name,
)
from crashes.management.benchmarks.machines import run_inner
from crashes.management.benchmarks.objects import (
    DebugObject,
    cpp_object,
    read_object,
    rust_object,
)
from crashes.management.benchmarks.symbols import LLVM, find_tool
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Measures,
    Row,
    Terms,
    Unavailable,
)
from crashes.symbolication.elffile import ElfFile
from crashes.symbolication.elfsymbols import functions
from crashes.symbolication.lookup import Symcache


@contextmanager
def prepare(terms: Terms) -> Iterator[Contest]:
    """The debug file of --object, or else the objects of the other benchmarks."""
    program = find_tool(LLVM)
    if program is None:
        raise Unavailable(f"{LLVM} is not installed")
    given = terms.debug_file
    targets = [read_object(given.name, given)] if given else [cpp_object(terms), rust_object()]

    @cache  # it does not change from round to round
    def measured() -> Measures:
        figures: dict[str, float] = {}
        for target in targets:
            figures |= _figures(target.name, measure(target, program, terms))
        return figures

    yield Contest({OURS: measured}, [row for target in targets for row in _rows(target)])


def measure(target: DebugObject, program: str, terms: Terms) -> Agreement:
    """Build the object's symcache and compare its answers with those of `program`."""
    path = terms.folder / "agreement.symcache"
    request = {
        "debug_file": str(target.path),
        "symcache": str(path),
        "scratch": str(terms.folder / "agreement.scratch"),
    }
    run_inner("build_symcache", request)
    addresses = target.random_addresses(terms.size(100_000, quick=5_000))
    with Symcache(path) as symcache:
        ours = symcache.lookup(addresses)
    theirs = asked_llvm(program, target.path, addresses)
    return agreement(ours, theirs, aliases=symbol_addresses(target.path))


def symbol_addresses(path: Path) -> Mapping[str, int]:
    """The address of every function's plain name."""
    with path.open("rb") as file:
        return {plain_name(symbol.name): symbol.address for symbol in functions(ElfFile(file))}


def _figures(name: str, found: Agreement) -> dict[str, float]:
    counts = {one: float(found.classes.get(one, 0)) for one in Difference}
    figures = {
        "count": float(found.count),
        "location": 100 * found.location,
        "full": 100 * found.full,
        **{one.value: counts[one] for one in Difference},
    }
    return {f"{name} {figure}": value for figure, value in figures.items()}


def _rows(target: DebugObject) -> list[Row]:
    name, size = target.name, f"{target.dwarf_bytes / 1e6:.0f} MB of DWARF"
    different = [one for one in Difference if one is not Difference.SAME]
    return [
        Row(f"{name}, known to LLVM", f"{name} count", "addresses", note=size),
        Row(f"{name}, inlining, files, lines", f"{name} location", "%", target=99.5),
        Row(f"{name}, names as well", f"{name} full", "%", target=99.0),
        *(Row(f"{name}, {one.value}", f"{name} {one.value}", "addresses") for one in different),
    ]


BENCHMARKS = (
    Benchmark(
        "symbols-agreement",
        "answers beside llvm-symbolizer's, for --object or what is at hand",
        prepare,
        is_optional=True,
    ),
)
