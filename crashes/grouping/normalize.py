"""The same function has the same name, whatever compiler, build and release it comes from.

A raw frame carries accidents: the compiler cloned the function (`.isra.0`), numbered the lambda
(`{lambda(int)#2}`, `$_113`, `lambda$load$3`), instantiated the template, invented a bridge
(`$$ExternalSyntheticLambda3.run`), hashed the symbol (`::h0123456789abcdef`). Grouping must not
see them. A `Token` is what is left:

    radio::Link::close(Ctx&)::{lambda(int)#2}::operator()(int) const   radio::Link::close
    void std::sort<int*, Less>(int*, int*, Less) [clone .isra.0]       std::sort
    com.example.Feed.lambda$load$3                                     com.example.Feed.load
    com.example.Feed$$ExternalSyntheticLambda3.run                     a bridge, no own code
    (no symbol) /data/app/~~x==/lib/arm64/libgame.so                   libgame.so??

The body of a lambda takes the name of the function that holds it: compilers move code in and out
of lambdas, and frames that become equal neighbors collapse into one. Offsets, addresses and line
numbers are not read at all.

`tier` says whose code a frame is: RUNTIME is nobody's (libc, java.lang, the abort path), PLATFORM
is the system image, APP is everything else. Who counts as *own* is decided per crash, in
`evidence`. To teach a new accident, add an expression here; to teach a new name, edit `lists/`.
"""

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from functools import lru_cache
from posixpath import normpath
from typing import NamedTuple

import cxxfilt

from crashes.grouping import curated
from crashes.stack import Frame, FrameStatus

UNKNOWN = "??"
FILE_MARK = "file "
# 64 frames hold every own frame of all but runaway recursions; of those the entry matters too.
KEPT_FRAMES = 64
OVERFLOW_TOP = 40
OVERFLOW_BOTTOM = 24
_CACHED_NAMES = 65_536


class Language(StrEnum):
    """How names are spelled in a frame."""

    MANAGED = "managed"
    NATIVE = "native"
    KERNEL = "kernel"
    PYTHON = "python"


class Tier(IntEnum):
    """Whose code a frame is."""

    RUNTIME = 0
    PLATFORM = 1
    APP = 2


class Token(NamedTuple):
    """One normalized frame.

    `text` is the name; `home` the class, else FILE_MARK and the source file, else empty; `module`
    the base name of the binary, else empty; `in_app` whether it is the crashed program's own code.
    """

    text: str
    home: str = ""
    module: str = ""
    tier: Tier = Tier.APP
    in_app: bool = False

    @property
    def known(self) -> bool:
        """Whether the frame had a symbol."""
        return not self.text.endswith(UNKNOWN)


# Native names ---------------------------------------------------------------------------------

_CLONE_NOTE = re.compile(r"\s*\[(?:clone|abi|inlined|deleted)[^\]]*\]")
_SUFFIX = re.compile(
    r"(?:\.(?:isra|constprop|part|cold|lto_priv|localalias|llvm|cfi|cfi_jt|resume|destroy|cleanup"
    r"|__uniq|str|specialized|ipa_ra|unlikely|hot|warm|split|thunk)(?:\.\w+)*|\.\d+"
    r"|@@?[A-Z]+[A-Z0-9_.]*|@plt|\(\.[\w.]+\)|\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)+$"
)
_THUNK = re.compile(r"^(?:non-virtual |virtual |covariant return )?thunk to ")
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_RUST_ESCAPE = re.compile(r"\$(LT|GT|RF|BP|C|LP|RP|u[0-9a-f]{2})\$")
_RUST_LETTERS = {"LT": "<", "GT": ">", "RF": "&", "BP": "*", "C": ",", "LP": "(", "RP": ")"}
_AS_TRAIT = re.compile(r"^<(.+?) as .+?>::")
_LAMBDA = re.compile(
    r"\{lambda\([^{}]*\)#\d+\}|\{lambda#\d+\}|'lambda\d*'|\$_\d+|\{\{?closure[^}]*\}\}?"
    r"|\{unnamed type#\d+\}"
)
_LAMBDA_CALL = re.compile(r"(?:::\{lambda\})+(?:::(?:operator\(\)|__invoke|_FUN))?")
_BLOCK = re.compile(r"_block_invoke(?:_\d+)?$")
_ANONYMOUS = re.compile(r"\(anonymous namespace\)|\{anonymous\}|\(anonymous (?:class|struct)\)")
_INLINE_NAMESPACE = re.compile(r"\bstd::(?:__1|__ndk1|__cxx11|__2|__8)::")
_OPERATOR = re.compile(r"\boperator\s*(?:\(\)|\[\]|<=>|->\*?|<<=?|>>=?|<=?|>=?|[-+*/%^&|~!=,]+)")
_OPERATOR_WORDS = re.compile(r"\boperator (?:new|delete)(?:\[\])?|\boperator \S.*$")
_OPEN = {"<": ">", "(": ")"}


