"""Rust's two mangling schemes, undone.

Legacy names look like C++ and end in a hash: `_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE`.
Characters that C++ names cannot hold are spelled `$LT$` (`<`), `$u20$` (a space), `..` (`::`).

The v0 scheme (RFC 2603) starts with `_R` and is a grammar of its own, read here by one class
with a method per rule: paths, generic arguments, types, constants, and references back to an
earlier place in the same name. References can nest and repeat, so a short name may stand for an
endless text; depth and length are bounded and `NotRust` is raised beyond them. Constants other
than integers, booleans and characters are not read (no stable compiler makes them).

Both are printed the way people read them: without hashes and without the crates' disambiguators.
"""

import encodings.punycode  # loaded now: a sandboxed child cannot look codecs up later
import re
from collections.abc import Callable
from functools import lru_cache

_LEGACY = re.compile(r"_?_ZN(?P<path>.+)17h[0-9a-f]{16}E$")
_LEGACY_PART = re.compile(r"(\d{1,5})")
_ESCAPE = re.compile(r"\$(?:SP|BP|RF|LT|GT|LP|RP|C|u([0-9a-f]{1,6}))\$|\.\.")
_ESCAPED = {
    "$SP$": "@", "$BP$": "*", "$RF$": "&", "$LT$": "<", "$GT$": ">", "$LP$": "(", "$RP$": ")",
    "$C$": ",", "$u20$": " ", "..": "::",
}  # fmt: skip
_CACHED_PARTS = 16_384

_IDENTIFIER = re.compile(r"(u?)(0|[0-9]+)_?")
_V0 = re.compile(r"_?_R(?=[A-Z])")
_MAX_DEPTH = 120
_MAX_CHARS = 16_384
_BASE_62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASIC_TYPES = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8",
    "i": "isize", "j": "usize", "l": "i32", "m": "u32", "n": "i128", "o": "u128", "p": "_",
    "s": "i16", "t": "u16", "u": "()", "v": "...", "x": "i64", "y": "u64", "z": "!",
}  # fmt: skip
_SIGNED, _UNSIGNED = frozenset("aslxni"), frozenset("htmyoj")


class NotRust(Exception):
    """The name follows neither of Rust's schemes."""


def rust_name(raw: str) -> str:
    """The readable form of a Rust symbol. Raises NotRust for anything else."""
    legacy = _LEGACY.match(raw)
    if legacy:
        return _legacy_name(legacy["path"])
    start = _V0.match(raw)
    if start is None:
        raise NotRust
    try:
        return _V0Name(raw[start.end() :]).text()
    except (LookupError, ValueError, RecursionError, OverflowError) as problem:
        raise NotRust from problem


def _legacy_name(path: str) -> str:
    parts, position = [], 0
    while position < len(path):
        length = _LEGACY_PART.match(path, position)
        if length is None:
            raise NotRust
        end = length.end() + int(length[1])
        if end > len(path) or length.end() == end:
            raise NotRust
        parts.append(_unescaped(path[length.end() : end]))
        position = end
    return "::".join(parts)


@lru_cache(maxsize=_CACHED_PARTS)
def _unescaped(part: str) -> str:
    """Most parts of a library's names are those of other names too."""
    if "$" not in part and ".." not in part:
        return part
    return _ESCAPE.sub(_escape, part[1:] if part.startswith("_$") else part)


def _escape(found: re.Match[str]) -> str:
    text = found[0]
    if text in _ESCAPED:
        return _ESCAPED[text]
    return chr(min(int(found[1], 16), 0x10FFFF))


