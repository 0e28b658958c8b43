"""What Django's ORM has no words for, or too slow ones, the same on PostgreSQL and SQLite.

Both speak `INSERT … ON CONFLICT … RETURNING` (SQLite since 3.35), so one statement serves both.
What differs by vendor is in this module and nowhere else.

For each upload the ORM would build the same few statements anew, which takes ten times as long as
the database needs to answer them. So their text is made once, and values that mean the same to
Python and to the database go there without a detour through their field.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder


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
    statement = _insert(model, len(objects), tuple(conflict), tuple(returning))
    back = [model._meta.get_field(name) for name in returning]
    with connection.cursor() as cursor:
        cursor.execute(statement, _parameters(model, objects))
        rows = cursor.fetchall()
    return [_converted(back, row) for row in rows]


def insert_adding(objects: Sequence[models.Model], *, conflict: Sequence[str], add: str) -> None:
    """Insert counter rows; where one is there already, its `add` field grows by the new value."""
    if not objects:
        return
    model = type(objects[0])
    statement = _insert(model, len(objects), tuple(conflict), add=add)
    with connection.cursor() as cursor:
        cursor.execute(statement, _parameters(model, objects))


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


def fetch_first(
    sql: str, parameters: Sequence[Any], fields: Sequence[Any]
) -> tuple[Any, ...] | None:
    """The first row of a query, its columns as the values of these fields; None without a row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone()
    return None if row is None else _converted(fields, row)


def fetch_in(
    model: type[models.Model], *, field: str, values: Collection[Any], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """What the rows hold whose `field` has one of these values."""
    if not values:
        return []
    back = [model._meta.get_field(name) for name in returning]
    with connection.cursor() as cursor:
        cursor.execute(_fetch(model, field, len(values), tuple(returning)), list(values))
        rows = cursor.fetchall()
    return [_converted(back, row) for row in rows]


@lru_cache(maxsize=1024)
def _fetch(model: type[models.Model], field: str, count: int, returning: tuple[str, ...]) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    (column,) = _columns(model, [field])
    wanted = ", ".join(["%s"] * count)
    names = ", ".join(_columns(model, returning))
    return f"SELECT {names} FROM {table} WHERE {column} IN ({wanted})"  # noqa: S608


def hold_rows(model: type[models.Model], keys: Collection[Any], *, flag: str) -> list[Any]:
    """The keys of those rows whose `flag` is set, kept as they are to the transaction's end.

    Others may read them and refer to them meanwhile. On SQLite every write transaction is alone.
    """
    if not keys:
        return []
    options: Any = model._meta
    key = options.pk
    with connection.cursor() as cursor:
        cursor.execute(
            _hold(model, len(keys), flag, connection.vendor),
            [key.get_db_prep_value(value, connection) for value in sorted(keys)],
        )
        rows = cursor.fetchall()
    return [key.to_python(value) for (value,) in rows]


@lru_cache(maxsize=1024)
def _hold(model: type[models.Model], count: int, flag: str, vendor: str) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    key, flagged = _columns(model, [str(model._meta.pk.name), flag])
    wanted = ", ".join(["%s"] * count)
    lock = " FOR NO KEY UPDATE" if vendor == "postgresql" else ""
    return f"SELECT {key} FROM {table} WHERE {key} IN ({wanted}) AND {flagged} ORDER BY {key}{lock}"  # noqa: S608


def subtract_rows(objects: Sequence[models.Model], *, match: Sequence[str], field: str) -> None:
    """Make a counter smaller by the value in each object, in the row that agrees in `match`."""
    if not objects:
        return
    model = type(objects[0])
    table = connection.ops.quote_name(model._meta.db_table)
    (column,) = _columns(model, [field])
    where = " AND ".join(f"{name} = %s" for name in _columns(model, match))
    names = [model._meta.get_field(name) for name in (field, *match)]
    rows = [[_prepared(item, name) for name in names] for item in objects]  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET {column} = {column} - %s WHERE {where}",  # noqa: S608
            rows,
        )