def _without(text: str, opening: str) -> str:
    """The text without balanced brackets of one kind and what they hold."""
    closing, depth, kept = _OPEN[opening], 0, []
    for letter in text:
        if letter == opening:
            depth += 1
        elif letter == closing and depth:
            depth -= 1
        elif not depth:
            kept.append(letter)
    return "".join(kept)


def _demangled(name: str) -> str:
    if not name.startswith(("_Z", "__Z")):
        return name
    try:
        return str(cxxfilt.demangle(_SUFFIX.sub("", name)))
    except cxxfilt.Error:
        return name


def _rust_letter(match: re.Match[str]) -> str:
    code = match.group(1)
    return _RUST_LETTERS.get(code) or chr(int(code[1:], 16))


def _without_rust(name: str) -> str:
    name = _RUST_HASH.sub("", name)
    if "$" in name:
        name = _RUST_ESCAPE.sub(_rust_letter, name)
        name = name.replace("..", "::") if "::" in name else name
    name = name.removeprefix("_") if name.startswith("_<") else name
    return _AS_TRAIT.sub(lambda match: match.group(1) + "::", name)


def _without_return_type(name: str) -> str:
    """Of `void ns::f` only `ns::f`; names of operators may hold a space themselves."""
    operator = _OPERATOR_WORDS.search(name)
    if operator is None:
        return name.rsplit(" ", 1)[-1]
    before = name[: operator.start()].rsplit(" ", 1)[-1]
    return before + operator.group(0)


def _without_arguments(name: str) -> str:
    """Without template arguments, parameters, qualifiers and return type."""
    operator = _OPERATOR.search(name)
    if operator is not None:
        head, call = name[: operator.start()], operator.group(0).replace(" ", "")
        return _trimmed(head).rsplit(" ", 1)[-1] + call
    return _without_return_type(_trimmed(name))


def _trimmed(name: str) -> str:
    if name.startswith("<"):
        name = name[1:].replace(">", "", 1)
    name = _without(name, "<")
    name = _without(name, "(") if not name.startswith("(") else name
    for qualifier in (" const", " volatile", " &&", " &", " noexcept"):
        name = name.removesuffix(qualifier)
    return name if name.endswith(" ") else name.strip()


@lru_cache(maxsize=_CACHED_NAMES)
def native_name(raw: str) -> str:
    """The qualified C, C++ or Rust function without what compilers add; never empty."""
    if raw.startswith(("-[", "+[")):
        return raw
    name = _demangled(raw)
    name = _THUNK.sub("", _CLONE_NOTE.sub("", name))
    name = _without_rust(_SUFFIX.sub("", name).strip())
    name = _INLINE_NAMESPACE.sub("std::", _ANONYMOUS.sub("{anon}", name))
    name = _BLOCK.sub("", _LAMBDA.sub("{lambda}", name))
    name = _without_arguments(name)
    return _LAMBDA_CALL.sub("", name).strip() or raw


_SYSCALL = re.compile(
    r"^(?:__(?:x64|ia32|arm64|arm|riscv|se|do|se_compat|do_compat)_(?:compat_)?sys|SYSC|SyS|ksys"
    r"|__(?:x32_)?compat_sys|compat_SyS|C_SYSC)_"
)


@lru_cache(maxsize=_CACHED_NAMES)
def kernel_name(raw: str) -> str:
    """The kernel function; the wrappers of one system call share a name."""
    name = _SUFFIX.sub("", raw)
    return _SYSCALL.sub("sys_", name) or raw


# Managed names --------------------------------------------------------------------------------