class _V0Name:
    """One pass over a v0 symbol, from behind its `_R`."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._at = 0
        self._depth = 0
        self._chars = 0
        self._lifetimes = 0

    def text(self) -> str:
        """The readable name; what follows its path (the instantiating crate) is left out."""
        return self._path(in_value=True)

    # --- reading

    def _peek(self) -> str:
        return self._symbol[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._symbol[self._at]
        self._at += 1
        return char

    def _accept(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self._at += 1
        return True

    def _base_62(self) -> int:
        start, end = self._at, self._symbol.index("_", self._at)
        self._at = end + 1
        value = 0
        for char in self._symbol[start:end]:
            value = value * 62 + _BASE_62.index(char)
        return value + 1 if end > start else 0

    def _optional_62(self, tag: str) -> int:
        return self._base_62() + 1 if self._accept(tag) else 0

    def _identifier(self) -> tuple[str, int]:
        disambiguator = self._optional_62("s")
        return self._plain_identifier(), disambiguator

    def _plain_identifier(self) -> str:
        start = _IDENTIFIER.match(self._symbol, self._at)
        if start is None:
            raise NotRust
        length, at = int(start[2]), start.end()
        name = self._symbol[at : at + length]
        if len(name) != length:
            raise NotRust
        self._at = at + length
        return self._unpunycoded(name) if start[1] else name

    @staticmethod
    def _unpunycoded(name: str) -> str:
        plain, _, coded = name.rpartition("_")
        text = f"{plain}-{coded}" if plain else coded
        return encodings.punycode.punycode_decode(text.encode("ascii"), "strict")

    def _grown(self, text: str) -> str:
        self._chars += len(text)
        if self._chars > _MAX_CHARS * 8 or len(text) > _MAX_CHARS:
            raise NotRust
        return text

    def _nested(self, rule: Callable[[], str]) -> str:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotRust
        text = self._grown(rule())
        self._depth -= 1
        return text

    def _backward(self, rule: Callable[[], str]) -> str:
        """What `rule` reads at an earlier place of the name."""
        here = self._at - 1
        target = self._base_62()
        if target >= here:
            raise NotRust
        back, self._at = self._at, target
        text = self._nested(rule)
        self._at = back
        return text

    def _list(self, rule: Callable[[], str], separator: str = ", ") -> str:
        parts = []
        while not self._accept("E"):
            parts.append(rule())
        return separator.join(parts)

    # --- paths

    def _path(self, *, in_value: bool) -> str:
        return self._nested(lambda: self._path_rule(self._next(), in_value=in_value))

    def _path_rule(self, tag: str, *, in_value: bool) -> str:
        if tag == "C":
            return self._identifier()[0]
        if tag == "N":
            return self._nested_path(in_value=in_value)
        if tag in "MXY":
            return self._implementation(tag)
        if tag == "I":
            outer = self._path(in_value=in_value)
            return f"{outer}{'::' if in_value else ''}<{self._list(self._generic_argument)}>"
        if tag == "B":
            return self._backward(lambda: self._path(in_value=in_value))
        raise NotRust

    def _nested_path(self, *, in_value: bool) -> str:
        namespace = self._next()
        outer = self._path(in_value=in_value)
        name, number = self._identifier()
        if not namespace.isupper():
            return f"{outer}::{name}" if name else outer
        kind = {"C": "closure", "S": "shim"}.get(namespace, namespace)
        return f"{outer}::{{{kind}{':' + name if name else ''}#{number}}}"

    def _implementation(self, tag: str) -> str:
        if tag != "Y":  # where the impl block stands; nobody wants to read it
            self._optional_62("s")
            self._path(in_value=False)
        kind = self._type()
        return f"<{kind}>" if tag == "M" else f"<{kind} as {self._path(in_value=False)}>"

    def _generic_argument(self) -> str:
        if self._accept("L"):
            return self._lifetime(self._base_62())
        return self._constant() if self._accept("K") else self._type()

    def _lifetime(self, index: int) -> str:
        if index == 0:
            return "'_"
        depth = self._lifetimes - index
        if depth < 0:
            raise NotRust
        return f"'{chr(ord('a') + depth)}" if depth < 26 else f"'_{depth}"  # noqa: PLR2004

    # --- types

    def _type(self) -> str:
        return self._nested(self._type_rule)

    def _type_rule(self) -> str:
        tag = self._next()
        if tag in _BASIC_TYPES:
            return _BASIC_TYPES[tag]
        if tag in self._TYPE_RULES:
            return self._TYPE_RULES[tag](self)
        self._at -= 1
        return self._path(in_value=False)

    def _reference(self, mutable: str = "") -> str:
        lifetime = self._base_62() if self._accept("L") else 0
        named = f"{self._lifetime(lifetime)} " if lifetime else ""
        return f"&{named}{mutable}{self._type()}"

    def _array(self) -> str:
        element = self._type()
        return f"[{element}; {self._constant()}]"

    def _tuple(self) -> str:
        parts = self._list(self._type)
        return f"({parts},)" if parts and not self._has_comma(parts) else f"({parts})"

    @staticmethod
    def _has_comma(parts: str) -> bool:
        depth = 0
        for position, char in enumerate(parts):
            depth += (char in "<([{") - (
                char in ")]}" or (char == ">" and parts[position - 1] != "-")
            )
            if char == "," and depth == 0:
                return True
        return False

    def _bound(self, rule: Callable[[], str]) -> str:
        """What `rule` reads behind an optional `for<'a, 'b>`."""
        count = self._optional_62("G")
        if count > _MAX_DEPTH:
            raise NotRust
        self._lifetimes += count
        names = ", ".join(self._lifetime(index) for index in range(count, 0, -1))
        text = rule()
        self._lifetimes -= count
        return f"for<{names}> {text}" if count else text

    def _function(self) -> str:
        return self._bound(self._signature)

    def _signature(self) -> str:
        unsafe = "unsafe " if self._accept("U") else ""
        abi = ""
        if self._accept("K"):
            name = "C" if self._accept("C") else self._plain_identifier().replace("_", "-")
            abi = f'extern "{name}" '
        parameters = self._list(self._type)
        result = "" if self._accept("u") else f" -> {self._type()}"
        return f"{unsafe}{abi}fn({parameters}){result}"

    def _trait_object(self) -> str:
        traits = self._bound(lambda: self._list(self._trait, " + "))
        if not self._accept("L"):
            raise NotRust
        lifetime = self._base_62()
        return f"dyn {traits}" + (f" + {self._lifetime(lifetime)}" if lifetime else "")

    def _trait(self) -> str:
        """A trait with its associated types, which stand among its generic arguments."""
        path, bindings = self._path(in_value=False), []
        while self._accept("p"):
            name = self._plain_identifier()
            bindings.append(f"{name} = {self._type()}")
        if not bindings:
            return path
        start = f"{path[:-1]}, " if path.endswith(">") else f"{path}<"
        return f"{start}{', '.join(bindings)}>"

    _TYPE_RULES: dict[str, Callable[["_V0Name"], str]] = {  # noqa: RUF012 - a constant table
        "A": _array,
        "S": lambda self: f"[{self._type()}]",
        "T": _tuple,
        "R": _reference,
        "Q": lambda self: self._reference("mut "),
        "P": lambda self: f"*const {self._type()}",
        "O": lambda self: f"*mut {self._type()}",
        "F": _function,
        "D": _trait_object,
        "B": lambda self: self._backward(self._type),
    }

    # --- constants

    def _constant(self) -> str:
        tag = self._next()
        if tag == "B":
            return self._backward(self._constant)
        if tag == "p":
            return "_"
        sign = "-" if tag in _SIGNED and self._accept("n") else ""
        end = self._symbol.index("_", self._at)
        value = int(self._symbol[self._at : end] or "0", 16)
        self._at = end + 1
        return sign + self._constant_text(tag, value)

    @staticmethod
    def _constant_text(tag: str, value: int) -> str:
        if tag == "b":
            return ("false", "true")[value]
        if tag == "c":
            return repr(chr(value))
        if tag in _SIGNED or tag in _UNSIGNED:
            return str(value) if value < 1 << 64 else hex(value)
        raise NotRust
