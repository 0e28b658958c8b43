"""The parts of an event that everybody asks for."""

from collections.abc import Mapping
from typing import Any

from crashes.formats.json_values import mapping, objects

NAME = 300
"""Letters of a name or a path that are kept."""


def values(source: Any) -> list[dict[str, Any]]:
    """The members of an interface: `{"values": […]}`, the bare list, or a single one."""
    if isinstance(source, dict):
        values = source.get("values")
        return objects(values) if isinstance(values, list) else [source]
    return objects(source)


def raw_frames(source: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The frames of an exception or a thread, oldest call first."""
    return objects(mapping(source.get("stacktrace")).get("frames"))


def is_native(frame: Mapping[str, Any]) -> bool:
    """Whether a frame is native code."""
    return frame.get("instruction_addr") is not None


def is_native_stack(exception: Mapping[str, Any]) -> bool:
    """Whether an exception stands for a stack of native code alone."""
    frames = raw_frames(exception)
    return bool(frames) and all(is_native(frame) for frame in frames)
