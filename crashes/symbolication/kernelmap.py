"""The symbols of a kernel as text: `System.map` of a build, `/proc/kallsyms` of a running kernel.

    ffffffff81000000 T _text                       address, kind, name
    ffffffff81000110 t __startup_64
    ffffffffc04b1000 t ext4_mkdir	[ext4]         kallsyms go on with the modules that are loaded

They give names, no lines, for kernels whose `vmlinux` nobody kept. Kinds `t` and `w` are code;
everything else only ends the function before it. The modules of a kallsyms are left out: where
they lay holds for one boot. Read without the right to see addresses, a kallsyms has zeros
throughout and is refused. Neither file says which kernel it is of; its name does
(`System.map-6.1.0-56-arm64`).
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from crashes.symbolication.elfsymbols import Symbol
from crashes.symbolication.errors import UnreadableDebugFile

MAX_BYTES = 256 << 20
_LINE = re.compile(
    rb"^([0-9a-f]{16}|[0-9a-f]{8}) ([A-Za-z?]) (\S{1,512})(?:[ \t]+(\[\S{1,64}\]))?[ \t]*\r?$",
    re.MULTILINE,
)
_FIRST_LINES = re.compile(rb"(?:[0-9a-f]{8}(?:[0-9a-f]{8})? [A-Za-z?] \S{1,512}[^\n]{0,70}\n){3}")
_NAMED = re.compile(
    r"(?:.*/)?(?:System\.map|kallsyms)[-_](?P<release>[0-9][0-9A-Za-z.+_~-]{2,100}?)"
)
_CODE = b"tTwW"
_NEW_REGION_BYTES = 1 << 32
_LAST_FUNCTION_BYTES = 4096
_ARCHES = (
    ("x86_64", frozenset({"entry_SYSCALL_64", "startup_64", "secondary_startup_64"})),
    ("arm64", frozenset({"el1h_64_sync", "el1_sync", "el0_svc", "__cpu_setup", "primary_entry"})),
    ("arm", frozenset({"vector_swi", "__dabt_svc", "ret_fast_syscall"})),
    ("riscv64", frozenset({"handle_exception", "riscv_clocksource"})),
)


@dataclass(frozen=True, slots=True)
class KernelMap:
    """The functions of a kernel in order. `end` is where the code ends."""

    functions: tuple[Symbol, ...]
    end: int
    arch: str | None

    @property
    def start(self) -> int:
        """The first address of code, which the tables count from."""
        return self.functions[0].address


def is_kernel_map(head: bytes) -> bool:
    """Whether a file that begins like this is one."""
    return _FIRST_LINES.match(head) is not None


def release_in(file_name: str) -> str | None:
    """The kernel's release in the name of such a file."""
    found = _NAMED.fullmatch(file_name.removesuffix(".txt"))
    return found["release"] if found else None


def read_kernel_map(content: bytes) -> KernelMap:
    """The symbols in a map. Raises UnreadableDebugFile `no_addresses`, `no_symbols`."""
    if len(content) > MAX_BYTES:
        raise UnreadableDebugFile("oversized_section", "a kernel has no map of that size")
    rows = [
        (int(address, 16), kind in _CODE, name)
        for address, kind, name, module in _LINE.findall(content)
        if not module
    ]
    if rows and not any(address for address, _, _ in rows):
        raise UnreadableDebugFile(
            "no_addresses", "all addresses are zero: kallsyms must be read with privileges"
        )
    code = sorted(
        (address, name.decode("utf-8", "replace"))
        for address, is_code, name in rows
        if is_code and address
    )
    # What lies far below the bulk of the code is no code: per-processor data counts from zero.
    middle = code[len(code) // 2][0] if code else 0
    code = [row for row in code if abs(row[0] - middle) < _NEW_REGION_BYTES // 2]
    if not code:
        raise UnreadableDebugFile("no_symbols", "the map has no functions")
    bounds = sorted({address for address, _, _ in rows})
    functions = tuple(_sized(code, bounds))
    last = functions[-1]
    names = {name for _, name in code}
    arch = next((arch for arch, marks in _ARCHES if marks & names), None)
    return KernelMap(functions, last.address + last.size_bytes, arch)


def _sized(code: list[tuple[int, str]], bounds: list[int]) -> Iterator[Symbol]:
    """Each function up to the next symbol of any kind."""
    for address, name in code:
        at = bisect_right(bounds, address)
        size_bytes = bounds[at] - address if at < len(bounds) else _LAST_FUNCTION_BYTES
        yield Symbol(address, min(size_bytes, _NEW_REGION_BYTES // 2), name)


def breakpad_text(found: KernelMap) -> bytes:
    """The map as the compiler takes it; of several names for one place the first counts."""
    lines = [f"MODULE Linux {found.arch or 'x86_64'} {'0' * 33} vmlinux"]
    places: set[int] = set()
    for symbol in found.functions:
        if symbol.address not in places:
            places.add(symbol.address)
            lines.append(
                f"FUNC {symbol.address - found.start:x} {symbol.size_bytes:x} 0 {symbol.name}"
            )
    return "\n".join([*lines, ""]).encode("utf-8", "replace")
