"""All bytes that an installation keeps, and what of the planted values is in them."""

import gzip
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.db import connection

from crashes.management.canaries.values import CLEAR_TEXT, needles
from crashes.packing import UnreadablePack, unpack
from crashes.selectors.opened import list_opened

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_MOST = 512 << 20
_SLICE = 32 << 20
_OVERLAP = 4096


@dataclass(frozen=True, slots=True)
class Leak:
    """A planted value that was found. `place` names where, never the bytes around it."""

    kind: str
    form: str
    place: str


def scan(paths: list[Path]) -> Iterator[Leak]:
    """Leaks in files and folders, in every table of the database, and in Redis.

    What is sealed is looked at twice: as it lies there, where no word of a payload may be, and
    opened, where nothing may name a person.
    """
    looked_for = needles()
    for place, data in _everything(paths):
        yield from _found(looked_for, place, data)
        if any(text in data for text in CLEAR_TEXT):
            yield Leak("text of a payload", "clear", place)
    for place, data in list_opened():
        yield from _found(looked_for, place, data)


def _found(looked_for: Sequence[tuple[str, str, bytes]], place: str, data: bytes) -> Iterator[Leak]:
    return (Leak(kind, form, place) for kind, form, needle in looked_for if needle in data)


def _everything(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        yield from _files(path)
    yield from _tables()
    if settings.REDIS_URL:
        yield from _redis()


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it is, in slices that overlap, and unpacked where it is packed; names too."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        yield f"name of {file.name}", str(file).encode("utf-8", "surrogateescape")
        if not file.is_file() or Path(settings.STATIC_ROOT) in file.parents:
            continue  # our own style sheets
        head = b""
        try:
            with file.open("rb") as source:
                while piece := source.read(_SLICE):
                    yield str(file), head + piece
                    head = piece[-_OVERLAP:]
            if file.stat().st_size <= _MOST:
                yield from _unpacked(str(file), file.read_bytes())
        except FileNotFoundError:  # a running platform tidies up
            continue


def _unpacked(place: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(_ZSTD):
        try:
            yield f"{place} (unpacked)", unpack(data, max_bytes=_MOST)
        except UnreadablePack:
            return
    elif data.startswith(_GZIP):
        try:
            yield f"{place} (unpacked)", gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return


def _tables() -> Iterator[tuple[str, bytes]]:
    """Every column of every row, as the database tells it; packed ones unpacked."""
    existing = set(connection.introspection.table_names())
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        if table not in existing:
            continue
        rows = model._base_manager.order_by().values_list().iterator(chunk_size=_ROWS)  # noqa: SLF001
        while some := list(itertools.islice(rows, _ROWS)):
            yield table, b"\n".join(part for row in some for part in _parts(table, row))


_ROWS = 200


def _parts(table: str, row: tuple[object, ...]) -> Iterator[bytes]:
    for value in row:
        if isinstance(value, bytes | memoryview):
            yield bytes(value)
            yield from (data for _, data in _unpacked(table, bytes(value)))
        else:
            yield str(value).encode("utf-8", "surrogatepass")


def _redis() -> Iterator[tuple[str, bytes]]:
    """Every key and every value, as Redis itself would save it, and as what it holds."""
    client: Any = redis.Redis.from_url(settings.REDIS_URL)
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": lambda key: [client.get(key)],
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    for key in client.scan_iter(count=500):
        yield "name of a Redis key", key
        yield "Redis", client.dump(key) or b""
        read = readers.get(client.type(key))
        for value in read(key) if read else ():
            yield "Redis", value or b""
    client.close()
