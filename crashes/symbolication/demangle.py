"""Names as people write them, from names as linkers know them.

`demangle` understands C++ (Itanium ABI, through libstdc++) and both schemes of Rust. Anything
else comes back as it is; nothing is ever raised.

What compilers append to a name says how a function was compiled, not which function it is:
`.cold` (the unlikely part, moved away), `.part.0`, `.isra.0`, `.constprop.1`, `.llvm.123`,
`.__uniq.45`, `.cfi_jt`, a number alone, symbol versions (`@@LIBC`). All of these are left out, so that one
function has one name in signatures whichever build it crashed in; the raw name stays in
`Frame.raw_function`. `@plt` stays, for a call through a stub is not yet in the function.

The C++ spelling is that of current LLVM tools, which is also what Android's debuggerd prints:
`>>` closes two template lists, the second lambda of `f()` is `f()::'lambda0'(int)`,
`std::nullptr_t` has its name.

A name can be a bomb: substitutions let 210 characters stand for 35 million, and libstdc++ writes
them all. Names that come from outside are therefore demangled in the sandbox, as part of building
a symcache; nothing else here should be given text from a device or a file.

`shorten` is for display only: long template argument lists become `<…>`.
"""

import re
from functools import lru_cache

import cxxfilt

from crashes.symbolication.rust_names import NotRust, rust_name

_MAX_RAW_CHARS = 8_192
_CACHED_NAMES = 65_536

_COMPILER_SUFFIX = re.compile(
    r"(?:\.(?:\d+|cold|part|isra|constprop|llvm|lto_priv|localalias|local|clone|hot|warm|unlikely"
    r"|__uniq|__part|cfi_jt|cfi|resume|destroy|cleanup|specialized|split|exit|simd|icf)"
    r"(?:\.[0-9a-f]+)*)+$"
)
_VERSION_SUFFIX = re.compile(r"@@?(?!plt$)[A-Za-z0-9_.]+$")
_PLT_SUFFIX = "@plt"
_MANGLED = re.compile(r"_{0,2}_Z|_{1,3}R[A-Z]")
_CLOSING_PAIR = re.compile(r"(?<!operator)> (?=>)")
_NUMBER_BEHIND = re.compile(r"#(\d+)\}")
_AUTO_NUMBER = re.compile(r"\bauto:\d+")


@lru_cache(maxsize=_CACHED_NAMES)
def demangle(raw: str) -> str:
    """The readable form of a symbol; the symbol itself when it is not mangled."""
    plt = _PLT_SUFFIX if raw.endswith(_PLT_SUFFIX) else ""
    symbol = raw.removesuffix(_PLT_SUFFIX)
    symbol = _VERSION_SUFFIX.sub("", symbol) if "@" in symbol else symbol
    if "." in symbol and not symbol.endswith("E"):  # what is appended ends in no capital letter
        symbol = _COMPILER_SUFFIX.sub("", symbol)
    return (_demangled(symbol) or symbol or raw) + plt


def _demangled(symbol: str) -> str | None:
    if len(symbol) > _MAX_RAW_CHARS or not _MANGLED.match(symbol):
        return None
    try:
        return rust_name(symbol)
    except NotRust:
        return _cxx_name(symbol)


def _cxx_name(symbol: str) -> str | None:
    if "\0" in symbol or not symbol.isascii():
        return None
    start = symbol.find("_Z")
    try:
        name = cxxfilt.demangle(symbol[max(0, start) :])
    except (cxxfilt.Error, AttributeError, UnicodeDecodeError):
        return None
    return _in_llvm_style(str(name))


def _in_llvm_style(name: str) -> str:
    name = name.replace("decltype(nullptr)", "std::nullptr_t")
    if "operator> " in name:
        name = _CLOSING_PAIR.sub(">", name)
    else:
        # Two plain passes close any row of brackets, ten times faster than the expression does.
        name = name.replace("> >", ">>").replace("> >", ">>")
    if "{lambda(" in name:
        name = _with_lambdas(name)
    return name.replace("{unnamed type#1}", "'unnamed'") if "{unnamed" in name else name


def _with_lambdas(name: str) -> str:
    """`{lambda(int)#2}` as `'lambda0'(int)`, from the innermost outwards."""
    while (start := name.rfind("{lambda(")) >= 0:
        number = _NUMBER_BEHIND.search(name, start)
        if number is None:
            break
        # The innermost lambda's parameters hold no other lambda, so the next `#n}` is its own.
        parameters = _AUTO_NUMBER.sub("auto", name[start + len("{lambda") : number.start()])
        index = int(number[1]) - 2
        label = f"'lambda{index if index >= 0 else ''}'"
        name = f"{name[:start]}{label}{parameters}{name[number.end() :]}"
    return name


def shorten(name: str, max_argument_chars: int = 24) -> str:
    """`name` with every template argument list over `max_argument_chars` written as `<…>`.

    `std::map<std::string, std::vector<int>>::at` becomes `std::map<…>::at`. Operators keep their
    signs, and Rust's `<Type as Trait>::method` keeps its outer brackets. A name with unbalanced
    brackets is returned as it is.
    """
    parts: list[str] = []
    opened: list[int] = []
    position = plain = 0
    for at, end in _brackets(name):
        if name[at] == "<" and not opened and not _is_argument_list(name, at):
            plain += 1
        elif name[at] == "<":
            opened.append(at)
        elif len(opened) > 1:
            opened.pop()
        elif opened:
            start = opened.pop() + 1
            if at - start > max_argument_chars:
                parts += (name[position:start], "…")
                position = end - 1
        else:
            plain -= 1
    return "".join(parts) + name[position:] if plain == 0 and not opened else name


_BRACKET = re.compile(r"operator(?:<=>|<<=?|>>=?|->\*?|<=|>=|<|>)|->|[<>]")


def _brackets(name: str) -> list[tuple[int, int]]:
    """Places of `<` and `>` that open and close lists."""
    return [found.span() for found in _BRACKET.finditer(name) if len(found[0]) == 1]


def _is_argument_list(name: str, at: int) -> bool:
    """Whether the `<` belongs to the name before it, and is not Rust's `<Type as Trait>`."""
    return at > 0 and name[at - 1] not in " (&*<[,"
