"""Callers are found by frame pointer or scan as each processor and system has them."""

from collections.abc import Mapping

import pytest

from crashes.formats.stackwalk import (
    CPUS,
    MAX_FRAMES,
    Budget,
    ModuleMap,
    StackMemory,
    WalkedFrame,
    walk,
)
from crashes.stack import FrameTrust, Module

BASE = {4: 0x1000_0000, 8: 0x7F00_0000_0000}
STACK = {4: 0x2000_0000, 8: 0x7FFD_0000_0000}
WORD = {"x86": 4, "arm": 4, "x86_64": 8, "arm64": 8}

CONTEXT, POINTER, SCAN, LEAF = (
    FrameTrust.CONTEXT,
    FrameTrust.FRAME_POINTER,
    FrameTrust.SCAN,
    FrameTrust.LEAF,
)


def walked(
    cpu: str,
    registers: Mapping[str, int],
    words: list[int],
    *,
    is_windows: bool = False,
    is_ios: bool = False,
) -> tuple[WalkedFrame, ...]:
    size = WORD[cpu]
    stack = b"".join((word & (1 << 8 * size) - 1).to_bytes(size, "little") for word in words)
    modules = ModuleMap([Module("/liba.so", start_addr=BASE[size], end_addr=BASE[size] + 0x10000)])
    memory = StackMemory(STACK[size], memoryview(stack), size)
    return walk(registers, memory, modules, cpu=CPUS[cpu], is_windows=is_windows, is_ios=is_ios)


def outline(frames: tuple[WalkedFrame, ...]) -> list[tuple[int | None, FrameTrust]]:
    return [(frame.relative, frame.trust) for frame in frames]


@pytest.mark.parametrize("cpu", ["x86", "x86_64", "arm64"])
def test_a_chain_of_frame_pointers_is_followed_to_its_end(cpu: str):
    size = WORD[cpu]
    base, stack = BASE[size], STACK[size]
    registers = {
        "x86": {"eip": base + 0x100, "esp": stack, "ebp": stack + 2 * size},
        "x86_64": {"rip": base + 0x100, "rsp": stack, "rbp": stack + 2 * size},
        "arm64": {"pc": base + 0x100, "sp": stack, "x29": stack + 2 * size, "lr": base + 0x200},
    }[cpu]
    words = [0, base + 0x999, stack + 5 * size, base + 0x200, 7, stack + 7 * size, base + 0x300]
    words += [0, 0, 0]

    frames = outline(walked(cpu, registers, words))

    if cpu == "arm64":  # the first caller is in lr, what it saved is one call further
        assert frames[:2] == [(0x100, CONTEXT), (0x200, POINTER)]
        assert frames[2:] == [(0x200, POINTER), (0x300, POINTER)]
    else:
        assert frames[:3] == [(0x100, CONTEXT), (0x200, POINTER), (0x300, POINTER)]


def test_signed_return_addresses_lose_their_signature():
    base, stack = BASE[8], STACK[8]
    signature = 0x00A5 << 48
    registers = {"pc": base + 0x10, "sp": stack, "x29": stack, "lr": signature | base + 0x20}

    words = [stack + 16, signature | base + 0x30, 0, 0]

    frames = walked("arm64", registers, words)

    assert outline(frames) == [(0x10, CONTEXT), (0x20, POINTER), (0x30, POINTER)]


def test_a_scan_sees_through_signatures():
    base, stack = BASE[8], STACK[8]
    words = [0, 0x00A5 << 48 | base + 0x30, 0, 0xFF << 56 | base + 0x40, 0]

    frames = walked("arm64", {"pc": base + 0x10, "sp": stack, "x29": 1}, words)

    assert outline(frames) == [(0x10, CONTEXT), (0x30, SCAN), (0x40, SCAN)]
    assert frames[1].address == base + 0x30


def test_android_on_32_bit_arm_has_no_frame_pointers_to_count_on():
    base, stack = BASE[4], STACK[4]
    registers = {"pc": base + 0x10, "sp": stack, "r7": stack, "r11": stack, "lr": base + 0x44}
    words = [stack + 8, 5, base + 0x31, 0, base + 0x41, 0]

    assert outline(walked("arm", registers, words)) == [
        (0x10, CONTEXT),
        (0x31, SCAN),
        (0x41, SCAN),
    ]
    assert outline(walked("arm", registers, words, is_ios=True))[1] == (0x44, POINTER)