_BRIDGE = re.compile(
    r"\$\$ExternalSynthetic\w*|\$r8\$|\$\$Lambda\b|-\$\$Lambda|\.access\$\w+$|\$\$Nest\$"
    r"|Generated(?:Method|Constructor|SerializationConstructor)Accessor\d*\.|\$Proxy\d+\."
    r"|\$\$(?:EnhancerBy|FastClassBy)\w+|\$MockitoMock\$"
)
_OLD_LAMBDA = re.compile(r"-\$\$Lambda\$(\w+?)\$[\w-]+\.")
_NUMBERED_CLASS = re.compile(
    r"(\$\$ExternalSynthetic[A-Za-z]+|\$\$Lambda|Generated\w+Accessor|\$Proxy)(?:\$?\d+)?"
    r"(?:/(?:0x)?[0-9a-f]+)?"
)
_HASHED_CLASS = re.compile(r"(\$\$(?:EnhancerBy|FastClassBy)\w+?\$\$|\$MockitoMock\$)[0-9a-f]+")
_R8_LAMBDA = re.compile(r"\$r8\$lambda\$[\w-]+")
_JAVA_LAMBDA = re.compile(r"\.(?:\$\w+\$)?lambda\$(\w+?)(?:\$\d+)*$")
_KOTLIN_LAMBDA = re.compile(r"\.(\w+?)(?:\$lambda[-$]\d+)+$")
_NEST = re.compile(r"\.-?\$\$Nest\$\w+$")
_ACCESS = re.compile(r"\.access\$\d+$")
_INNER_NUMBER = re.compile(r"\$\d+(?=[$.]|$)")
_LAMBDA_HOLDERS = {"new": "<init>", "static": "<clinit>"}


def _lambda_holder(match: re.Match[str]) -> str:
    return "." + _LAMBDA_HOLDERS.get(match.group(1), match.group(1))


@lru_cache(maxsize=_CACHED_NAMES)
def managed_name(raw: str) -> str:
    """The qualified Java or Kotlin method without numbers that compilers and runtimes give."""
    name = raw.split("(", 1)[0].strip() or raw
    name = _OLD_LAMBDA.sub(r"\1$$Lambda.", name)
    name = _HASHED_CLASS.sub(r"\1", _NUMBERED_CLASS.sub(r"\1", name))
    name = _R8_LAMBDA.sub("$r8$lambda", name)
    name = _NEST.sub(".$$Nest$", _ACCESS.sub(".access$", name))
    name = _JAVA_LAMBDA.sub(_lambda_holder, _KOTLIN_LAMBDA.sub(r".\1", name))
    return _INNER_NUMBER.sub("$", name)


def is_bridge(raw: str) -> bool:
    """Whether a managed frame only passes the call on: made by a compiler or at run time."""
    return _BRIDGE.search(raw) is not None


# Frames ---------------------------------------------------------------------------------------

_MANAGED_FILES = (".java", ".kt", ".scala", ".groovy")
_MANAGED_MODULES = (".oat", ".odex", ".vdex", ".dex", ".jar", ".art")
_LIBRARY_VERSION = re.compile(r"(\.so)(?:\.\d+)+$")
_MAP_NOTE = re.compile(r"\s*\((?:deleted|offset [^)]*)\)|:[0-9a-f]{6,}>?$")


@lru_cache(maxsize=4096)
def module_base(path: str) -> str:
    """The file's own name: no folder, container, version or mapping note."""
    base = _MAP_NOTE.sub("", path).rsplit("/", 1)[-1].rsplit("!", 1)[-1]
    base = _LIBRARY_VERSION.sub(r"\1", base).strip("<>[]")
    return base.removeprefix("anon:").removeprefix("memfd:")


def frame_language(frame: Frame, default: Language) -> Language:
    """How this frame spells its name; `default` is what the kind of the crash suggests."""
    if default is Language.KERNEL:
        return default
    if frame.file is not None and frame.file.endswith(".py"):
        return Language.PYTHON
    if _is_managed(frame):
        return Language.MANAGED
    return Language.NATIVE if frame.module or "::" in (frame.function or "") else default


def _is_managed(frame: Frame) -> bool:
    if frame.status in (FrameStatus.JAVA, FrameStatus.DEOBFUSCATED):
        return True
    if frame.file is not None and frame.file.endswith(_MANAGED_FILES):
        return True
    return frame.module is not None and frame.module.endswith(_MANAGED_MODULES)


def tokenize(frame: Frame, default: Language) -> Token:
    """One frame as a token, `in_app` still open; only names and paths are read."""
    language = frame_language(frame, default)
    function = (frame.function or frame.raw_function or "").strip()
    return _tokenized(function, frame.module or "", frame.file or "", language)


