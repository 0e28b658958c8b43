"""What R8 writes beside the names: the JSON comments of a mapping.

    # {"id":"com.android.tools.r8.mapping","version":"2.2"}                          the version
    # {"id":"sourceFile","fileName":"Foo.kt"}                                        on a class
    # {"id":"com.android.tools.r8.synthesized"}                          on a class or a method
    # {"id":"com.android.tools.r8.residualsignature","signature":"(La;I)V"}          on a member
    # {"id":"com.android.tools.r8.rewriteFrame","conditions":["throws(Ljava/lang/Error;)"],
       "actions":["removeInnerFrames(1)"]}                                           on a method
    # {"id":"com.android.tools.r8.outline"}                                          on a method
    # {"id":"com.android.tools.r8.outlineCallsite","positions":{"1":4},"outline":"La;a()I"}

Each kind counts from the version that introduced it (R8's doc/retrace.md); a mapping without a
version has only `sourceFile`. Whatever is unknown, of a later version or badly formed is a
comment and changes nothing. Older R8 wrote the JSON with single quotes or bare words, as its
reader is lenient; so is this one.

To add a kind: a value class, its `_read_…` function, and a row in `_KINDS`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias


class MapVersion(IntEnum):
    """The version of the mapping format, in order of age.

    `UNKNOWN` is a version later than ours, read like none at all. `EXPERIMENTAL` is what builds
    of R8's main branch write; we take all of its metadata.
    """

    UNKNOWN = 0
    NONE = 1
    V1_0 = 2
    V2_0 = 3
    V2_1 = 4
    V2_2 = 5
    EXPERIMENTAL = 6


_VERSION_NAMES = {
    "none": MapVersion.NONE,
    "1.0": MapVersion.V1_0,
    "2.0": MapVersion.V2_0,
    "2.1": MapVersion.V2_1,
    "2.2": MapVersion.V2_2,
    "experimental": MapVersion.EXPERIMENTAL,
}


@dataclass(frozen=True, slots=True)
class VersionMark:
    """From here on the mapping has this version; `name` is as written."""

    version: MapVersion
    name: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The class came from this file."""

    name: str


@dataclass(frozen=True, slots=True)
class Synthesized:
    """The compiler made it; nobody wrote it."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The method holds code that R8 moved out of its callers."""


@dataclass(frozen=True, slots=True)
class OutlineCallsite:
    """A call of an outline: lines inside the outline to lines of this method."""

    positions: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class RewriteFrame:
    """Innermost frames to drop when one of these (obfuscated) exceptions was thrown.

    All of `thrown` must hold, so more than one never does; none at all always does.
    """

    thrown: tuple[str, ...]
    removed_frames: int


@dataclass(frozen=True, slots=True)
class ResidualSignature:
    """The signature a member has after optimization, in Java spelling.

    `parameters` is `(int,java.lang.String)` for a method and None for a field.
    """

    type: str
    parameters: str | None


Information: TypeAlias = (
    VersionMark
    | SourceFile
    | Synthesized
    | Outline
    | OutlineCallsite
    | RewriteFrame
    | ResidualSignature
)

VERSION_ID = "com.android.tools.r8.mapping"
SOURCE_FILE_ID = "sourceFile"


def read_information(comment: str, version: MapVersion) -> Information | None:
    """What a comment (from its opening brace on) says; None if that is nothing to us."""
    document = _loads(comment)
    if document is None:
        return None
    since, read = _KINDS.get(str(document.get("id")), (MapVersion.UNKNOWN, _read_nothing))
    if version < since:
        return None
    try:
        return read(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _text(value: object) -> str:
    """A word of the mapping; half of a surrogate pair, which no output can take, becomes `?`."""
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value).encode("utf-8", "replace").decode()


def _read_nothing(_document: Mapping[str, Any]) -> Information | None:
    return None


def _read_version(document: Mapping[str, Any]) -> Information:
    name = _text(document["version"])
    return VersionMark(_VERSION_NAMES.get(name, MapVersion.UNKNOWN), name)


def _read_source_file(document: Mapping[str, Any]) -> Information:
    return SourceFile(_text(document["fileName"]))


def _read_synthesized(_document: Mapping[str, Any]) -> Information:
    return Synthesized()


def _read_outline(_document: Mapping[str, Any]) -> Information:
    return Outline()


def _read_callsite(document: Mapping[str, Any]) -> Information:
    positions = document["positions"].items()
    return OutlineCallsite({int(inside): int(outside) for inside, outside in positions})


_THROWS = re.compile(r"throws\(L([^;().]+);\)")
_REMOVE = re.compile(r"removeInnerFrames\(([0-9]{1,9})\)")


