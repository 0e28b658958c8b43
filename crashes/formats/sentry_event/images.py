"""Where modules are mapped: `debug_meta.images` of an event."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crashes.formats.json_values import integer, mapping, objects, text
from crashes.formats.sentry_event.members import NAME
from crashes.formats.tombstone_parts import MAX_MODULES
from crashes.stack import Module

_ALL_ZERO = re.compile(r"[0-]*")


class Images:
    """Where modules are mapped."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        listed = objects(mapping(event.get("debug_meta")).get("images"))
        found = (_image(image) for image in listed[:MAX_MODULES])
        self._images = sorted(filter(None, found), key=lambda image: image.start_addr)
        self._starts = [image.start_addr for image in self._images]
        self.mapping_ids = tuple(_mapping_ids(listed))

    def around(self, address: int) -> "Image | None":
        """The image that holds an absolute address."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        image = self._images[at]
        return image if image.size is None or address < image.start_addr + image.size else None

    def modules(self) -> tuple[Module, ...]:
        """All of them, by address."""
        return tuple(
            Module(
                path=image.path,
                build_id=image.build_id,
                start_addr=image.start_addr,
                end_addr=None if image.size is None else image.start_addr + image.size,
                debug_id=image.debug_id,
            )
            for image in self._images
            if image.path
        )


@dataclass(frozen=True, slots=True)
class Image:
    """One mapped module; `load_base` is added to what is relative to its start."""

    path: str | None
    build_id: str | None
    debug_id: str | None
    start_addr: int
    size: int | None
    load_base: int


def _image(said: Mapping[str, Any]) -> Image | None:
    start = integer(said.get("image_addr"))
    if start is None:
        return None
    return Image(
        path=text(said.get("code_file"), NAME) or text(said.get("name"), NAME),
        build_id=_id(said, "code_id"),
        debug_id=_id(said, "debug_id"),
        start_addr=start,
        size=integer(said.get("image_size")) or None,
        load_base=integer(said.get("image_vmaddr")) or 0,
    )


def _id(said: Mapping[str, Any], name: str) -> str | None:
    found = text(said.get(name), 64)
    return found.lower() if found and not _ALL_ZERO.fullmatch(found) else None


def _mapping_ids(images: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The ids of the R8 mappings that undo the names of this build."""
    for image in images[:MAX_MODULES]:
        found = text(image.get("uuid"), 40) or text(image.get("debug_id"), 40)
        if image.get("type") == "proguard" and found:
            yield found.lower()
