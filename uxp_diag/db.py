"""Writes that Django's ORM has no words for, the same on PostgreSQL and SQLite.

Both speak `INSERT … ON CONFLICT … RETURNING` (SQLite since 3.35), so one statement serves both.
What differs by vendor is in this module and nowhere else.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection, models


def insert_new(
    objects: Sequence[models.Model], *, conflict: Sequence[str], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Insert rows, leaving out those that are there already; what was inserted comes back.

    `conflict` names the fields of the unique constraint, `returning` the fields to return for each
    inserted row. Rows of one call that conflict with one another count once.
    """
    if not objects:
        return []
    model = type(objects[0])
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    sql, parameters = _insert(model, fields, objects)
    names = ", ".join(_columns(model, conflict))
    back = [model._meta.get_field(name) for name in returning]
    back_names = ", ".join(_columns(model, returning))
    statement = f"{sql} ON CONFLICT ({names}) DO NOTHING RETURNING {back_names}"
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    return [_converted(back, row) for row in rows]


def insert_adding(objects: Sequence[models.Model], *, conflict: Sequence[str], add: str) -> None:
    """Insert counter rows; where one is there already, its `add` field grows by the new value."""
    if not objects:
        return
    model = type(objects[0])
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    sql, parameters = _insert(model, fields, objects)
    names = ", ".join(_columns(model, conflict))
    (column,) = _columns(model, [add])
    table = connection.ops.quote_name(model._meta.db_table)
    statement = (
        f"{sql} ON CONFLICT ({names}) DO UPDATE SET {column} = {table}.{column} + EXCLUDED.{column}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def update_rows(objects: Collection[models.Model], fields: Sequence[str], **same: Any) -> None:
    """Write these fields of rows that are there, each row by its key, and `same` values to all.

    One prepared statement for all of them, sent together: a fifth of what the CASE of
    `bulk_update` costs for fifty rows.
    """
    if not objects:
        return
    model = type(next(iter(objects)))
    options: Any = model._meta
    changed = [options.get_field(name) for name in fields]
    constant = [
        options.get_field(name).get_db_prep_save(value, connection) for name, value in same.items()
    ]
    key = options.pk
    sets = ", ".join(f"{name} = %s" for name in _columns(model, [*same, *fields]))
    table, key_name = map(connection.ops.quote_name, (options.db_table, key.column))
    rows = [[*constant, *(_prepared(item, field) for field in (*changed, key))] for item in objects]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {sets} WHERE {key_name} = %s", rows)  # noqa: S608


def lock_name(name: str) -> None:
    """Wait until nobody else in the database holds this name; kept to the transaction's end.

    On SQLite every write transaction is alone already.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number(name)])


def lock_names(names: Collection[str]) -> None:
    """`lock_name` for several at once, always in one order, so that no two wait in a circle."""
    if connection.vendor != "postgresql" or not names:
        return
    numbers = sorted(map(_lock_number, set(names)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) AS n", [numbers])


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _insert(
    model: type[models.Model],
    fields: "Sequence[models.Field[Any, Any]]",
    objects: Sequence[models.Model],
) -> tuple[str, list[Any]]:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    row = f"({', '.join(['%s'] * len(fields))})"
    rows = ", ".join([row] * len(objects))
    parameters = [_prepared(item, field) for item in objects for field in fields]
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES {rows}", parameters  # noqa: S608


def _prepared(item: models.Model, field: "models.Field[Any, Any]") -> Any:
    return field.get_db_prep_save(getattr(item, field.attname), connection)


def _columns(model: type[models.Model], names: Sequence[str]) -> list[str]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return [connection.ops.quote_name(field.column) for field in fields]


def _converted(fields: Sequence[Any], row: Sequence[Any]) -> tuple[Any, ...]:
    """SQLite hands back text for UUIDs and dates; `to_python` makes both vendors equal."""
    return tuple(field.to_python(value) for field, value in zip(fields, row, strict=True))
