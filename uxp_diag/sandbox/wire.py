"""What travels between the three processes.

    owner  → server   an Order per job, with the descriptors of the job     (SEQPACKET, SCM_RIGHTS)
    server → owner    Notices on the job's lifeline: started, then how it ended        (SEQPACKET)
    owner  ⇄ child    frames on the job's own stream: arguments in, an answer out         (STREAM)

A frame is a length (4 bytes, big-endian) and that many bytes. The owner's frames are a MessagePack
array of arguments; the child's are one kind byte and a MessagePack body:

    V  the value the job returned
    R  [code, detail, where]     the job's own refusal
    F  [reason, detail]          the child could not do it

Never pickle: a child that has been taken over can send whatever it likes. So the owner bounds the
bytes of an answer *and* what they unfold to: 64 MiB of MessagePack can be 67 million empty maps,
which is 4 GiB of Python objects. `has_few_nodes` walks a large answer before it is decoded.
"""

import struct
from enum import StrEnum
from typing import TypeVar

import msgspec

from uxp_diag.sandbox.terms import FailureReason, JobRefused, Limits, PlainValue, SandboxFailure

FRAME_HEADER = struct.Struct(">I")
MAX_MESSAGE_BYTES = 32 * 1024
MAX_FILES = 40  # the kernel passes 253 at a time; a child parks them at 64 and above
MAX_NODES = 1_000_000  # 64 to 72 bytes each as objects, so an answer's overhead stays below 75 MB

EXIT_DONE = 0
EXIT_NOT_CONFINED = 70
EXIT_OUT_OF_MEMORY = 71
EXIT_OWNER_GONE = 72

_MAX_WORDS = 4000  # characters of a refusal's detail

T = TypeVar("T")


class Hello(msgspec.Struct, frozen=True):
    """The owner's first message: who it is, what to load, whose functions may be called.

    `warm_up` names one to call before the first job (`module:function`), or is empty.
    """

    owner_pid: int
    preload: tuple[str, ...]
    allowed: tuple[str, ...]
    warm_up: str = ""


class Ready(msgspec.Struct, frozen=True):
    """The server's answer: the protections a child really got, or the problem."""

    protections: tuple[str, ...] = ()
    problem: str | None = None


class Order(msgspec.Struct, frozen=True):
    """One child wanted: the function, its limits, how many inputs it may be given."""

    job: str
    limits: Limits
    items: int


class NoticeKind(StrEnum):
    """What the server has to say about a job."""

    STARTED = "started"
    REFUSED = "refused"
    ENDED = "ended"


class Notice(msgspec.Struct, frozen=True):
    """`signal` and `exit_code` describe the end of the child; `detail` why there was none."""

    kind: NoticeKind
    signal: int = 0
    exit_code: int = 0
    detail: str = ""


class AnswerKind(StrEnum):
    """The first byte of a child's frame."""

    VALUE = "V"
    REFUSED = "R"
    FAILED = "F"


def encode_value(value: object) -> bytes:
    """The frame body of a job's return value. Raises what msgspec raises for what is not plain."""
    return AnswerKind.VALUE.encode() + msgspec.msgpack.encode(value)


def encode_refusal(code: str, detail: str, where: str | None) -> bytes:
    """The frame body of a job's own error; overlong text is cut."""
    words = [None if word is None else _clean(word) for word in (code, detail, where)]
    return AnswerKind.REFUSED.encode() + msgspec.msgpack.encode(words)


def encode_failure(reason: FailureReason, detail: str) -> bytes:
    """The frame body of a failure the child noticed itself."""
    return AnswerKind.FAILED.encode() + msgspec.msgpack.encode([reason, _clean(detail)])


def decode_answer(frame: bytes, into: type[T]) -> T | JobRefused | SandboxFailure:
    """What a child's frame says. A frame that says nothing sensible is a crash of the child."""
    try:
        return _decode(frame[:1], memoryview(frame)[1:], into)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        return SandboxFailure(FailureReason.CRASHED, f"unreadable answer: {type(problem).__name__}")


def _decode(kind: bytes, body: memoryview, into: type[T]) -> T | JobRefused | SandboxFailure:
    if kind == AnswerKind.VALUE.encode():
        if not has_few_nodes(body, MAX_NODES):
            return SandboxFailure(FailureReason.OUTPUT_TOO_LARGE, f"more than {MAX_NODES} values")
        return msgspec.msgpack.decode(body, type=into)
    if kind == AnswerKind.REFUSED.encode():
        words = msgspec.msgpack.decode(body, type=tuple[str, str, str | None])
        return JobRefused(words[0], words[1], where=words[2])
    reason, detail = msgspec.msgpack.decode(body, type=tuple[FailureReason, str])
    return SandboxFailure(reason, detail)


def encode_arguments(arguments: tuple[PlainValue, ...]) -> bytes:
    """One input as a frame body."""
    return msgspec.msgpack.encode(arguments)


def decode_arguments(frame: bytes | bytearray) -> list[PlainValue]:
    """The arguments of one input."""
    return msgspec.msgpack.decode(frame, type=list)


def _clean(text: str) -> str:
    return text[:_MAX_WORDS].encode("utf-8", "replace").decode("utf-8")


# MessagePack's first bytes that carry a fixed number of bytes behind them (numbers, the counts of
# arrays and maps) and those that carry a length of their own. Members of arrays and maps are
# values like any other, so a walk over values needs no stack.
_FIXED_BYTES = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4,
}  # fmt: skip
_LENGTH_WIDTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSIONS = frozenset({0xC7, 0xC8, 0xC9})  # a type byte stands between length and content


def has_few_nodes(data: memoryview, budget: int) -> bool:
    """Whether MessagePack data unfolds to at most `budget` values, broken data included.

    Data shorter than the budget needs no walk: a value takes a byte at least.
    """
    if len(data) <= budget:
        return True
    offset = 0
    for _ in range(budget):
        if offset >= len(data):
            return True
        offset += _step(data, offset)
    return offset >= len(data)


def _step(data: memoryview, offset: int) -> int:
    """Bytes from one value to the next."""
    first = data[offset]
    if first in _LENGTH_WIDTHS:
        width = _LENGTH_WIDTHS[first]
        length = int.from_bytes(data[offset + 1 : offset + 1 + width], "big")
        return 1 + width + length + (first in _EXTENSIONS)
    if 0xA0 <= first <= 0xBF:  # noqa: PLR2004  short text, its length in the low five bits
        return 1 + (first & 0x1F)
    return 1 + _FIXED_BYTES.get(first, 0)
