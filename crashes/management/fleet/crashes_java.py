"""Java and Kotlin crashes, from stories to stack traces.

A story is a stack trace with a little grammar, innermost frame first:

    java.lang.IllegalStateException: Fragment @N@ not attached       @N@ a number, @H@ hex digits
      com.example.Helper.require(Helper.java:31) ?                   only in some shapes: it was inlined
      com.example.Feed.lambda$load$#(Feed.java:120)                  # the compiler's running number
      <handler>                                                      a tail of `framework`
    Caused by: java.io.IOException: closed
      com.example.Store.read(Store.java:77)
      <more>                                                         "... 9 more"

Line numbers of the app's frames move with its version, those of the system with the release. Of
one bug there are so as many different stacks as in real life, and one cause.
"""

import re
from functools import lru_cache
from random import Random
from zlib import crc32

from crashes.management.fleet.dropbox import drop_box_entry, log_of_crash
from crashes.management.fleet.framework import TAILS, tail
from crashes.management.fleet.scene import Dump, DumpMaker, Scene
from crashes.stack import PayloadFormat

_LINE = re.compile(r":([0-9]+)\)$")
_SYSTEM = ("android.", "com.android.internal.", "com.android.server.")
_LANGUAGE = ("java.", "kotlin.", "kotlinx.", "androidx.", "libcore.", "dalvik.")
_APP_DRIFT = 9
_SYSTEM_DRIFT = 23
_FIRST_RELEASE = 12
_ENTRY_PART = 0.4
_LOG_PART = 0.12
_MORE = "<more>"


def java_crash(story: str, *, thread: str = "main") -> DumpMaker:
    """A maker of crashes that follow the story: bare traces, DropBox entries, logs."""

    def make(scene: Scene) -> Dump:
        trace = trace_of(story, scene)
        drawn = scene.random.random()
        if drawn < _LOG_PART:
            return Dump(PayloadFormat.LOGCAT, log_of_crash(scene, trace, thread=thread).encode())
        if scene.app is not None and scene.app.is_system and drawn < _LOG_PART + _ENTRY_PART:
            entry = drop_box_entry(scene, trace)
            return Dump(PayloadFormat.DROPBOX, entry.encode())
        return Dump(PayloadFormat.JAVA_STACKTRACE, trace.encode())

    return make


def trace_of(story: str, scene: Scene) -> str:
    """The story's stack trace in one scene."""
    text = _rendered(story, scene.build.release, scene.version_index, scene.shape)
    return filled(text, scene.random)


def filled(text: str, random: Random) -> str:
    """The text with its placeholders filled: `@N@` a number, `@H@` seven hex digits."""
    while "@N@" in text:
        text = text.replace("@N@", str(random.randint(1, 4000)), 1)
    while "@H@" in text:
        text = text.replace("@H@", f"{random.getrandbits(28):07x}", 1)
    return text


@lru_cache(maxsize=4096)
def _rendered(story: str, release: str, version_index: int, shape: int) -> str:
    """The trace without what differs between two occurrences; a few hundred exist."""
    lines: list[str] = []
    shared = 0
    for title, *frames in _chunks(story):
        shared = shared or _tail_length(frames, release)
        expanded = managed_lines("\n".join(frames), release, version_index, shape)
        lines.append(title.strip())
        lines.extend(_printed(line, shared) for line in expanded)
    return "\n".join(lines) + "\n"


def _printed(line: str, shared: int) -> str:
    return f"\t... {shared} more" if line == _MORE else f"\tat {line}"


def _tail_length(frames: list[str], release: str) -> int:
    """How many frames a cause has in common with the exception around it: the tail's."""
    names = (frame.strip().strip("<>") for frame in frames)
    return sum(len(tail(name, release)) for name in names if name in TAILS)


def _chunks(story: str) -> list[list[str]]:
    """The story's lines, one list per exception of the chain."""
    chunks: list[list[str]] = []
    for line in filter(str.strip, story.splitlines()):
        if line.startswith(" "):
            chunks[-1].append(line)
        else:
            chunks.append([line])
    return chunks


@lru_cache(maxsize=4096)
def managed_lines(story: str, release: str, version_index: int, shape: int) -> tuple[str, ...]:
    """The frames of one stack of a story, tails expanded; other lines come as they are."""
    lines: list[str] = []
    for call in filter(None, map(str.strip, story.splitlines())):
        if call.startswith("<") and call != _MORE:
            lines.extend(tail(call.strip("<>"), release))
        elif not call.endswith(" ?") or shape % 2:
            lines.append(_frame(call.removesuffix(" ?"), release, version_index, shape))
    return tuple(lines)


def _frame(call: str, release: str, version_index: int, shape: int) -> str:
    """One frame, with its compiler-made number and its line moved."""
    call = call.replace("#", str(version_index + 3 * (shape // 2)))
    found = _LINE.search(call)
    if found is None or call.startswith(_LANGUAGE):
        return call
    line = int(found[1]) + _drift(call, release, version_index) * (int(found[1]) > 1)
    return f"{call[: found.start()]}:{line})"


def _drift(call: str, release: str, version_index: int) -> int:
    """How far a line has moved; lines of one file move together."""
    if call.startswith(_SYSTEM):
        return (int(release) - _FIRST_RELEASE) * (_hash_of_file(call) % _SYSTEM_DRIFT)
    return version_index * (_hash_of_file(call) % _APP_DRIFT)


def _hash_of_file(call: str) -> int:
    return crc32(call.partition("(")[2].partition(":")[0].encode())
