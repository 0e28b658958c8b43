"""One call of Java or Kotlin code, as stack traces and thread dumps print it.

The form is `StackTraceElement.toString()`: an optional class loader and module, the method, and
the source in parentheses. R8 and the Kotlin compiler stretch it: methods without any source,
`SourceFile`, map ids, artificial frames. See java.lang.StackTraceElement and ART's
`runtime/thread.cc` (`StackDumpVisitor`).
"""

import re

from crashes.stack import Frame, FrameStatus

COROUTINE_BOUNDARY = "(Coroutine boundary)"

_LINE_NUMBER = re.compile(r"~?(?P<line>-?[0-9]{1,9})")
_BARE_METHOD = re.compile(r"[\w$<>@/-]+(?:\.[\w$<>@/-]+)+")
_SURE_SOURCE = re.compile(r"[^\s()]+:[0-9]{1,9}|[Nn]ative [Mm]ethod|Unknown Source(?::[0-9]+)?")
_BLANK = re.compile(r"\s")
_HIDDEN_CLASS_ID = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)\b")
_NATIVE_LINE = -2
_NO_FILE = frozenset({"", "Unknown Source", "Unknown", "unavailable"})
_PLATFORM = (
    "java.", "javax.", "jdk.", "sun.", "libcore.", "dalvik.", "android.", "androidx.", "kotlin.",
    "kotlinx.", "com.android.internal.", "com.android.server.", "com.android.okhttp.",
    "com.android.org.", "org.apache.harmony.", "_COROUTINE.", COROUTINE_BOUNDARY,
)  # fmt: skip


def split_call(call: str) -> tuple[str, str | None] | None:
    """Method and source of what follows `at `, or None when it is no call.

    The source is None for a frame that prints none (`com.example.Foo.$r8$lambda$x`) and for one
    that is cut before its closing parenthesis.
    """
    if COROUTINE_BOUNDARY[:-1] in call:
        return COROUTINE_BOUNDARY, None
    method, opened, rest = call.rstrip().partition("(")
    if not opened:
        return (method, None) if _BARE_METHOD.fullmatch(method) else None
    source, closed, _ = rest.rpartition(")")
    is_sure = _SURE_SOURCE.fullmatch(source) is not None
    if is_sure and method.find(" ") == len(method) - 1:  # as Google Play's console shows it
        method = method[:-1]
    if not _is_method(method, sure=is_sure):
        return None
    return method, source if closed else None


def _is_method(text: str, *, sure: bool) -> bool:
    """A class, then a name. Kotlin tests have blanks inside: believed beside a `sure` source."""
    owner, _, name = text.rpartition(".")
    return bool(owner and name) and text == text.strip() and (sure or not _BLANK.search(text))


def managed_frame(call: str, index: int) -> Frame | None:
    """The frame of what follows `at `, or None when it is no call."""
    parts = split_call(call)
    if parts is None:
        return None
    method, source = parts
    function = without_module(method)
    file, line, native = _read_source(source)
    return Frame(
        index=index,
        function=function,
        raw_function=method if method != function else None,
        file=file,
        line=line,
        status=FrameStatus.JAVA,
        native_method=native,
    )


def without_module(method: str) -> str:
    """`method` without its class loader and module (`app//`, `java.base@17/`).

    A hidden class holds a slash of its own (`Foo$$Lambda$14/0x0008.run`) and keeps it.
    """
    while "/" in method:
        head, _, tail = method.partition("/")
        if "$" in head or _HIDDEN_CLASS_ID.match(tail):
            break
        method = tail
    return method


def _read_source(source: str | None) -> tuple[str | None, int | None, bool]:
    """File, line and whether the method is native, of what stands in the parentheses."""
    if source is None:
        return None, None, False
    if source.casefold() == "native method":
        return None, None, True
    name, colon, number = source.rpartition(":")
    counted = _LINE_NUMBER.fullmatch(number) if colon else None
    if counted is None:
        return _file_name(source.removesuffix(":")), None, False
    line = int(counted["line"])
    return _file_name(name), line if line > 0 else None, line == _NATIVE_LINE


def _file_name(name: str) -> str | None:
    return None if name in _NO_FILE else name


def is_platform(function: str) -> bool:
    """Whether a method belongs to the language, the system or its support libraries."""
    return function.startswith(_PLATFORM)
