"""The ways to find a caller: by rules of a debug file, by frame pointer, by scanning.

Each answers with the caller's registers, or None to let the next way try.
"""

from crashes.formats.stackwalk.cpus import ARM, ARM64, X86, X86_64
from crashes.formats.stackwalk.frames import State, Walk
from crashes.stack import FrameTrust

_MAX_GAP_BYTES = 1 << 20
"""Between two frames of an x86 frame pointer chain that is taken up again after a scan."""

_X86_KNOWN = frozenset({"eip", "esp", "ebp"})
_USER_TOP, _KERNEL_START = 0x7FFF_FFFF_FFFF, 0xFFFF_8000_0000_0000


def by_rules(walk: Walk, callee: State) -> State | None:
    """By the call frame information of the callee's function."""
    cpu = walk.cpu
    _, table, relative = walk.place(callee.instruction)
    if table is None:
        return None
    registers = cpu.rule_registers({name: callee.values[name] for name in callee.known})
    found = table.caller_registers(relative, registers, walk.word)
    if found is None:
        return None
    values = {name: callee.values[name] for name in cpu.preserved if name in callee.known}
    for theirs, value in found.items():
        name = theirs.removeprefix(cpu.rule_prefix)
        values[cpu.rule_names.get(name, name)] = value
    values.setdefault(cpu.pc, found[".ra"])
    values.setdefault(cpu.sp, found[".cfa"])
    values = {name: values[name] & cpu.mask for name in cpu.registers if name in values}
    if any(name not in values for name in cpu.essential):
        return None
    if cpu is X86_64 and not (values[cpu.pc] and values[cpu.sp]):
        return None
    values[cpu.pc] = walk.without_signature(values[cpu.pc])
    return walk.caller(values, frozenset(values), FrameTrust.CFI)


def without_rules(walk: Walk, callee: State) -> State | None:
    """By frame pointer or scan, as is usual for the processor and the system."""
    if walk.cpu is X86:
        return _x86_frame_pointer(walk, callee) or _x86_scan(walk, callee)
    if walk.cpu is ARM:
        by_pointer = _arm_frame_pointer(walk, callee) if walk.is_ios else None
        return by_pointer or _arm_scan(walk, callee)
    if walk.cpu is ARM64:
        return _arm64_frame_pointer(walk, callee) or _arm_scan(walk, callee)
    if walk.is_windows:  # where rbp is no frame pointer
        by_top = _x86_64_leaf(walk, callee) if callee.trust is FrameTrust.CONTEXT else None
        return by_top or _x86_64_scan(walk, callee)
    return _x86_64_frame_pointer(walk, callee) or _x86_64_scan(walk, callee)


# --- x86 -----------------------------------------------------------------------------------


def _x86_frame_pointer(walk: Walk, callee: State) -> State | None:
    ebp = callee.value("ebp")
    eip, caller_ebp = walk.word(ebp + 4), walk.word(ebp)
    if eip is None or caller_ebp is None:
        return None
    values = {**callee.values, "eip": eip, "esp": ebp + 8, "ebp": caller_ebp}
    return walk.caller(values, _X86_KNOWN, FrameTrust.FRAME_POINTER)


def _x86_scan(walk: Walk, callee: State) -> State | None:
    found = walk.scan_above(callee)
    if found is None:
        return None
    place, eip = found
    # Below a return address that a standard prologue left lies the saved ebp.
    below = place - 4
    ebp = walk.word(below)
    if ebp is None or not below < ebp <= below + _MAX_GAP_BYTES:
        ebp = callee.value("ebp")
    values = {**callee.values, "eip": eip, "esp": place + 4, "ebp": ebp}
    return walk.caller(values, _X86_KNOWN, FrameTrust.SCAN)


# --- x86-64 --------------------------------------------------------------------------------


def _x86_64_leaf(walk: Walk, callee: State) -> State | None:
    found = walk.scan(callee.value("rsp"), 1)
    if found is None:
        return None
    place, rip = found
    values = {**callee.values, "rip": rip, "rsp": place + 8}
    return walk.caller(values, callee.known, FrameTrust.LEAF)


