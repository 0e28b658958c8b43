"""Give the native frames of a crash their names.

Every native frame ends in one of four ways, told by its status:

    no_build_id         the report does not say which binary it was; nothing can be looked up
    missing_debug_file  we have no debug file for this build id yet
    unknown_address     we have one, and it knows no function there
    symbolicated        replaced by its inline list: innermost first, each frame but the outermost
                        `inlined`, all with the module, build id and address of the original

The first three keep the name the device printed, if any. Managed frames are left alone, and so is
the frame list of exceptions. Indexes are given anew along each thread, as inlining adds frames.

Addresses. `Frame.address` is an ELF virtual address (`crashes.stack`). What may still hide in it:

* arm: bit 0 says Thumb code and is not part of the address;
* arm64: pointer authentication signs return addresses in the bits above the address space, and
  tagging uses the top byte. A module-relative address has neither, but walkers that subtract a
  base from a signed value leave the signature in. Bits 39 to 63 (the smallest address space of
  Android; no module is that large) are dropped, unless bit 55 and all above it are set: then it
  is a kernel address and stays;
* return addresses: debuggerd and libunwindstack print each caller's address already moved back
  into its call, so nothing is adjusted. Where a stack was walked by us (minidumps), a frame's
  `trust` says that it is a return address. For those of other walkers, such as core files, pass
  `frames_adjusted=False`, and every frame but the first of a thread is looked up one instruction
  earlier (4 bytes on arm64 and riscv64, 2 on Thumb, 1 elsewhere). Only the look-up moves; the
  frame keeps its address.

Android 10 and older printed other numbers in tombstones than ELF addresses (an offset in the
file, or in the executable mapping). They are looked up as they are and mostly come back as
`unknown_address`; telling them apart needs the segment table of the very binary.

Frames of a kernel have no address but a function and an offset in it (`kernel.py`). All but the
first are callers, whose offset is that of the return address.

Example: a frame `pc 0x1f40 libfoo.so (BuildId: ab12…)` for code of `parse()` that was inlined
into `load()` becomes two frames, `parse` (inlined, parser.cc:31) and `load` (loader.cc:12), both
at 0x1f40.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from crashes.stack import Crash, Frame, FrameStatus, FrameTrust
from crashes.symbolication import kernel
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.ports import DebugFileFinder
from crashes.symbolication.tablereader import SymbolFrame

_ABI_ARCHES = {
    "arm64": "arm64",
    "arm64-v8a": "arm64",
    "aarch64": "arm64",
    "arm": "arm",
    "armeabi": "arm",
    "armeabi-v7a": "arm",
    "thumb": "arm",
    "x86": "x86",
    "i386": "x86",
    "i686": "x86",
    "x86_64": "x86_64",
    "x86-64": "x86_64",
    "amd64": "x86_64",
    "riscv64": "riscv64",
}
_MANAGED = frozenset({FrameStatus.JAVA, FrameStatus.DEOBFUSCATED})
_RETURN_ADDRESSES = frozenset(FrameTrust) - {FrameTrust.CONTEXT, FrameTrust.PREWALKED}
_USER_MASK = (1 << 39) - 1
_KERNEL_BITS = 0x1FF << 55
_CALL_BYTES = {"arm64": 4, "riscv64": 4, "arm": 2}


@dataclass(frozen=True, slots=True)
class MissingDebugFile:
    """A build id without a debug file, and how many frames of this crash wait for it."""

    build_id: str
    module: str | None
    arch: str | None
    frames: int


@dataclass(frozen=True, slots=True)
class SymbolicationResult:
    """The crash with names, what was missing (most wanted first), how many frames got a name.

    `symbolicated_frames` counts the frames of the report, not the inlined ones they turned into.
    """

    crash: Crash
    missing: tuple[MissingDebugFile, ...]
    symbolicated_frames: int


def arch_of(abi: str | None) -> str | None:
    """Our word for an ABI as devices spell it (`arm64-v8a`, `aarch64`); None when unknown."""
    return _ABI_ARCHES.get(abi.strip().lower()) if abi else None


def symbolicate(
    crash: Crash, *, find: DebugFileFinder, frames_adjusted: bool = True
) -> SymbolicationResult:
    """Look up every native frame of every thread; see the module.

    A frame that was symbolicated before and comes again is looked up again, so that a better
    debug file is used: its inlined companions are folded into it first. Looks each module's
    addresses up in one go.
    """
    work = _Work(crash, frames_adjusted=frames_adjusted)
    threads = [(thread, _unexpanded(thread.frames)) for thread in crash.threads]
    for thread, frames in threads:
        work.collect(frames, kernel.sizes(crash, frames) if thread.crashing else ())
    work.look_up(find)
    named = tuple(replace(thread, frames=work.named(frames)) for thread, frames in threads)
    return SymbolicationResult(
        crash=replace(crash, threads=named),
        missing=work.missing(),
        symbolicated_frames=work.symbolicated_frames,
    )


def lookup_address(address: int, arch: str | None) -> int:
    """The address without what the processor hides in it; see the module."""
    if arch == "arm":
        return address & ~1
    is_kernel = address & _KERNEL_BITS == _KERNEL_BITS
    return address if arch != "arm64" or is_kernel else address & _USER_MASK


def is_native(frame: Frame) -> bool:
    """Whether the frame is machine code in a module, and not managed code."""
    return frame.status not in _MANAGED and not frame.native_method and frame.address is not None


def _unexpanded(frames: Sequence[Frame]) -> list[Frame]:
    """The frames without the inlined ones an earlier symbolication put before their holder."""
    return [
        frame
        for frame in frames
        if not (frame.inlined and frame.status is FrameStatus.SYMBOLICATED)
    ]


class _Call(NamedTuple):
    """A call as a kernel prints it; a caller's offset is that of the return address."""

    function: str
    offset: int
    size_bytes: int | None
    is_caller: bool


