"""The walk itself; see the package."""

from collections.abc import Mapping
from dataclasses import dataclass

from crashes.formats.stackwalk import callers, windows
from crashes.formats.stackwalk.budget import Budget
from crashes.formats.stackwalk.cpus import ARM, X86, Cpu
from crashes.formats.stackwalk.frames import State, Walk
from crashes.formats.stackwalk.memory import ModuleMap, StackMemory
from crashes.formats.stackwalk.tables import NO_TABLES, TableFinder
from crashes.stack import FrameTrust, Module

MAX_FRAMES = 1024

_LOWEST_CODE_ADDR = 4096
_DUBIOUS = frozenset({FrameTrust.SCAN, FrameTrust.CFI_SCAN})


@dataclass(frozen=True, slots=True)
class WalkedFrame:
    """One frame: its address, and the module that it lies in.

    Of a caller it is the return address, one instruction behind the call. `relative` is the
    address counted from the module's start; None outside modules.
    """

    address: int
    trust: FrameTrust
    module: Module | None
    relative: int | None


def walk(
    registers: Mapping[str, int],
    memory: StackMemory | None,
    modules: ModuleMap,
    *,
    cpu: Cpu,
    is_windows: bool = False,
    is_ios: bool = False,
    tables: TableFinder = NO_TABLES,
    budget: Budget | None = None,
) -> tuple[WalkedFrame, ...]:
    """The frames of a thread, innermost first, at most `MAX_FRAMES`.

    `registers` are the thread's, with names as in `cpu.registers`; without the program counter
    there is no frame. Without `memory` there is the innermost frame only.
    """
    if cpu.pc not in registers:
        return ()
    job = Walk(cpu, memory, modules, tables, budget or Budget(), is_windows, is_ios)
    job.push(_innermost(job, registers))
    while memory is not None and len(job.frames) < MAX_FRAMES and not job.budget.is_spent:
        caller = _caller(job)
        if caller is None or _is_the_end(job, caller):
            break
        job.push(caller)
    return tuple(_walked(job, state) for state in job.frames)


def _innermost(job: Walk, registers: Mapping[str, int]) -> State:
    cpu = job.cpu
    values = {name: registers[name] & cpu.mask for name in cpu.registers if name in registers}
    if cpu.lr is not None and cpu.lr in values:
        values[cpu.lr] = job.without_signature(values[cpu.lr])
    return State(values, frozenset(values), FrameTrust.CONTEXT, values[cpu.pc])


def _caller(job: Walk) -> State | None:
    """The caller of the last frame, by the first way that answers."""
    callee = job.frames[-1]
    module, table, relative = job.place(callee.instruction)
    if module is not None and table is not None:
        frame = table.windows_frame(relative) if job.cpu is X86 else None
        found = windows.by_frame_data(job, callee, frame, table) if frame else None
        found = found or _by_rules(job, callee)
        if found:
            return found
        if table.is_outermost(relative):
            return None
    return callers.without_rules(job, callee)


def _by_rules(job: Walk, callee: State) -> State | None:
    return None if job.is_ios and job.cpu is ARM else callers.by_rules(job, callee)


def _is_the_end(job: Walk, caller: State) -> bool:
    callee = job.frames[-1]
    caller_sp, callee_sp = caller.value(job.cpu.sp), callee.value(job.cpu.sp)
    if caller.value(job.cpu.pc) < _LOWEST_CODE_ADDR:
        return True
    if callee.trust is FrameTrust.CONTEXT:
        return caller_sp < callee_sp
    return caller_sp <= callee_sp


def _walked(job: Walk, state: State) -> WalkedFrame:
    address = state.value(job.cpu.pc)
    module = job.modules.at(state.instruction)
    relative = None if module is None else address - (module.start_addr or 0)
    return WalkedFrame(address, state.trust, module, relative)