def cut_log() -> None:
    """Write SQLite's log back and cut it off, so that what was deleted is in no file any more.

    Rows are overwritten when they are deleted (`secure_delete`), the log keeps them until then.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def leave_no_traces(tables: Collection[str]) -> None:
    """Take deleted rows out of files; outside a transaction.

    PostgreSQL keeps them until a vacuum, and samples of them in its statistics until an analyze.
    """
    cut_log()
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            for table in tables:
                name = connection.ops.quote_name(table)
                cursor.execute(f"VACUUM (ANALYZE, SKIP_LOCKED) {name}")


def database_bytes() -> int:
    """How large the database is; on SQLite without its log."""
    sql = "SELECT pg_database_size(current_database())"
    if connection.vendor == "sqlite":
        sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def applied_migrations(apps: Collection[str]) -> dict[str, str]:
    """The newest migration of each of these apps that the database has had."""
    rows = MigrationRecorder(connection).migration_qs.filter(app__in=apps)
    return dict(rows.order_by("name").values_list("app", "name"))


def database_now() -> datetime:
    """What time it is for the database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")
            return datetime.fromisoformat(cursor.fetchone()[0])
        cursor.execute("SELECT clock_timestamp()")
        return _zoned(cursor.fetchone()[0])  # type: ignore[no-any-return]


def newest_migration_at() -> datetime | None:
    """When the tables were last brought up to date."""
    rows = MigrationRecorder(connection).migration_qs.order_by("-applied")
    found: datetime | None = rows.values_list("applied", flat=True).first()
    return found


def lock_name(name: str, *, shared: bool = False) -> None:
    """Wait until nobody else in the database holds this name; kept to the transaction's end.

    Whoever asks for it shared only waits for those who do not. On SQLite every write transaction
    is alone already.
    """
    if connection.vendor != "postgresql":
        return
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_lock_number(name)])


def lock_names(names: Collection[str]) -> None:
    """`lock_name` for several at once, always in one order, so that no two wait in a circle."""
    if connection.vendor != "postgresql" or not names:
        return
    numbers = sorted(map(_lock_number, set(names)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) AS n", [numbers])


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


@lru_cache(maxsize=1024)  # a few tables, each with as many rows as come together
def _insert(
    model: type[models.Model],
    rows: int,
    conflict: tuple[str, ...],
    returning: tuple[str, ...] = (),
    add: str = "",
) -> str:
    """The statement that inserts so many rows."""
    table = connection.ops.quote_name(model._meta.db_table)
    columns = _columns(model, [field.name for field in _inserted(model)])
    row = f"({', '.join(['%s'] * len(columns))})"
    parts = [
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}",  # noqa: S608
        f"ON CONFLICT ({', '.join(_columns(model, conflict))})",
    ]
    if add:
        (column,) = _columns(model, [add])
        parts.append(f"DO UPDATE SET {column} = {table}.{column} + EXCLUDED.{column}")
    else:
        parts.append(f"DO NOTHING RETURNING {', '.join(_columns(model, returning))}")
    return " ".join(parts)


def _inserted(model: type[models.Model]) -> "list[models.Field[Any, Any]]":
    return [field for field in model._meta.concrete_fields if not field.primary_key]


def _parameters(model: type[models.Model], objects: Sequence[models.Model]) -> list[Any]:
    fields = _inserted(model)
    return [_prepared(item, field) for item in objects for field in fields]


_PLAIN_FIELDS = frozenset(
    {
        models.BigIntegerField,
        models.BooleanField,
        models.CharField,
        models.ForeignKey,
        models.PositiveSmallIntegerField,
    }
)
_PLAIN_VALUES = frozenset({str, int, bool})


def _prepared(item: models.Model, field: "models.Field[Any, Any]") -> Any:
    value = getattr(item, field.attname)
    if value is None or (type(value) in _PLAIN_VALUES and type(field) in _PLAIN_FIELDS):
        return value
    return field.get_db_prep_save(value, connection)


def _columns(model: type[models.Model], names: Sequence[str]) -> list[str]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return [connection.ops.quote_name(field.column) for field in fields]


def _converted(fields: Sequence[Any], row: Sequence[Any]) -> tuple[Any, ...]:
    """SQLite hands back text for UUIDs and moments without a zone; this makes both vendors equal."""
    return tuple(_zoned(field.to_python(value)) for field, value in zip(fields, row, strict=True))


def _zoned(value: Any) -> Any:
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if is_naive else value
