"""Symbolication: the build of a symcache, and look-ups beside the tools that people use.

Every figure of a tool is one fresh process, start-up included, in processor seconds. Ours ends
with values, as the platform needs them; a row of its own is about printing them, which the tools
always do. addr2line and its relatives are so much slower that they get a part of the addresses,
and what a start costs is taken off before the rate is made. pyelftools is measured over a second.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crashes.management.benchmarks.machines import Used, python, run, run_inner
from crashes.management.benchmarks.objects import (
    DebugObject,
    cpp_object,
    read_object,
    rust_object,
)
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

_MIB = 1 << 20
_INNER = ("-m", "crashes.management.benchmarks.inner")
_NAIVE_SECONDS = 1.0
LLVM, ADDR2LINE, EU_ADDR2LINE = "llvm-symbolizer", "addr2line", "eu-addr2line"
GSYM, NAIVE = "llvm-gsymutil", "pyelftools"
_LLVM_VERSIONS = range(22, 12, -1)


def find_tool(name: str) -> str | None:
    """A tool of LLVM or binutils; LLVM's may carry their version, the newest wins."""
    versions = (shutil.which(f"{name}-{version}") for version in _LLVM_VERSIONS)
    found = next(filter(None, versions), None) if name.startswith("llvm") else None
    return found or shutil.which(name)


@dataclass(frozen=True, slots=True)
class _Bench:
    """One object, its symcache and its lists of addresses."""

    target: DebugObject
    folder: Path
    counts: dict[str, int]

    @property
    def symcache(self) -> Path:
        return self.folder / "symcache"

    def addresses(self, name: str) -> Path:
        return self.folder / f"{name}.txt"

    def ours(self, name: str, *, is_printed: bool = False) -> Used:
        """A fresh process of ours over one list."""
        request = {
            "symcache": str(self.symcache),
            "addresses": str(self.addresses(name)),
            "is_printed": is_printed,
        }
        command = python(*_INNER, "look_up")
        return run(command, text=json.dumps(request).encode(), is_output_kept=False)

    def theirs(self, command: Sequence[str], name: str) -> Used:
        """A fresh process of a tool over one list."""
        return run(command, text=self.addresses(name), is_output_kept=False)


@contextmanager
def prepare(find: Callable[[Terms], DebugObject], terms: Terms) -> Iterator[Contest]:
    """One object: build and look-ups."""
    bench = _Bench(find(terms), terms.folder, {})
    _write_lists(bench, terms)
    sides: dict[str, Side] = {OURS: partial(_ours, bench), NAIVE: partial(_naive, bench)}
    missing = {}
    for name, options in _TOOLS.items():
        program = find_tool(name)
        if program is None:
            missing[name] = "not installed"
        else:
            command = [program, *(option.format(bench.target.path) for option in options)]
            sides[name] = partial(_tool, bench, command, is_slow=name != LLVM)
    gsym = find_tool(GSYM)
    if gsym is None:
        missing[GSYM] = "not installed"
    else:
        sides[GSYM] = partial(_gsym, bench, gsym)
    yield Contest(sides, _rows(bench.target), missing)


_TOOLS = {
    LLVM: ("--obj={}", "--inlines", "--no-demangle", "--functions=linkage"),
    ADDR2LINE: ("-a", "-i", "-f", "-e", "{}"),
    EU_ADDR2LINE: ("-i", "-f", "-e", "{}"),
}


def _write_lists(bench: _Bench, terms: Terms) -> None:
    count, part = terms.size(100_000, quick=20_000), terms.size(300, quick=20)
    target = bench.target
    lists = {
        "one": target.random_addresses(1),
        "random": target.random_addresses(count),
        "zipf": target.skewed_addresses(count, distinct=terms.size(5_000, quick=1_000)),
        "part": target.random_addresses(part),
    }
    for name, addresses in lists.items():
        bench.addresses(name).write_text("".join(f"0x{address:x}\n" for address in addresses))
        bench.counts[name] = len(addresses)


def _ours(bench: _Bench) -> Measures:
    built = _build(bench)
    one, random, zipf = (bench.ours(name) for name in ("one", "random", "zipf"))
    printed = bench.ours("random", is_printed=True)
    request = {"symcache": str(bench.symcache), "addresses": str(bench.addresses("random"))}
    warm = run_inner("look_up_warm", request)
    return {
        **built,
        **_rates(bench, one, random, zipf),
        "printed_per_s": bench.counts["random"] / printed.cpu_seconds,
        "warm_first_ms": warm["open_s"] * 1000,
        "first_pass_frames_per_s": warm["frames"] / warm["first_pass_s"],
        "hot_frames_per_s": warm["frames"] / warm["hot_s"],
    }


def _build(bench: _Bench) -> dict[str, float]:
    request = {
        "debug_file": str(bench.target.path),
        "symcache": str(bench.symcache),
        "scratch": str(bench.folder / "scratch"),
    }
    used = run(python(*_INNER, "build_symcache"), text=json.dumps(request).encode())
    return {
        "build_mb_per_s": bench.target.dwarf_bytes / 1e6 / used.cpu_seconds,
        "build_s": used.cpu_seconds,
        "build_peak_mib": used.peak_bytes / _MIB,
        "table_mib": bench.symcache.stat().st_size / _MIB,
    }