def _x86_64_frame_pointer(walk: Walk, callee: State) -> State | None:
    rbp = callee.value("rbp")
    if rbp % 8:
        return None
    rip, caller_rbp = walk.word(rbp + 8), walk.word(rbp)
    if rip is None or caller_rbp is None or _USER_TOP < rip < _KERNEL_START:
        return None
    rsp = rbp + 16
    # rbp is often an ordinary register; as a frame pointer it must point further up the stack.
    if caller_rbp < rsp or walk.word(caller_rbp) is None:
        return None
    values = {**callee.values, "rip": rip, "rsp": rsp, "rbp": caller_rbp}
    return walk.caller(values, frozenset({"rip", "rsp", "rbp"}), FrameTrust.FRAME_POINTER)


def _x86_64_scan(walk: Walk, callee: State) -> State | None:
    found = walk.scan_above(callee)
    if found is None:
        return None
    place, rip = found
    values = {**callee.values, "rip": rip, "rsp": place + 8}
    known = {"rip", "rsp"}
    rbp = _plausible_rbp(walk, callee, place)
    if rbp is not None:
        values["rbp"] = rbp
        known.add("rbp")
    return walk.caller(values, frozenset(known), FrameTrust.SCAN)


def _plausible_rbp(walk: Walk, callee: State, place: int) -> int | None:
    """The caller's rbp, for a debug file's rules further up, if it can be told."""
    if "rbp" not in callee.known:
        return None
    rbp = callee.value("rbp")
    if rbp == place - 8:  # the callee's prologue saved it right below the return address
        saved = walk.word(rbp)
        return saved if saved is not None and saved > place else None
    return rbp if rbp >= place + 8 else None


# --- arm and arm64 ---------------------------------------------------------------------------


def _arm_scan(walk: Walk, callee: State) -> State | None:
    found = walk.scan_above(callee)
    if found is None:
        return None
    place, pc = found
    values = {**callee.values, "pc": pc, "sp": place + walk.cpu.word_bytes}
    return walk.caller(values, frozenset({"pc", "sp"}), FrameTrust.SCAN)


def _arm_frame_pointer(walk: Walk, callee: State) -> State | None:
    """On iOS r7 points to the saved r7 and lr. Android's compilers promise nothing of the kind."""
    if "r7" not in callee.known:
        return None
    return _by_link_register(walk, callee, "r7", callee.value("lr"))


def _arm64_frame_pointer(walk: Walk, callee: State) -> State | None:
    lr = callee.value("lr")
    if "lr" not in callee.known:
        lr = _saved_lr(walk, callee, lr)
    return _by_link_register(walk, callee, "x29", lr)


def _by_link_register(walk: Walk, callee: State, fp_name: str, lr: int) -> State | None:
    """The caller is where lr returns to; the pair at fp holds fp and lr of that caller."""
    size = walk.cpu.word_bytes
    fp = callee.value(fp_name)
    if fp:
        caller_fp, caller_lr = walk.word(fp), walk.word(fp + size)
        if caller_fp is None or caller_lr is None:
            return None
        sp = fp + 2 * size
    else:
        caller_fp, caller_lr, sp = 0, 0, callee.value("sp")
    pair = {fp_name: caller_fp, "lr": walk.without_signature(caller_lr)}
    values = {**callee.values, **pair, "sp": sp, "pc": lr}
    return walk.caller(values, frozenset({"pc", "lr", "sp", fp_name}), FrameTrust.FRAME_POINTER)


def _saved_lr(walk: Walk, callee: State, lr: int) -> int:
    """What lr was in a frame whose rules gave no lr: it is saved in the frame below.

    Only where the rules and the chain of frame pointers agree about this frame.
    """
    if len(walk.frames) < 2 or callee.value("x29") <= callee.value("sp"):  # noqa: PLR2004
        return lr
    below = walk.frames[-2].value("x29")
    if not below:
        return lr if callee.value("x29") else 0
    if walk.word(below) != callee.value("x29"):
        return lr
    saved = walk.word(below + 8)
    return lr if saved is None else walk.without_signature(saved)
