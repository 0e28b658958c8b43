"""Small ELF files made in memory, for the compiler to read.

The compiler takes whole ELF files. Where it should see a selection (one unit of split DWARF, the
line tables of code that no function claims), an image is put together from sections:

    file header, one PT_LOAD at the load base, section contents, section headers, their names

`point` makes a section show another part of its content, without a copy; the compiler is asked
again and sees another unit.
"""

import struct
from collections.abc import Mapping

from crashes.symbolication.elffile import MAGIC, PT_LOAD, SHT_PROGBITS, ElfFile

_ALIGNMENT = 16
_ET_DYN = 3
_PF_RX = 5
_SHT_STRTAB = 3


class ElfImage:
    """An ELF file of sections, for the same machine as another file."""

    def __init__(
        self, like: ElfFile, sections: Mapping[str, bytes | bytearray | memoryview]
    ) -> None:
        """The image with these sections, loaded where `like` is."""
        self._layout = like.layout
        self.data = bytearray()
        names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
        header_bytes = 16 + self._layout.header.size + self._layout.segment.size
        self.data += bytes(-(-header_bytes // _ALIGNMENT) * _ALIGNMENT)
        self._contents: dict[str, tuple[int, int]] = {}
        for name, content in (*sections.items(), (".shstrtab", names)):
            self._contents[name] = (len(self.data), len(content))
            self.data += content
            self.data += bytes(-len(self.data) % _ALIGNMENT)
        self._headers_offset = len(self.data)
        self._indexes = {name: index for index, name in enumerate(self._contents, start=1)}
        self.data += bytes(self._layout.section.size * (len(self._contents) + 1))
        for name in self._contents:
            self.point(name)
        self._write_headers(like)

    def point(self, name: str, start: int = 0, end: int | None = None) -> None:
        """Let a section be `content[start:end]`. Bounds are cut to the content."""
        offset, size_bytes = self._contents[name]
        start = min(start, size_bytes)
        end = size_bytes if end is None else max(start, min(end, size_bytes))
        index = self._indexes[name]
        name_offset = 1 + sum(len(other) + 1 for other in list(self._indexes)[: index - 1])
        kind = _SHT_STRTAB if name == ".shstrtab" else SHT_PROGBITS
        row = (name_offset, kind, 0, 0, offset + start, end - start, 0, 0, 1, 0)
        entry = self._layout.section
        entry.pack_into(self.data, self._headers_offset + index * entry.size, *row)

    def write(self, name: str, offset: int, content: bytes) -> None:
        """Overwrite bytes of a section's content."""
        start = self._contents[name][0] + offset
        self.data[start : start + len(content)] = content

    def content(self, name: str) -> bytearray:
        """The whole content of a section, wherever it points."""
        offset, size_bytes = self._contents[name]
        return self.data[offset : offset + size_bytes]

    def _write_headers(self, like: ElfFile) -> None:
        layout = self._layout
        identification = MAGIC + bytes(
            (2 if layout.is_64 else 1, 1 if layout.order == "<" else 2, 1)
        )
        file_header_bytes = 16 + layout.header.size
        header = layout.header.pack(
            _ET_DYN, like.machine, 1, 0, file_header_bytes, self._headers_offset, 0,
            file_header_bytes, layout.segment.size, 1,
            layout.section.size, len(self._contents) + 1, len(self._contents),
        )  # fmt: skip
        base = like.load_base
        fields = (
            (PT_LOAD, _PF_RX, 0, base, base, 0, 0, 1)
            if layout.is_64
            else (PT_LOAD, 0, base, base, 0, 0, _PF_RX, 1)
        )
        self.data[:16] = identification.ljust(16, b"\0")
        self.data[16:file_header_bytes] = header
        segment = layout.segment.pack(*fields)
        self.data[file_header_bytes : file_header_bytes + len(segment)] = segment


def address_format(elf: ElfFile) -> struct.Struct:
    """How an address of this file is packed."""
    return struct.Struct(elf.layout.order + ("Q" if elf.layout.is_64 else "I"))
