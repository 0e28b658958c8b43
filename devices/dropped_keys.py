"""Keys of a document that we have no word for: they are dropped, and here they are counted.

A struct names what is taken; its decoder skips the rest without a word. So the document is gone
through once more, object by object, with the names that the struct and those in it know. Only the
number of the others is kept: their names come from outside and could hold anything.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

Keys = dict[str, msgspec.Raw]
_keys_decoder = msgspec.json.Decoder(Keys)
_items_decoder = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class _Fields:
    """An object with these fields; what may hold objects itself has a shape of its own."""

    known: frozenset[str]
    inner: "Mapping[str, _Shape]"


@dataclass(frozen=True, slots=True)
class _Items:
    """A list of such things."""

    item: "_Shape"


@dataclass(frozen=True, slots=True)
class _Free:
    """An object in which any key will do."""


_Shape = _Fields | _Items | _Free


def count_dropped_keys(document: bytes, kind: type[msgspec.Struct]) -> int:
    """How many keys of a document, and of the objects in it, its struct has no word for.

    The document is one that was decoded as this struct.
    """
    return sum(
        1
        for keys, known in objects_of(document, kind)
        if known is not None
        for name in keys
        if name not in known
    )


def objects_of(
    document: bytes, kind: type[msgspec.Struct]
) -> Iterator[tuple[Keys, Collection[str] | None]]:
    """Every object of a document that its struct looks into, with the keys that it knows.

    None stands for those of an object in which any key will do. Raises msgspec.DecodeError.
    """
    return _objects(document, _shape_of(kind))


def _objects(value: Any, shape: _Shape) -> Iterator[tuple[Keys, Collection[str] | None]]:
    if isinstance(shape, _Items):
        for item in _items_decoder.decode(value):
            yield from _objects(item, shape.item)
        return
    keys = _keys_decoder.decode(value)
    if isinstance(shape, _Free):
        yield keys, None
        return
    yield keys, shape.known
    for name, inner in shape.inner.items():
        if name in keys and bytes(keys[name]) != b"null":
            yield from _objects(keys[name], inner)


@cache
def _shape_of(kind: type[msgspec.Struct]) -> _Shape:
    shape = _shape(inspect.type_info(kind))
    if shape is None:
        raise TypeError(f"{kind} is no struct")
    return shape


def _shape(info: inspect.Type) -> _Shape | None:
    """What may hold objects in a value of this type; None where nothing does."""
    if isinstance(info, inspect.Metadata):
        return _shape(info.type)
    if isinstance(info, inspect.StructType):
        inner = {field.encode_name: _shape(field.type) for field in info.fields}
        return _Fields(
            frozenset(inner), {name: shape for name, shape in inner.items() if shape is not None}
        )
    if isinstance(info, inspect.DictType):
        return _Free()
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        item = _shape(info.item_type)
        return None if item is None else _Items(item)
    if isinstance(info, inspect.UnionType):
        return next((shape for part in info.types if (shape := _shape(part)) is not None), None)
    return None
