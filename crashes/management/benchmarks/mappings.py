"""A made-up R8 mapping with inlined frames and line ranges, and the inner jobs that retrace it."""

import gc
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

_METHODS = 12
_FRAMES_IN = 5  # how many lines each residual range holds


def write_mapping(path: Path, classes: int) -> None:
    """A mapping of so many classes; a third of the methods have something inlined."""
    random = Random("mapping")  # noqa: S311  made up, not secret
    lines = ["# compiler: R8", "# compiler_version: 8.5.35", "# min_api: 26"]
    for number in range(classes):
        lines.append(f"com.example.part{number % 97}.Screen{number} -> a.{_short(number)}:")
        lines.append(f'# {{"id":"sourceFile","fileName":"Screen{number}.kt"}}')
        for method in range(_METHODS):
            lines += _method(number, method, random)
    path.write_text("\n".join(lines) + "\n")


def _method(number: int, method: int, random: Random) -> list[str]:
    first, last = method * _FRAMES_IN + 1, method * _FRAMES_IN + _FRAMES_IN
    line = random.randrange(10, 900)
    residual = f" -> {_short(method)}"
    outer = f"void onEvent{method}(android.os.Bundle)"
    if random.random() < 1 / 3:
        helper = f"com.example.part{number % 97}.Helper{number}.check{method}(int)"
        return [
            f"    {first}:{last}:int {helper}:{line}:{line + 4}{residual}",
            f"    {first}:{last}:{outer}:{line + 30}{residual}",
        ]
    return [f"    {first}:{last}:{outer}:{line}:{line + 4}{residual}"]


def _short(number: int) -> str:
    letters = ""
    while True:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
        if number < 0:
            return letters


def _wanted(classes: int, count: int) -> list[tuple[str, str, int]]:
    random = Random("frames")  # noqa: S311  made up, not secret
    frames = []
    for _ in range(count):
        method = random.randrange(_METHODS)
        line = method * _FRAMES_IN + random.randrange(1, _FRAMES_IN + 1)
        frames.append((f"a.{_short(random.randrange(classes))}", _short(method), line))
    return frames


def write_stack(path: Path, classes: int, count: int) -> None:
    """So many frames of the mapping of `write_mapping`, as a stack is printed."""
    frames = _wanted(classes, count)
    lines = (f"    at {name}.{method}(SourceFile:{line})" for name, method, line in frames)
    path.write_text("java.lang.IllegalStateException: sample\n" + "\n".join(lines) + "\n")


def retrace_text(mapping: str, stack: str) -> None:
    """Ours as a command: read the text of a stack, print it retraced."""
    from crashes.symbolication.retrace.retracer import Retracer  # noqa: PLC0415  part of the start

    gc.disable()  # as the sandbox's children do: see crashes.symbolication.jobs
    sys.stdout.write(Retracer(Path(mapping)).retrace_text(Path(stack).read_text()))


def retrace(mapping: str, classes: int, count: int) -> dict[str, float]:
    """Ours: open with one frame, a first pass, the same again."""
    from crashes.symbolication.retrace.retracer import Retracer  # noqa: PLC0415  part of the start

    frames = _wanted(classes, count)
    gc.disable()  # as the sandbox's children do: see crashes.symbolication.jobs
    began = time.process_time()
    retracer = Retracer(Path(mapping))
    retracer.retrace_frame(*frames[0])
    opened = time.process_time()
    for class_name, method, line in frames:
        retracer.retrace_frame(class_name, method, line)
    passed = time.process_time()
    for class_name, method, line in frames:
        retracer.retrace_frame(class_name, method, line)
    again = time.process_time()
    return _seconds(opened - began, passed - opened, again - passed, count)


def retrace_with_symbolic(mapping: str, classes: int, count: int) -> dict[str, float]:
    """The mapper of the `symbolic` package."""
    from symbolic.proguard import ProguardMapper  # noqa: PLC0415  part of the start

    frames = _wanted(classes, count)
    began = time.process_time()
    mapper: Any = ProguardMapper.open(mapping)
    mapper.remap_frame(*frames[0])
    opened = time.process_time()
    for class_name, method, line in frames:
        mapper.remap_frame(class_name, method, line)
    passed = time.process_time()
    for class_name, method, line in frames:
        mapper.remap_frame(class_name, method, line)
    again = time.process_time()
    return _seconds(opened - began, passed - opened, again - passed, count)


def _seconds(first: float, one_pass: float, hot: float, count: int) -> dict[str, float]:
    return {
        "first_ms": first * 1000,
        "first_pass_per_s": count / max(one_pass, 1e-6),
        "hot_per_s": count / max(hot, 1e-6),
    }
