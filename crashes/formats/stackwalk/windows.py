"""Callers of 32-bit Windows functions, by the frame data of their debug files.

A record (`STACK WIN` in Breakpad's symbol files, IDiaFrameData in Microsoft's) gives the sizes of
parameters, saved registers and locals, and either a postfix program or the word whether the
function uses ebp for something of its own. The programs build on three values that we provide:

    .cbSavedRegs, .cbLocals, .cbParams   the sizes in the record
    .cbCalleeParams                      the parameters that the next inner call was given
    .raSearchStart (.raSearch)           where the return address should lie

The last one is an estimate, as the stack may have been aligned: the first return address within
three words is taken. esp counts from before the call: pushed parameters belong to the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from crashes.formats.stackwalk.frames import State, Walk
from crashes.formats.stackwalk.tables import UnwindTable, WindowsFrame
from crashes.stack import FrameTrust

_ALIGNED_WORDS = 3
_PLAIN = "$eip .raSearchStart ^ = $esp .raSearchStart 4 + ="
_WITH_OWN_EBP = (
    "$eip .raSearchStart ^ = $ebp $esp .cbCalleeParams + .cbSavedRegs + 8 - ^ = "
    "$esp .raSearchStart 4 + ="
)
_RECOVERED = ("ebx", "esi", "edi")


@dataclass(slots=True)
class _Found:
    """What is known of the caller so far, and how far a scan had to look beyond the estimate."""

    values: dict[str, int]
    trust: FrameTrust = FrameTrust.CFI
    offset: int = 0


def by_frame_data(
    walk: Walk, callee: State, frame: WindowsFrame, table: UnwindTable
) -> State | None:
    """The caller by the record of the callee's function; None to let others try."""
    inner = walk.frames[-2].windows_frame if len(walk.frames) > 1 else None
    walk.note(frame)
    if not frame.has_sizes:
        return None
    parameter_bytes = inner.parameter_bytes if inner else 0
    program = frame.program or (_WITH_OWN_EBP if frame.allocates_base_pointer else _PLAIN)
    start = _search_start(walk, callee, frame, parameter_bytes)
    if "@" in program and "ebp" in callee.known:  # esp was aligned, so only ebp can be counted on
        start = callee.value("ebp") + 4
    assigned = table.run_program(
        program, _variables(callee, frame, parameter_bytes, start), walk.word
    )
    found = _first_guess(walk, callee, assigned)
    if found is None:
        return None
    if found.values["$eip"] or found.values["$ebp"]:  # else it is the end of the stack
        _look_further(walk, callee, found, start)
        if frame.program or frame.allocates_base_pointer:
            _repair_ebp(
                walk,
                found,
                start=start,
                saved_start=callee.value("esp") + parameter_bytes,
                saved_bytes=frame.saved_register_bytes,
            )
    return _caller(walk, callee, found, set(assigned or ()))


def _search_start(walk: Walk, callee: State, frame: WindowsFrame, parameter_bytes: int) -> int:
    expected = callee.value("esp") + parameter_bytes
    expected += frame.local_bytes + frame.saved_register_bytes
    found = walk.scan(expected, _ALIGNED_WORDS)
    if found is None:
        return expected
    place, value = found
    is_innermost = callee.trust is FrameTrust.CONTEXT
    if is_innermost and frame.is_fpo and place == expected and value == callee.value("eip"):
        # A system call that has returned: its own return address is still on the stack.
        again = walk.scan(place + 4, _ALIGNED_WORDS)
        return again[0] if again else place + 4
    return place


def _variables(
    callee: State, frame: WindowsFrame, parameter_bytes: int, start: int
) -> dict[str, int]:
    variables = {
        "$ebp": callee.value("ebp"),
        "$esp": callee.value("esp"),
        ".cbCalleeParams": parameter_bytes,
        ".cbSavedRegs": frame.saved_register_bytes,
        ".cbLocals": frame.local_bytes,
        ".cbParams": frame.parameter_bytes,
        ".raSearchStart": start,
        ".raSearch": start,
    }
    return variables | ({"$ebx": callee.value("ebx")} if "ebx" in callee.known else {})


def _first_guess(walk: Walk, callee: State, assigned: Mapping[str, int] | None) -> _Found | None:
    """What the program says, else what a scan finds."""
    values = {"$ebp": callee.value("ebp"), "$esp": callee.value("esp"), "$eip": 0}
    if assigned is not None and {"$eip", "$esp"} <= assigned.keys():
        return _Found({**values, **assigned})
    found = walk.scan_above(callee)
    if found is None:
        return None
    place, eip = found
    return _Found(values | {"$eip": eip, "$esp": place + 4}, FrameTrust.SCAN)


def _look_further(walk: Walk, callee: State, found: _Found, start: int) -> None:
    """Where no module is at the address found, take the next return address above it."""
    if walk.modules.at(found.values["$eip"]):
        return
    better = walk.scan(start + 4, walk.reach(callee))
    if better is not None:
        place, eip = better
        found.values |= {"$eip": eip, "$esp": place + 4}
        found.trust, found.offset = FrameTrust.CFI_SCAN, place - start - 4


def _repair_ebp(
    walk: Walk, found: _Found, *, start: int, saved_start: int, saved_bytes: int
) -> None:
    """Look for the saved ebp among the saved registers when the one found points nowhere."""
    ebp = found.values["$ebp"]
    has_skipped = found.trust is not FrameTrust.CFI and ebp <= start + found.offset
    if not has_skipped and walk.word(ebp) is not None:
        return
    # From above, as a prologue saves ebp first.
    for place in range(saved_start + saved_bytes + found.offset, saved_start - 1, -4):
        candidate = walk.word(place)
        if candidate is None:
            return
        if walk.word(candidate) is not None:
            found.values["$ebp"] = candidate
            return


def _caller(walk: Walk, callee: State, found: _Found, assigned: set[str]) -> State:
    names = {"eip", "esp", "ebp"} | {name for name in _RECOVERED if f"${name}" in assigned}
    values = {**callee.values, **{name: found.values[f"${name}"] for name in names}}
    return walk.caller(values, frozenset(names), found.trust)
