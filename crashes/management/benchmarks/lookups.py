"""Inner jobs of the symbolication benchmarks; they print what `llvm-symbolizer` would print."""

import sys
import time
from pathlib import Path
from typing import Any

from crashes.symbolication.lookup import Symcache


def look_up(symcache: str, addresses: str, is_printed: bool) -> None:  # noqa: FBT001  from JSON
    """Look up every address of a file, one per line; print the frames if so asked."""
    wanted = [int(line, 16) for line in Path(addresses).read_text().split()]
    with Symcache(Path(symcache)) as table:
        answers = table.lookup(wanted)
    if not is_printed:
        return
    texts: dict[int, str] = {}  # by identity: frames of one place are one object
    for frames in answers:
        for frame in frames:
            if id(frame) not in texts:
                texts[id(frame)] = f"{frame.raw_function}\n{frame.file}:{frame.line}\n"
        sys.stdout.write("".join([texts[id(frame)] for frame in frames]) + "\n")


def look_up_warm(symcache: str, addresses: str) -> dict[str, float]:
    """Seconds for opening and the first address, a first pass, and a second one; frames in all."""
    wanted = [int(line, 16) for line in Path(addresses).read_text().split()]
    Symcache(Path(symcache)).close()  # the modules are imported, the pages are there
    opens = time.perf_counter()
    table = Symcache(Path(symcache))
    table.lookup(wanted[:1])
    opened = time.perf_counter()
    answers = table.lookup(wanted)
    passed = time.perf_counter()
    table.lookup(wanted)
    again = time.perf_counter()
    return {
        "open_s": opened - opens,
        "first_pass_s": passed - opened,
        "hot_s": again - passed,
        "frames": float(sum(map(len, answers))),
    }


def build(debug_file: str, symcache: str, scratch: str) -> dict[str, Any]:
    """Make a symcache as the sandboxed job does."""
    from crashes.symbolication.jobs import build_symcache_job  # noqa: PLC0415  only here

    with (
        Path(debug_file).open("rb") as source,
        Path(symcache).open("w+b") as out,
        Path(scratch).open("w+b") as extra,
    ):
        return build_symcache_job(source.fileno(), out.fileno(), extra.fileno())


def read_naively(debug_file: str, addresses: list[int], seconds: float) -> dict[str, float]:
    """What a script with pyelftools does: the unit of the address, then every entry of it.

    Looks addresses up until the time is over; how many it did, and the seconds it took.
    """
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415  only here

    began = time.process_time()
    done = 0
    with Path(debug_file).open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        ranges = dwarf.get_aranges()
        for address in addresses:
            offset = ranges.cu_offset_at_addr(address) if ranges else None
            if offset is not None:
                _function_at(dwarf, offset, address)
                done += 1
            if time.process_time() - began > seconds:
                break
    return {"addresses": float(done), "seconds": time.process_time() - began}


def _function_at(dwarf: Any, offset: int, address: int) -> str | None:
    unit = dwarf._parse_CU_at_offset(offset)  # noqa: SLF001  as every recipe does
    found = None
    for entry in unit.iter_DIEs():
        if entry.tag != "DW_TAG_subprogram" or "DW_AT_low_pc" not in entry.attributes:
            continue
        low = entry.attributes["DW_AT_low_pc"].value
        size = entry.attributes["DW_AT_high_pc"].value
        if low <= address < low + size:
            found = str(entry.offset)
    program = dwarf.line_program_for_CU(unit)
    for row in program.get_entries() if program else ():
        if row.state is not None and row.state.address > address:
            break
    return found