class _Work:
    """One crash on its way: addresses wanted per build id, then what was found."""

    def __init__(self, crash: Crash, *, frames_adjusted: bool) -> None:
        self._crash = crash
        self._arch = arch_of(crash.abi)
        self._frames_adjusted = frames_adjusted
        self._wanted: dict[str, dict[int, None]] = {}
        self._found: dict[str, dict[int, tuple[SymbolFrame, ...]]] = {}
        self._missing: dict[str, list[Frame]] = {}
        # Of kernels: file name to function, offset, printed size and whether it is a caller.
        self._calls: dict[str, dict[_Call, None]] = {}
        self._named: dict[tuple[str, _Call], tuple[SymbolFrame, ...]] = {}
        self._sizes: dict[Frame, int | None] = {}
        self._folded: dict[tuple[str, int], tuple[str, ...]] = {}
        self.symbolicated_frames = 0

    def collect(self, frames: Sequence[Frame], sizes: Sequence[int | None]) -> None:
        for frame, size_bytes in zip(frames, sizes, strict=False):
            self._sizes[frame] = size_bytes
        for position, frame in enumerate(frames):
            name = kernel.file_name(frame, self._crash)
            if name and kernel.raw_address(frame, self._crash) is not None:
                self._wanted.setdefault(name, {})[self._raw_address(frame, position)] = None
            elif name:
                self._calls.setdefault(name, {})[self._call(frame, position)] = None
            if is_native(frame) and frame.build_id:
                self._wanted.setdefault(frame.build_id, {})[self._address(frame, position)] = None

    def _address(self, frame: Frame, position: int) -> int:
        address = frame.address or 0
        exact = lookup_address(address, self._arch)
        is_return = not self._frames_adjusted and position > 0
        if not is_return and frame.trust not in _RETURN_ADDRESSES:
            return exact
        return max(0, exact - _CALL_BYTES.get(self._arch or "", 1))

    def _raw_address(self, frame: Frame, position: int) -> int:
        """A bare address in a kernel; all but the first are return addresses."""
        exact = kernel.raw_address(frame, self._crash) or 0
        back = _CALL_BYTES.get(self._arch or "", 1) if position else 0
        return max(0, exact - back)

    def _call(self, frame: Frame, position: int) -> _Call:
        function = frame.raw_function or frame.function or ""
        return _Call(function, frame.function_offset or 0, self._sizes.get(frame), position > 0)

    def look_up(self, find: DebugFileFinder) -> None:
        for name, calls in self._calls.items():
            symcache = find.symcache_for(name, self._arch)
            if symcache is None:
                self._missing[name] = []
                continue
            for call in calls:
                self._named[name, call] = self._called(symcache, call)
        for build_id, addresses in self._wanted.items():
            symcache = find.symcache_for(build_id, self._arch)
            if symcache is None:
                self._missing[build_id] = []
            else:
                self._found[build_id] = _all_at_once(symcache, list(addresses))
                for address in addresses:
                    if names := symcache.names_at(address):
                        self._folded[build_id, address] = names

    def _called(self, symcache: Symcache, call: _Call) -> tuple[SymbolFrame, ...]:
        address = symcache.address_of(call.function, call.offset, call.size_bytes)
        if address is None:
            return ()
        back = _CALL_BYTES.get(symcache.arch or "", 1) if call.is_caller and call.offset else 0
        return symcache.lookup([address - back])[0]

    def named(self, frames: Sequence[Frame]) -> tuple[Frame, ...]:
        expanded = (
            new for position, frame in enumerate(frames) for new in self._expanded(frame, position)
        )
        return tuple(
            frame if frame.index == index else replace(frame, index=index)
            for index, frame in enumerate(expanded)
        )

    def _expanded(self, frame: Frame, position: int) -> Iterator[Frame]:
        name = kernel.file_name(frame, self._crash)
        if name and name in self._missing:
            self._missing[name].append(frame)
            yield _with_status(frame, FrameStatus.MISSING_DEBUG_FILE)
        elif name and kernel.raw_address(frame, self._crash) is not None:
            symbols = self._found[name][self._raw_address(frame, position)]
            yield from self._replaced(frame, symbols)
        elif name:
            yield from self._replaced(frame, self._named[name, self._call(frame, position)])
        elif not is_native(frame):
            yield frame
        elif not frame.build_id:
            yield _with_status(frame, FrameStatus.NO_BUILD_ID)
        elif frame.build_id in self._missing:
            self._missing[frame.build_id].append(frame)
            yield _with_status(frame, FrameStatus.MISSING_DEBUG_FILE)
        else:
            address = self._address(frame, position)
            symbols = self._found[frame.build_id][address]
            names = self._folded.get((frame.build_id, address), ())
            yield from self._replaced(frame, symbols, names)

    def _replaced(
        self, frame: Frame, symbols: tuple[SymbolFrame, ...], names: tuple[str, ...] = ()
    ) -> Iterator[Frame]:
        """The frames in place of one; `names` are those of the code, where it has several."""
        if not symbols:
            yield _with_status(frame, FrameStatus.UNKNOWN_ADDRESS)
            return
        self.symbolicated_frames += 1
        for symbol in symbols:
            yield replace(
                frame,
                function=symbol.function or frame.function,
                raw_function=symbol.raw_function or frame.raw_function,
                file=symbol.file,
                line=symbol.line,
                inlined=symbol.inlined,
                status=FrameStatus.SYMBOLICATED,
                # The device's offset counts from the function it printed, the outermost one.
                function_offset=None if symbol.inlined else frame.function_offset,
                folded_with=() if symbol.inlined else _others(names, symbol.function),
            )

    def missing(self) -> tuple[MissingDebugFile, ...]:
        rows = [
            MissingDebugFile(build_id, frames[0].module, self._arch, len(frames))
            for build_id, frames in self._missing.items()
            if frames
        ]
        return tuple(sorted(rows, key=lambda row: (-row.frames, row.build_id)))


def _others(names: tuple[str, ...], shown: str | None) -> tuple[str, ...]:
    """The other names of the code; none when the shown one is not among them."""
    return tuple(name for name in names if name != shown) if shown in names else ()


def _all_at_once(symcache: Symcache, addresses: list[int]) -> dict[int, tuple[SymbolFrame, ...]]:
    return dict(zip(addresses, symcache.lookup(addresses), strict=True))


def _with_status(frame: Frame, status: FrameStatus) -> Frame:
    """The frame with this status; most have it already, and a copy costs as much as a look-up."""
    return frame if frame.status is status else replace(frame, status=status)