def test_windows_on_x86_64_returns_from_the_top_and_ignores_rbp():
    base, stack = BASE[8], STACK[8]
    registers = {"rip": base + 0x10, "rsp": stack, "rbp": stack + 16}
    words = [base + 0x20, 0, stack + 32, base + 0x30, 0, 0]

    assert outline(walked("x86_64", registers, words, is_windows=True)) == [
        (0x10, CONTEXT),
        (0x20, LEAF),
        (0x30, SCAN),
    ]
    assert outline(walked("x86_64", registers, words))[1] == (0x30, POINTER)


@pytest.mark.parametrize("cpu", list(WORD))
def test_a_scan_looks_further_above_the_innermost_frame(cpu: str):
    size = WORD[cpu]
    base, stack = BASE[size], STACK[size]
    pc, sp = CPUS[cpu].pc, CPUS[cpu].sp
    fp = {CPUS[cpu].fp: 1}  # points nowhere

    near = [0] * 160 + [base + 0x20] + [0] * 40 + [base + 0x30]
    frames = walked(cpu, {pc: base + 0x10, sp: stack, **fp}, near)
    assert outline(frames) == [(0x10, CONTEXT), (0x20, SCAN), (0x30, SCAN)]

    far = [0] * 161 + [base + 0x20]
    frames = walked(cpu, {pc: base + 0x10, sp: stack, **fp}, far)
    assert outline(frames)[1:] in ([], [(None, POINTER)])

    farther = [0] * 160 + [base + 0x20] + [0] * 41 + [base + 0x30]
    frames = walked(cpu, {pc: base + 0x10, sp: stack, **fp}, farther)
    assert (0x30, SCAN) not in outline(frames)


def test_a_call_at_the_end_of_a_module_returns_behind_it():
    base, stack = BASE[8], STACK[8]
    registers = {"rip": base + 0x10, "rsp": stack, "rbp": 1}

    frames = walked("x86_64", registers, [base, base + 0x10000, 0])

    assert outline(frames)[1:] == [(0x10000, SCAN)]
    assert frames[1].module is not None


def test_frames_outside_modules_keep_their_address():
    stack = STACK[8]
    registers = {"rip": 0x1234_5678, "rsp": stack, "rbp": 1}

    frames = walked("x86_64", registers, [BASE[8] + 0x20])

    assert (frames[0].address, frames[0].module, frames[0].relative) == (0x1234_5678, None, None)
    assert frames[1].relative == 0x20


def test_overlapping_modules_go_to_the_one_that_starts_later():
    modules = ModuleMap(
        [
            Module("/first.so", start_addr=0x1000, end_addr=0x9000),
            Module("/second.so", start_addr=0x5000, end_addr=0x6000),
        ]
    )

    found = [modules.at(address) for address in (0xFFF, 0x1000, 0x4FFF, 0x5000, 0x6000)]

    assert [it.path if it else None for it in found] == [
        None, "/first.so", "/first.so", "/second.so", None,
    ]  # fmt: skip


def test_a_stack_pointer_that_does_not_move_up_ends_the_walk():
    base, stack = BASE[4], STACK[4]
    registers = {"eip": base + 0x10, "esp": stack + 8, "ebp": stack + 8}
    words = [0, 0, stack, base + 0x20, base + 0x30]

    frames = walked("x86", registers, words)

    assert outline(frames) == [(0x10, CONTEXT), (0x20, POINTER)]


def test_without_a_program_counter_there_is_no_frame_and_without_memory_one():
    modules = ModuleMap([])

    assert walk({}, None, modules, cpu=CPUS["arm64"]) == ()
    assert len(walk({"pc": 1}, None, modules, cpu=CPUS["arm64"])) == 1


def test_an_endless_recursion_ends_at_the_limit():
    base, stack = BASE[8], STACK[8]
    words = [word for index in range(3000) for word in (stack + 16 * (index + 1), base + 0x20)]

    frames = walked("x86_64", {"rip": base + 1, "rsp": stack, "rbp": stack}, words)

    assert len(frames) == MAX_FRAMES


def test_threads_share_one_budget():
    base, stack = BASE[8], STACK[8]
    data = memoryview((base + 0x20).to_bytes(8, "little") * 4000)
    modules = ModuleMap([Module("/liba.so", start_addr=base, end_addr=base + 0x10000)])
    budget = Budget(words=5000, frames=1500)
    registers = {"rip": base + 1, "rsp": stack, "rbp": 1}

    lengths = [
        len(
            walk(
                registers,
                StackMemory(stack, data, 8),
                modules,
                cpu=CPUS["x86_64"],
                budget=budget,
            )
        )
        for _ in range(10)
    ]

    assert lengths[0] == MAX_FRAMES
    assert sum(lengths) <= 1500 + len(lengths)
    assert lengths[-1] == 1  # the innermost frame costs nothing
