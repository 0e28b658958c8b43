"""Published stack walks: what Breakpad's `minidump_stackwalk -m` printed for sample dumps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crashes.stack import Crash, Frame, Module
from tests.unit.formats.fixtures import shared_dir

Line = tuple[str, str | None, int]
"""Module, function, and the offset: in the function when it has a name, else in the module."""


@dataclass(frozen=True)
class StackWalk:
    """One answer. Threads are in the printed order: the one that crashed first."""

    path: Path
    reason: str
    fault_addr: int
    crashing_thread: int
    os: str
    modules: list[tuple[str, str, int, int]] = field(default_factory=list)
    threads: dict[int, list[Line]] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        return self.path.with_name(self.path.name.removesuffix(SUFFIX)).read_bytes()

    def __str__(self) -> str:
        return self.path.name.removesuffix(SUFFIX)


SUFFIX = ".breakpad-stackwalk-m.txt"


def stackwalks(*names: str) -> list[Any]:
    """The answers whose dumps are there, as parameters; those with these names, or all."""
    folder = shared_dir()
    if folder is None:
        return [
            pytest.param(None, marks=pytest.mark.skip("shared samples: UXP_SHARED_DIR not found"))
        ]
    found = sorted((folder / "samples" / "symbolication" / "minidump").rglob(f"*{SUFFIX}"))
    walks = [
        read(path) for path in found if path.with_name(path.name.removesuffix(SUFFIX)).is_file()
    ]
    return [pytest.param(walk, id=str(walk)) for walk in walks if not names or str(walk) in names]


def symbols_dir() -> Path | None:
    folder = shared_dir()
    return folder and folder / "samples" / "symbolication" / "minidump" / "breakpad" / "symbols"


def read(path: Path) -> StackWalk:
    rows = [line.split("|") for line in path.read_text("utf-8", "replace").splitlines()]
    (_, reason, fault_addr, crashing) = next(row for row in rows if row[0] == "Crash")
    walk = StackWalk(
        path=path,
        reason=reason,
        fault_addr=int(fault_addr, 16),
        crashing_thread=int(crashing),
        os=next(row[1] for row in rows if row[0] == "OS"),
        modules=[
            (row[1], row[4], int(row[5], 16), int(row[6], 16) + 1)
            for row in rows
            if row[0] == "Module"
        ],
    )
    for row in rows:
        if row[0].isdigit():
            walk.threads.setdefault(int(row[0]), []).append(
                (row[2], row[3] or None, int(row[6], 16))
            )
    return walk


def base_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def module_row(module: Module) -> tuple[str, str, int | None, int | None]:
    guid, _, age = (module.debug_id or "").replace("-", "", 4).partition("-")
    identity = f"{guid.upper()}{age or '0'}" if guid else ""
    return base_name(module.path), identity, module.start_addr, module.end_addr


def unnamed(frame: Frame) -> Line:
    return base_name(frame.module or ""), None, frame.address or 0


def unnamed_threads(crash: Crash) -> list[list[Line]]:
    threads = [[unnamed(frame) for frame in thread.frames] for thread in crash.threads]
    return [frames for frames in threads if frames]
