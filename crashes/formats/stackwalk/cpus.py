"""The processors whose stacks we walk: register names, sizes, and who preserves what.

Names are those of tombstones (`rip`, `x29`, `lr`, `sp`, `pc`), so that registers look the same
whatever the dump was. Unwind rules spell some differently; `rule_names` translates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cpu:
    """What walking needs to know about a processor.

    `name` is our word for the architecture. `preserved` are the registers that a function gives
    back unchanged (psABI of each processor); a rule that does not mention them leaves them alone.
    `essential` must come out of a rule for its answer to be of use. `call_bytes` is how far
    behind the start of its call a return address may point and still be moved into it.
    `rule_prefix` stands before all names in unwind rules; `rule_names` are further names there.
    """

    name: str
    word_bytes: int
    pc: str
    sp: str
    fp: str
    lr: str | None
    call_bytes: int
    registers: tuple[str, ...]
    preserved: tuple[str, ...]
    essential: tuple[str, ...]
    rule_prefix: str = ""
    rule_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def mask(self) -> int:
        """All bits of a word."""
        return (1 << (8 * self.word_bytes)) - 1

    def rule_registers(self, values: Mapping[str, int]) -> dict[str, int]:
        """Registers under every name that rules have for them."""
        spelled = {self.rule_prefix + name: value for name, value in values.items()}
        aliases = self.rule_names.items()
        return spelled | {theirs: values[ours] for theirs, ours in aliases if ours in values}


X86 = Cpu(
    name="x86",
    word_bytes=4,
    pc="eip",
    sp="esp",
    fp="ebp",
    lr=None,
    call_bytes=1,
    registers=("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip"),
    preserved=("ebx", "esi", "edi", "ebp"),
    essential=("eip", "esp", "ebp"),
    rule_prefix="$",
)
X86_64 = Cpu(
    name="x86_64",
    word_bytes=8,
    pc="rip",
    sp="rsp",
    fp="rbp",
    lr=None,
    call_bytes=1,
    registers=(
        "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rdi", "rsi", "rbp", "rsp", "rip",
    ),
    preserved=("rbx", "rbp", "r12", "r13", "r14", "r15"),
    essential=("rip", "rsp"),
    rule_prefix="$",
)  # fmt: skip
ARM = Cpu(
    name="arm",
    word_bytes=4,
    pc="pc",
    sp="sp",
    fp="r11",
    lr="lr",
    call_bytes=2,
    registers=(*(f"r{number}" for number in range(12)), "ip", "sp", "lr", "pc"),
    preserved=tuple(f"r{number}" for number in range(4, 12)),
    essential=("pc", "sp"),
    rule_names={"r12": "ip", "r13": "sp", "r14": "lr", "r15": "pc"},
)
ARM64 = Cpu(
    name="arm64",
    word_bytes=8,
    pc="pc",
    sp="sp",
    fp="x29",
    lr="lr",
    call_bytes=4,
    registers=(*(f"x{number}" for number in range(30)), "lr", "sp", "pc"),
    preserved=tuple(f"x{number}" for number in range(19, 30)),
    essential=("pc", "sp"),
    rule_names={"x30": "lr", "x31": "sp"},
)

CPUS: Mapping[str, Cpu] = {cpu.name: cpu for cpu in (X86, X86_64, ARM, ARM64)}
