"""Put names into a dump as text, for `manage.py symbolicate`.

Lines that hold a native frame with a build id get their name; all other lines pass unchanged.
Three kinds of lines are understood:

    #01 pc 0000000000001f40  /system/lib64/libfoo.so (parse+12) (BuildId: ab12…)    tombstone
    native: #02 pc 0001f40  /system/lib64/libfoo.so (???) (BuildId: ab12…)          ANR trace
    ab12…  0x1f40                                                                  plain pairs

A frame line keeps everything up to its module; the name and place follow in parentheses, and each
inlined function gets a line of its own before it, marked `(inlined)`, so that the list still
reads innermost first:

    #01 pc 0000000000001f40  /system/lib64/libfoo.so (parse(char const*)) (src/parser.cc:31) (inlined)
    #01 pc 0000000000001f40  /system/lib64/libfoo.so (load()) (src/loader.cc:12) (BuildId: ab12…)

A plain pair is answered with one line per function, innermost first, and a blank line:

    ab12… 0x1f40 parse(char const*) src/parser.cc:31 (inlined)
    ab12… 0x1f40 load() src/loader.cc:12

What has no debug file, or no name at that address, stays as the device printed it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from crashes.symbolication.frames import arch_of, lookup_address
from crashes.symbolication.lookup import Symcache
from crashes.symbolication.ports import DebugFileFinder
from crashes.symbolication.tablereader import SymbolFrame

_FRAME_LINE = re.compile(
    r"^(?P<start>.*?#\d{1,4}\s+pc\s+(?:0x)?)(?P<address>[0-9a-fA-F]{1,16})"
    r"(?P<module>\s+[^\s(][^(\n]*?)(?P<rest>\s*(?:\(.*)?)$"
)
_BUILD_ID = re.compile(r"\(BuildId: (?P<id>[0-9a-fA-F]{8,128})\)")
_MAP_OFFSET = re.compile(r"\(offset (?:0x)?[0-9a-fA-F]+\)")
_PAIR_LINE = re.compile(
    r"^\s*(?P<id>[0-9a-fA-F]{8,128})[ \t,:]+(?:0x)?(?P<address>[0-9a-fA-F]{1,16})\s*$"
)
_ABI_LINE = re.compile(r"^ABI: '(?P<abi>[^']{1,32})'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NamedText:
    """The text with names, the frames that got one, and the build ids nobody knows."""

    text: str
    named_frames: int
    missing_build_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _FrameText:
    """One line that names a build id and an address; `pair` when it is nothing else."""

    match: re.Match[str]
    build_id: str
    address: int
    pair: bool


def name_text(text: str, *, find: DebugFileFinder, arch: str | None = None) -> NamedText:
    """The same text with the names of its native frames; see the module.

    `arch` is taken from the text's `ABI:` line when not given. Line ends are kept as they are.
    """
    lines = text.splitlines(keepends=True)
    abi = _ABI_LINE.search(text)
    arch = arch or (arch_of(abi["abi"]) if abi else None)
    parsed = [_parsed(line.rstrip("\r\n")) for line in lines]
    names = _Names(find, arch, [frame for frame in parsed if frame])
    out: list[str] = []
    named_frames = 0
    for line, frame in zip(lines, parsed, strict=True):
        symbols = names.at(frame) if frame else ()
        named_frames += bool(symbols)
        ending = line[len(line.rstrip("\r\n")) :] or "\n"
        rewritten = _rewritten(frame, symbols) if frame and symbols else None
        out += [line] if rewritten is None else [f"{new}{ending}" for new in rewritten]
    return NamedText("".join(out), named_frames, names.missing)


def _parsed(line: str) -> _FrameText | None:
    pair = _PAIR_LINE.match(line)
    if pair:
        return _FrameText(pair, pair["id"].lower(), int(pair["address"], 16), pair=True)
    frame = _FRAME_LINE.match(line)
    build_id = _BUILD_ID.search(frame["rest"]) if frame else None
    if frame is None or build_id is None:
        return None
    return _FrameText(frame, build_id["id"].lower(), int(frame["address"], 16), pair=False)


class _Names:
    """The answers for all frames of a text, each module looked up in one go."""

    def __init__(self, find: DebugFileFinder, arch: str | None, frames: list[_FrameText]) -> None:
        self._arch = arch
        self._known: dict[tuple[str, int], tuple[SymbolFrame, ...]] = {}
        wanted: dict[str, dict[int, None]] = {}
        for frame in frames:
            wanted.setdefault(frame.build_id, {})[lookup_address(frame.address, arch)] = None
        found = {build_id: find.symcache_for(build_id, arch) for build_id in wanted}
        self.missing = tuple(build_id for build_id, cache in found.items() if cache is None)
        for build_id, symcache in found.items():
            if symcache is not None:
                self._add(build_id, symcache, list(wanted[build_id]))

    def _add(self, build_id: str, symcache: Symcache, addresses: list[int]) -> None:
        for address, symbols in zip(addresses, symcache.lookup(addresses), strict=True):
            self._known[build_id, address] = symbols

    def at(self, frame: _FrameText) -> tuple[SymbolFrame, ...]:
        return self._known.get((frame.build_id, lookup_address(frame.address, self._arch)), ())


def _rewritten(frame: _FrameText, symbols: tuple[SymbolFrame, ...]) -> Iterator[str]:
    if frame.pair:
        for symbol in symbols:
            inlined = " (inlined)" if symbol.inlined else ""
            place = f" {_place(symbol)}" if symbol.file else ""
            yield f"{frame.build_id} {frame.address:#x} {symbol.function or '??'}{place}{inlined}"
        yield ""
        return
    match = frame.match
    offset = _MAP_OFFSET.search(match["rest"])
    start = f"{match['start']}{match['address']}{match['module']}"
    start += f" {offset[0]}" if offset else ""
    for symbol in symbols:
        place = f" ({_place(symbol)})" if symbol.file else ""
        tail = " (inlined)" if symbol.inlined else f" (BuildId: {frame.build_id})"
        yield f"{start} ({symbol.function or '??'}){place}{tail}"


def _place(symbol: SymbolFrame) -> str:
    return f"{symbol.file}:{symbol.line}" if symbol.line else str(symbol.file)
