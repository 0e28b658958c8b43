"""What debug files know about unwinding: from a frame's registers to its caller's.

A compiler that leaves out frame pointers writes down, for every instruction, where the caller's
registers are: call frame information. Four sources become one table per debug file:

    .eh_frame, .debug_frame    of an ELF file (DWARF 5, section 6.4)
    .ARM.exidx                 of one for 32-bit ARM that has neither
    STACK CFI, STACK WIN       of a Breakpad symbol file
    FUNC, PUBLIC; section headers   where code is at all: what a scan may take for a call

The steps, a module for each:

    records     reads the text form; ELF files are brought into it by `symbolic`
    exidx       does the same for ARM's own tables
    builder     makes sorted, gapless rows of it, each rule set stored once
    layout      how the table lies in its file, so that it can be mapped and bisected
    table       opens it and answers
    postfix     the little language of the rules, evaluated within bounds

An example of the text, and of what the table makes of it:

    STACK CFI INIT 1109 4e .cfa: $rsp 8 + .ra: .cfa -8 + ^        0x1109  rule set 0
    STACK CFI 110a .cfa: $rsp 16 + $rbx: .cfa -16 + ^             0x110a  rule set 1
    STACK CFI 1156 .cfa: $rsp 8 +                                 0x1156  rule set 2
                                                                  0x1157  nothing

Rule set 1 says: the caller's stack pointer is rsp + 16; the return address lies 8 bytes below
it, the caller's rbx 16 bytes below. Addresses count from the first loaded segment.

A table can always be made again: `UNWIND_VERSION` is in its name and its header, and grows when
the same debug file would give another table. Debug files are hostile, so tables are built in the
sandbox (`jobs.py`), and evaluated there too, with limits on sizes, depth and steps.
"""

from crashes.symbolication.unwind.builder import UnwindFacts, build_unwind_table, unwind_name
from crashes.symbolication.unwind.layout import UNWIND_VERSION
from crashes.symbolication.unwind.table import FrameData, UnwindTable

__all__ = [
    "UNWIND_VERSION",
    "FrameData",
    "UnwindFacts",
    "UnwindTable",
    "build_unwind_table",
    "unwind_name",
]