def _read_rewrite(document: Mapping[str, Any]) -> Information | None:
    """A condition or an action we do not know makes the whole unusable."""
    conditions = [_THROWS.fullmatch(item) for item in document["conditions"]]
    actions = [_REMOVE.fullmatch(item) for item in document["actions"]]
    thrown = [found[1].replace("/", ".") for found in conditions if found]
    removed = [int(found[1]) for found in actions if found]
    if len(thrown) < len(conditions) or len(removed) < len(actions):
        return None
    return RewriteFrame(tuple(thrown), sum(removed))


_SIGNATURE = re.compile(r"(?:\((?P<parameters>[^()]*)\))?(?P<type>[^()]+)")
_DESCRIPTOR = re.compile(r"(?P<arrays>\[*)(?:(?P<simple>[VZBSCIJFD])|L(?P<name>[^;\[.]+);)")
_SIMPLE_TYPES = {
    "V": "void", "Z": "boolean", "B": "byte", "S": "short", "C": "char",
    "I": "int", "J": "long", "F": "float", "D": "double",
}  # fmt: skip


def _read_residual(document: Mapping[str, Any]) -> Information | None:
    found = _SIGNATURE.fullmatch(document["signature"])
    types = _java_types(found["type"]) if found else None
    if found is None or types is None or len(types) != 1:
        return None
    if found["parameters"] is None:
        return ResidualSignature(types[0], None)
    parameters = _java_types(found["parameters"])
    return None if parameters is None else ResidualSignature(types[0], f"({','.join(parameters)})")


def _java_types(descriptors: str) -> list[str] | None:
    """`[ILa/B;` as `["int[]", "a.B"]`; None when it is not a row of descriptors."""
    types, end = [], 0
    for found in _DESCRIPTOR.finditer(descriptors):
        if found.start() != end:
            return None
        end = found.end()
        name = _SIMPLE_TYPES[found["simple"]] if found["simple"] else found["name"]
        types.append(name.replace("/", ".") + "[]" * len(found["arrays"]))
    return types if end == len(descriptors) else None


_KINDS: Mapping[str, tuple[MapVersion, Callable[[Mapping[str, Any]], Information | None]]] = {
    VERSION_ID: (MapVersion.UNKNOWN, _read_version),
    SOURCE_FILE_ID: (MapVersion.UNKNOWN, _read_source_file),
    "com.android.tools.r8.synthesized": (MapVersion.V1_0, _read_synthesized),
    "com.android.tools.r8.rewriteFrame": (MapVersion.V2_0, _read_rewrite),
    "com.android.tools.r8.outline": (MapVersion.V2_0, _read_outline),
    "com.android.tools.r8.outlineCallsite": (MapVersion.V2_0, _read_callsite),
    "com.android.tools.r8.residualsignature": (MapVersion.V2_2, _read_residual),
}


# --- Lenient JSON -----------------------------------------------------------------------------

_TOKEN = re.compile(
    r"[ \t\r\f]*(?:(?P<mark>[{}\[\]:,=;])|\"(?P<double>(?:[^\"\\]|\\.)*)\""
    r"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\s{}\[\]:,=;'\"]+))"
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 8


def _loads(text: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = _loads_leniently(text)
    return document if isinstance(document, dict) else None


def _loads_leniently(text: str) -> Any:
    """JSON with single quotes, bare words and bare keys; None for anything else."""
    tokens, end = [], 0
    for found in _TOKEN.finditer(text):
        if found.start() != end:
            return None
        end = found.end()
        tokens.append(_token(found))
    try:
        value, _rest = _value(tokens, 0, _DEEPEST)
    except (IndexError, ValueError, TypeError):
        return None  # cut off, misplaced marks, a key that is no word
    return value


def _token(found: re.Match[str]) -> tuple[bool, str]:
    """Whether it is a mark, and its text."""
    if found["mark"]:
        return True, found["mark"]
    quoted = found["double"] if found["double"] is not None else found["single"]
    if quoted is None:
        return False, found["bare"]
    return False, _ESCAPE.sub(_unescaped, quoted)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)


def _value(tokens: list[tuple[bool, str]], at: int, depth: int) -> tuple[Any, int]:
    """The value that starts at a token, and the index after it.

    Raises IndexError, ValueError or TypeError for what is no value.
    """
    is_mark, text = tokens[at]
    if not is_mark:
        return text, at + 1
    if depth == 0 or text not in "{[":
        raise ValueError(text)
    items: list[Any] = []
    at += 1
    closing = "}" if text == "{" else "]"
    while tokens[at] != (True, closing):
        item, at = _value(tokens, at, depth - 1)
        items.append(item)
        at += tokens[at][0] and tokens[at][1] in ":,=;"
    if text == "[":
        return items, at + 1
    return dict(zip(items[::2], items[1::2], strict=True)), at + 1
