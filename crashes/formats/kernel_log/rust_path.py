"""Names of Rust functions in a kernel, from the names the linker knows them by.

    _RNvMs3_NtCshgDM7dBCdno_11rust_binder7processNtB5_7Process10update_ref
    <rust_binder::process::Process>::update_ref

A kernel prints the symbol as it is. Read is the path of Rust's v0 scheme (RFC 2603): crates,
modules, inherent and trait implementations, closures, back references and the types of Android's
drivers. Generic arguments are left out, as they name an instance and not the function.
"""

from collections.abc import Callable

_BASIC_TYPES = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8",
    "i": "isize", "j": "usize", "l": "i32", "m": "u32", "n": "i128", "o": "u128", "p": "_",
    "s": "i16", "t": "u16", "u": "()", "v": "...", "x": "i64", "y": "u64", "z": "!",
}  # fmt: skip
_POINTERS = {"R": "&", "Q": "&mut ", "P": "*const ", "O": "*mut "}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MAX_DEPTH = 64
_MAX_STEPS = 2048
_MAX_CHARS = 4096


class _NotRust(Exception):
    """The symbol does not follow the scheme, or uses more of it than is read here."""


def rust_path(symbol: str) -> str | None:
    """The readable path of a mangled Rust symbol, or None when it is none."""
    prefix, _, mangled = symbol.partition("_R")
    if prefix.strip("_") or not mangled or len(symbol) > _MAX_CHARS or not symbol.isascii():
        return None
    try:
        return _Reader(mangled).path()
    except (_NotRust, IndexError, ValueError):
        return None


class _Reader:
    """Reads one mangled name from left to right; back references count from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._steps = 0

    def path(self) -> str:
        """One path: a crate, something inside a path, or what an implementation is for."""
        self._depth += 1
        self._steps += 1
        if self._depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
            raise _NotRust
        path = self._path(self._take())
        self._depth -= 1
        return path

    def _path(self, tag: str) -> str:
        readers = {
            "C": self._identifier,
            "N": self._nested,
            "M": self._implementation,
            "X": self._trait_implementation,
            "Y": self._trait,
            "I": self._generic,
        }
        if tag == "B":
            return self._backwards(self.path)
        if tag not in readers:
            raise _NotRust
        return readers[tag]()

    def _nested(self) -> str:
        space = self._take()
        outer, name = self.path(), self._identifier()
        if space == "C":
            return f"{outer}::{{closure#{name or 0}}}"
        return f"{outer}::{name}" if name else outer

    def _implementation(self) -> str:
        self._skip_place()
        return f"<{self._type()}>"

    def _trait_implementation(self) -> str:
        self._skip_place()
        return self._trait()

    def _skip_place(self) -> None:
        """The place of an implementation says nothing about whose it is."""
        self._disambiguator()
        self.path()

    def _trait(self) -> str:
        return f"<{self._type()} as {self.path()}>"

    def _generic(self) -> str:
        path = self.path()
        while self._text[self._at] != "E":
            self._argument()
        self._at += 1
        return path

    def _argument(self) -> None:
        if self._text[self._at] == "L":
            self._at += 1
            self._number()
        elif self._text[self._at] == "K":
            raise _NotRust
        else:
            self._type()

    def _type(self) -> str:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise _NotRust
        tag = self._text[self._at]
        if tag in _BASIC_TYPES:
            self._at += 1
            return _BASIC_TYPES[tag]
        if tag in _POINTERS:
            return self._pointer()
        if tag == "S":
            self._at += 1
            return f"[{self._type()}]"
        if tag == "B":
            self._at += 1
            return self._backwards(self._type)
        return self.path()

    def _pointer(self) -> str:
        tag = self._take()
        if self._text[self._at] == "L":
            self._at += 1
            self._number()
        return _POINTERS[tag] + self._type()

    def _backwards(self, read: Callable[[], str]) -> str:
        target, back = self._number(), self._at
        if target >= back:
            raise _NotRust
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _NotRust
        self._at = target
        found = read()
        self._at = back
        self._depth -= 1
        return found

    def _disambiguator(self) -> int:
        if self._text[self._at] != "s":
            return 0
        self._at += 1
        return self._number() + 1

    def _identifier(self) -> str:
        count = self._disambiguator()
        if self._text[self._at] == "u":
            raise _NotRust
        start = self._at
        while self._text[self._at : self._at + 1].isdigit():
            self._at += 1
        length = int(self._text[start : self._at])
        if self._text[self._at : self._at + 1] == "_":
            self._at += 1
        name = self._text[self._at : self._at + length]
        self._at += length
        if len(name) != length:
            raise _NotRust
        return name or (str(count) if count else "")

    def _number(self) -> int:
        end = self._text.index("_", self._at)
        number = 0
        for digit in self._text[self._at : end]:
            number = number * 62 + _DIGITS.index(digit)
        number += end > self._at
        self._at = end + 1
        return number

    def _take(self) -> str:
        self._at += 1
        return self._text[self._at - 1]