def _rates(bench: _Bench, one: Used, random: Used, zipf: Used) -> dict[str, float]:
    return {
        "first_ms": one.cpu_seconds * 1000,
        "first_peak_mib": one.peak_bytes / _MIB,
        "random_per_s": bench.counts["random"] / random.cpu_seconds,
        "zipf_per_s": bench.counts["zipf"] / zipf.cpu_seconds,
        "random_peak_mib": random.peak_bytes / _MIB,
    }


def _tool(bench: _Bench, command: Sequence[str], *, is_slow: bool) -> Measures:
    one = bench.theirs(command, "one")
    if not is_slow:
        return _rates(bench, one, bench.theirs(command, "random"), bench.theirs(command, "zipf"))
    part = bench.theirs(command, "part")
    work = max(part.cpu_seconds - one.cpu_seconds, 1e-3)
    return {
        "first_ms": one.cpu_seconds * 1000,
        "first_peak_mib": one.peak_bytes / _MIB,
        "random_per_s": (bench.counts["part"] - 1) / work,
        "random_peak_mib": part.peak_bytes / _MIB,
    }


def _gsym(bench: _Bench, program: str) -> Measures:
    table = bench.folder / "gsym"
    command = [program, f"--convert={bench.target.path}", "--out-file", str(table)]
    used = run([*command, "--num-threads=1"], is_output_kept=False)
    return {
        "build_mb_per_s": bench.target.dwarf_bytes / 1e6 / used.cpu_seconds,
        "build_s": used.cpu_seconds,
        "build_peak_mib": used.peak_bytes / _MIB,
        "table_mib": table.stat().st_size / _MIB,
    }


def _naive(bench: _Bench) -> Measures:
    addresses = [int(line, 16) for line in bench.addresses("random").read_text().split()]
    request = {
        "debug_file": str(bench.target.path),
        "addresses": addresses[:200],
        "seconds": _NAIVE_SECONDS,
    }
    answer = run_inner("read_naively", request)
    return {"random_per_s": answer["addresses"] / answer["seconds"]}


def _rows(target: DebugObject) -> list[Row]:
    size = f"{target.dwarf_bytes / 1e6:.0f} MB of DWARF"
    rate, first = "addresses/CPU s", "ms CPU"
    return [
        Row("random", "random_per_s", rate, peer=LLVM, note=f"{size}; ratio to reach: 4"),
        Row("random, printed", "printed_per_s", rate, peer=LLVM, peer_figure="random_per_s",
            note="as text, like the peer"),
        Row("random", "random_per_s", rate, peer=ADDR2LINE, note="the peer over a part"),
        Row("random", "random_per_s", rate, peer=EU_ADDR2LINE, note="the peer over a part"),
        Row("random", "random_per_s", rate, peer=NAIVE, note="the peer over a second"),
        Row("Zipf", "zipf_per_s", rate, peer=LLVM, note="ratio to reach: 10"),
        Row("first frame, fresh process", "first_ms", first, peer=LLVM, less_is_better=True,
            target=60.0),
        Row("first frame, fresh process", "first_ms", first, peer=ADDR2LINE, less_is_better=True),
        Row("memory of the first frame", "first_peak_mib", "MiB", peer=LLVM, less_is_better=True,
            target=25.0),
        Row("memory of all", "random_peak_mib", "MiB", peer=LLVM, less_is_better=True),
        Row("first frame, warm process", "warm_first_ms", "ms", less_is_better=True, target=1.0,
            peer=LLVM, peer_figure="first_ms", note="the peer has no warm form here"),
        Row("first pass in process", "first_pass_frames_per_s", "frames/s"),
        Row("hot in process", "hot_frames_per_s", "frames/s"),
        Row("build", "build_mb_per_s", "MB DWARF/CPU s", peer=GSYM, target=70.0, note=size),
        Row("build time", "build_s", "CPU s", peer=GSYM, less_is_better=True),
        Row("build memory", "build_peak_mib", "MiB", peer=GSYM, less_is_better=True),
        Row("table", "table_mib", "MiB", peer=GSYM, less_is_better=True),
    ]  # fmt: skip


@contextmanager
def prepare_given(terms: Terms) -> Iterator[Contest]:
    """The debug file named with --object. Raises Unavailable without one."""
    path = terms.debug_file
    if path is None:
        raise Unavailable("no --object was given")
    with prepare(lambda _: read_object(path.name, path), terms) as contest:
        yield contest


BENCHMARKS = (
    Benchmark("symbols-cpp", "C++ compiled here, many templates", partial(prepare, cpp_object)),
    Benchmark(
        "symbols-rust", "the Rust library of `symbolic`", partial(prepare, lambda _: rust_object())
    ),
    Benchmark("symbols-given", "the debug file of --object", prepare_given, is_optional=True),
)
