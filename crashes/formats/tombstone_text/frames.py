"""One line of a backtrace, as debuggerd, xCrash and the sanitizers write it.

    #00 pc 00000000000588e0  /system/lib64/libc.so (offset 0x1000) (f(int)+8) (BuildId: 61a0…)
    #00  pc 00017ab8  /system/lib/libc.so                            Android 4 and older
    #0 0xb6a15237  (/system/lib/libclang_rt.asan-arm-android.so+0x4f237)
    #1 0x7b6a15237 in f(int) /src/f.cc:12:3

Function names hold spaces, commas, parentheses and plus signs, file names hold brackets and
sometimes parentheses. So a line is taken apart from both ends: the build id from the right, the
file from the left up to ` (`, and what is left is the function up to its last `+digits`. A
function that was cut (no closing parenthesis) is dropped: half a name would group wrongly.
"""

import re

from crashes.formats.tombstone_parts import native_frame
from crashes.stack import Frame

_NATIVE = re.compile(
    r"#([0-9]{1,6})\s+(?:pc|ip|eip|rip)\s+(?:0x)?([0-9a-fA-F]{1,16})(?:\s+(\S.*))?"
)
_SANITIZER = re.compile(r"#([0-9]{1,6})\s+0x([0-9a-fA-F]{1,16})(?:\s+(\S.*))?")
_OFFSET = re.compile(r" *\(offset (?:0x)?([0-9a-fA-F]{1,16})\)")
_HEX = re.compile(r"[0-9a-fA-F]{2,128}")
_SOURCE = re.compile(r"(\S[^:]*):([0-9]{1,9})(?::[0-9]{1,9})?")
_BUILD_ID = " (BuildId: "
_MAX_DIGITS = 18


def read_frame(line: str) -> Frame | None:
    """The frame of one stripped line, or None when it is none."""
    found = _NATIVE.fullmatch(line)
    if found:
        return _native(int(found[1]), int(found[2], 16), found[3] or "")
    found = _SANITIZER.fullmatch(line)
    return _sanitizer(int(found[1]), int(found[2], 16), found[3] or "") if found else None


def is_frame(line: str) -> bool:
    """Whether a stripped line is a frame of either kind."""
    return bool(_NATIVE.match(line) or _SANITIZER.match(line))


def _native(index: int, address: int, rest: str) -> Frame:
    rest, build_id = split_build_id(rest)
    file, rest = _split_file(rest)
    offset = _OFFSET.match(rest)
    function, function_offset = _function(rest[offset.end() :] if offset else rest)
    return native_frame(
        index,
        address,
        module=file,
        function=function,
        function_offset=function_offset,
        map_offset=int(offset[1], 16) if offset else None,
        build_id=build_id,
    )


def split_build_id(text: str) -> tuple[str, str | None]:
    """The text in front of ` (BuildId: HEX)` and the build id; xCrash adds facts behind the hex."""
    before, mark, rest = text.rpartition(_BUILD_ID)
    if not mark:
        return text, None
    closed = rest.rstrip().endswith(")")
    build_id = rest.partition(".")[0].rstrip(") ")
    return before, build_id.lower() if closed and _HEX.fullmatch(build_id) else None


def _split_file(text: str) -> tuple[str, str]:
    """The file and what follows it, which is empty or starts with ` (`."""
    end = _file_end(text)
    file, rest = text[:end].rstrip(), text[end:]
    if rest.startswith(" (deleted)"):
        return file + " (deleted)", rest.removeprefix(" (deleted)")
    return file, rest


def _file_end(text: str) -> int:
    """Where the file ends. `[anon:x (y)]` and `<anonymous:x>` close themselves.

    A parenthesis that is closed in front of a slash belongs to a directory: `/My (2)/lib.so`.
    """
    if text.startswith("("):
        return 0
    start = 0
    if text[:1] in ("[", "<"):
        start = max(text.find("]" if text[0] == "[" else ">"), 0)
    end = text.find(" (", start)
    while end >= 0:
        closed = text.find(")", end)
        if closed < 0 or text[closed + 1 : closed + 2] != "/":
            return end
        end = text.find(" (", closed)
    return len(text)


def _function(group: str) -> tuple[str | None, int | None]:
    """Name and offset of ` (NAME+OFFSET)`; the oldest dumps have no offset."""
    group = group.strip()
    if not (group.startswith("(") and group.endswith(")")):
        return None, None
    name, plus, digits = group[1:-1].rpartition("+")
    if not plus:
        return digits, None
    if digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS:
        return name, int(digits)
    return (name if _is_negative(digits) else group[1:-1]), None


def _is_negative(digits: str) -> bool:
    """A wrapped offset is printed as `+-12`."""
    return digits.startswith("-") and digits[1:].isdecimal()


def _sanitizer(index: int, address: int, rest: str) -> Frame:
    rest, build_id = split_build_id(rest)
    rest, module, offset = _sanitizer_module(rest.rstrip())  # LLVM 15 has two blanks there
    function, file, line = _sanitizer_source(rest.removeprefix("in "))
    return native_frame(
        index,
        address if offset is None else offset,
        module=module,
        function=function,
        build_id=build_id,
        file=file,
        line=line,
    )


def _sanitizer_module(text: str) -> tuple[str, str | None, int | None]:
    """What stands in front of `(MODULE+0xOFFSET)`, the module and the offset."""
    before, _, inside = text.rpartition("(")
    module, plus, offset = inside.removesuffix(")").rpartition("+0x")
    if not plus or not inside.endswith(")") or not re.fullmatch(r"[0-9a-fA-F]{1,16}", offset):
        return text, None, None
    return before.strip(), module, int(offset, 16)


def _sanitizer_source(text: str) -> tuple[str, str | None, int | None]:
    """Function, source file and line of `f(int) /src/f.cc:12:3`."""
    function, _, location = text.rpartition(" ")
    source = _SOURCE.fullmatch(location)
    return (function, source[1], int(source[2])) if source and function else (text, None, None)