@lru_cache(maxsize=_CACHED_NAMES)
def _tokenized(function: str, path: str, file: str, language: Language) -> Token:
    module = module_base(path) if path else ""
    if function in ("", UNKNOWN):
        return Token(f"{module or 'unknown'}{UNKNOWN}", "", module, _module_tier(path))
    if language is Language.MANAGED:
        return _managed_token(function, module)
    if language is Language.PYTHON:
        return _python_token(function, file, module)
    if language is Language.KERNEL:
        return _kernel_token(function, file, module)
    return _native_token(function, path, file, module)


def _managed_token(function: str, module: str) -> Token:
    name = managed_name(function)
    owner = name.rpartition(".")[0]
    package, _, class_name = owner.rpartition(".")
    outer = class_name.lstrip("-$").split("$", 1)[0]
    home = f"{package}.{outer}" if package else outer
    return Token(name, home, module, _managed_tier(name, function))


def _managed_tier(name: str, raw: str) -> Tier:
    if curated.load("runtime_managed").has(name) or curated.load("scaffold_managed").has(name):
        return Tier.RUNTIME
    if is_bridge(raw):
        return Tier.RUNTIME
    return Tier.PLATFORM if curated.load("platform_managed").has(name) else Tier.APP


def _python_token(function: str, file: str, module: str) -> Token:
    runtime = curated.load("runtime_python").has(function)
    nameless = function.endswith(">") and not function.endswith("<module>")
    tier = Tier.RUNTIME if runtime or nameless else Tier.APP
    return Token(function, file_home(file), module, tier)


def _kernel_token(function: str, file: str, module: str) -> Token:
    name = kernel_name(function)
    runtime = curated.load("runtime_kernel").has(name) or curated.load("allocators").has(name)
    return Token(name, file_home(file), module, Tier.RUNTIME if runtime else Tier.APP)


def _native_token(function: str, path: str, file: str, module: str) -> Token:
    name = native_name(function)
    owner = name.rpartition("::")[0]
    return Token(name, owner or file_home(file), module, _native_tier(name, path))


def file_home(path: str) -> str:
    """The home of a function without a class: its file and that file's folder.

    The folders above depend on where the build ran. The mark tells a file from a class, because
    the functions of a C file have less in common than the methods of a class.
    """
    if not path:
        return ""
    return FILE_MARK + "/".join(normpath(path).rsplit("/", 2)[-2:])


def _native_tier(name: str, path: str) -> Tier:
    if curated.load("runtime_native").has(name) or curated.load("allocators").has(name):
        return Tier.RUNTIME
    return _module_tier(path)


@lru_cache(maxsize=4096)
def _module_tier(path: str) -> Tier:
    if path and curated.load("runtime_modules").has(module_base(path)):
        return Tier.RUNTIME
    return Tier.PLATFORM if curated.load("platform_modules").has(path) else Tier.APP


_NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@lru_cache(maxsize=_CACHED_NAMES)
def name_words(text: str) -> frozenset[str]:
    """The words that a function's own name is made of: `decode_layer` and `decodeLayer` alike."""
    own = text.rpartition("::")[2].rpartition(".")[2]
    return frozenset(word.lower() for word in _NAME_WORD.findall(own))


def short_name(text: str) -> str:
    """The last two parts of a qualified name: enough to recognize, short enough to read."""
    separator = "::" if "::" in text else "."
    return separator.join(text.split(separator)[-2:])


# Stacks ---------------------------------------------------------------------------------------


def collapse(tokens: Iterable[Token]) -> list[Token]:
    """Without direct (`a a`) and two-step (`a b a b`) recursion, however deep it went."""
    kept: list[Token] = []
    for token in tokens:
        if kept and kept[-1].text == token.text:
            continue
        if _closes_two_step(kept, token):
            kept.pop()
            continue
        kept.append(token)
    return kept


def _closes_two_step(kept: Sequence[Token], token: Token) -> bool:
    return (
        len(kept) > 2  # noqa: PLR2004 - three frames and this one make two rounds
        and kept[-2].text == token.text
        and kept[-3].text == kept[-1].text
    )


def trim(tokens: Sequence[Token], *, overflow: bool) -> list[Token]:
    """The frames worth keeping; of an overflowed stack also the ones it started with."""
    if len(tokens) <= KEPT_FRAMES:
        return list(tokens)
    if overflow:
        return [*tokens[:OVERFLOW_TOP], *tokens[-OVERFLOW_BOTTOM:]]
    return list(tokens[:KEPT_FRAMES])
