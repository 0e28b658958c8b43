"""Frames of the kernel: a function and an offset in it, not an address.

A kernel prints `ext4_mkdir+0x5e0/0xdf0 [ext4]`: where its code lies differs from boot to boot
(KASLR), and so it does not say. The function is looked up among the symbols of the debug file of
that very kernel. Of several functions of one name the one counts whose size is the printed one;
the kernel takes the way to the next symbol for the size, and so do we.

A kernel has a build id, but most logs do not print it. They print the release (`6.1.0-56-arm64`,
on phones with the commit and the number of the build in it). So kernels and their modules go by a
second name:

    kernel/6.1.0-56-arm64            vmlinux
    kernel/6.1.0-56-arm64/ext4       a module

Kernels built without their own symbols print nothing but addresses. A panic ends with how far KASLR
moved the kernel at that boot (`Kernel Offset: 0x2a00000 from 0xffffffff81000000`, or `disabled`);
taken away, the address is one of `vmlinux`. 32-bit kernels stay where they were linked. Without
that line an address of 64 bits is not looked up: any name would be a guess.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from crashes.stack import Crash, Frame
from crashes.symbolication.elfsymbols import Symbol

PREFIX = "kernel/"
_SOURCE = "kernel"
_FIRST_WIDE = 1 << 32


def kernel_name(release: str, module: str | None = None) -> str:
    """The name that a kernel, or a module of it, goes by where nobody says its build id."""
    return f"{PREFIX}{release}/{module}" if module else f"{PREFIX}{release}"


def file_name(frame: Frame, crash: Crash) -> str | None:
    """What the debug file of a kernel's frame goes by; None for frames of anything else."""
    if frame.inlined:
        return None
    if raw_address(frame, crash) is not None:
        release = crash.details.get("kernel_version")
        return kernel_name(release) if isinstance(release, str) and release else None
    if frame.address is not None or frame.function_offset is None:
        return None
    if crash.details.get("source") != _SOURCE or not (frame.raw_function or frame.function):
        return None
    release = crash.details.get("kernel_version")
    if frame.build_id:
        return frame.build_id
    return kernel_name(release, frame.module) if isinstance(release, str) and release else None


def raw_address(frame: Frame, crash: Crash) -> int | None:
    """Where in `vmlinux` a frame is that a kernel printed as a bare address; None for others."""
    if frame.address is None or frame.build_id or frame.module:
        return None
    if crash.details.get("source") != _SOURCE:
        return None
    offset = crash.details.get("kernel_offset", 0 if frame.address < _FIRST_WIDE else None)
    return frame.address - offset if isinstance(offset, int) else None


def sizes(crash: Crash, frames: Sequence[Frame]) -> list[int | None]:
    """The printed size of each function; None where there is none or frames were added."""
    listed = crash.details.get("function_sizes")
    if not isinstance(listed, list) or len(listed) != len(frames):
        return [None] * len(frames)
    return [size if isinstance(size, int) else None for size in listed]


class SymbolPlaces:
    """Where the functions of a kernel are, by name."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        """Places of these symbols, in any order."""
        self._places: dict[str, list[int]] = defaultdict(list)
        for symbol in symbols:
            self._places[symbol.name].append(symbol.address)
        self._starts = sorted({place for places in self._places.values() for place in places})

    def address_of(self, function: str, offset: int, size_bytes: int | None) -> int | None:
        """The address of `function+offset`; None where that function is not known.

        Where several have that name and none the printed size, the first that is large enough.
        """
        places = sorted(set(self._places.get(function, ())))
        sized = [place for place in places if self._size_of(place) == size_bytes]
        large = [place for place in places if offset <= self._size_of(place)]
        chosen = next(iter(sized or large), None)
        return None if chosen is None else chosen + offset

    def _size_of(self, place: int) -> int:
        at = bisect_right(self._starts, place)
        return self._starts[at] - place if at < len(self._starts) else 1 << 62


def symbols_text(symbols: Iterable[Symbol]) -> bytes:
    """The symbols as lines `address name`, as `symbols_from` reads them."""
    lines = (f"{symbol.address:x} {symbol.name}" for symbol in symbols)
    return "\n".join(lines).encode("utf-8", "replace")


def symbols_from(text: bytes) -> Iterator[Symbol]:
    """The symbols of a text that `symbols_text` wrote."""
    for line in text.decode("utf-8", "replace").split("\n"):
        address, _, name = line.partition(" ")
        if name:
            yield Symbol(int(address, 16), 0, name)
