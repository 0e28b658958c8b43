"""From the registers and the stack memory of a stopped thread to the calls it was in.

A dump holds, for each thread, the registers at one moment and the bytes of its stack. The
innermost call is the program counter. Every further one is found from the call before it, the
*callee*, by the first of these ways that answers:

    cfi            the debug file says where the callee keeps its caller's registers
    leaf           Windows x86-64: the return address lies on top of the stack
    frame_pointer  the frame pointer's register points to the saved one and the return address
    scan           the next stack word that points into a module is taken for a return address

and each frame tells which it was (`crashes.stack.FrameTrust`). Without debug files (`tables` is
empty) the first way is never taken; what services give in is described by `UnwindTable`.

The order, the distances scanned and the end conditions are those of Breakpad's walkers
(src/processor/stackwalker*.cc), whose published answers are our tests, so that stacks from both
group together:

* a caller below address 4096 is the end, and so is a stack pointer that does not move up (it may
  stay where it is once, out of the innermost call: a leaf function need not use the stack);
* scanning looks at 160 words above the innermost call and at 40 above any other;
* an address fits when it lies in a module and, where a table is known, in its code.

One thing goes beyond them: a scan takes off the signature of arm64 return addresses, without
which it would miss every caller in code that was built with pointer authentication. One was
tried and left out: to look, where a dump holds code, whether a call stands before the address.
It drops a few false frames, and with them the same stack as other tools show.

For example, on arm64, with `fp` pointing to the pair (saved fp, saved lr):

    registers  pc=libfoo+0x1f40  lr=libfoo+0x2010  fp=0x7ffe10        context        libfoo+0x1f40
    0x7ffe10   0x7ffe40, libbar+0x884                                 frame_pointer  libfoo+0x2010
    0x7ffe40   0, libc+0x4a0                                          frame_pointer  libbar+0x884

The address of a caller is its return address. What is looked up there (the module, a rule) is
looked up one instruction earlier, in the call: a call that never returns may be the last
instruction of its function.

Dumps come from anywhere, so everything is bounded: frames by `MAX_FRAMES`, and the words of one
dump that are looked at by a `Budget`, since a hostile dump may map one byte of its file into the
stacks of a thousand threads.

To add a processor: describe it in `cpus.py`, and write its frame pointer and scan in
`callers.py`.
"""

from crashes.formats.stackwalk.budget import Budget
from crashes.formats.stackwalk.cpus import CPUS, Cpu
from crashes.formats.stackwalk.memory import ModuleMap, StackMemory
from crashes.formats.stackwalk.tables import NO_TABLES, TableFinder, UnwindTable, WindowsFrame
from crashes.formats.stackwalk.walker import MAX_FRAMES, WalkedFrame, walk

__all__ = [
    "CPUS",
    "MAX_FRAMES",
    "NO_TABLES",
    "Budget",
    "Cpu",
    "ModuleMap",
    "StackMemory",
    "TableFinder",
    "UnwindTable",
    "WalkedFrame",
    "WindowsFrame",
    "walk",
]
