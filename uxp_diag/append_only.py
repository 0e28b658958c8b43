"""Tables that only grow: triggers refuse changes, and deletes before a row is old enough.

For migrations. PostgreSQL and SQLite each have their own words for it. SQLite makes a table anew when
a column changes and loses its triggers: such a migration calls `make_append_only` again.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

_POSTGRESQL = """
CREATE FUNCTION {table}_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.{moment} < now() - interval '{days} days' THEN RETURN OLD; END IF;
  RAISE EXCEPTION '{table} only grows';
END $$;
CREATE TRIGGER {table}_grows BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION {table}_grows();
"""
_POSTGRESQL_UNDO = "DROP TRIGGER {table}_grows ON {table}; DROP FUNCTION {table}_grows();"

_SQLITE = (
    "CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} only grows'); END;",
    "CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
    "WHEN OLD.{moment} >= datetime('now', '-{days} days') "
    "BEGIN SELECT RAISE(ABORT, '{table} only grows'); END;",
)
_SQLITE_UNDO = ("DROP TRIGGER {table}_unchanged", "DROP TRIGGER {table}_kept")


def make_append_only(
    connection: BaseDatabaseWrapper, table: str, *, moment: str, days: int
) -> None:
    """Refuse changes of rows, and deletes of rows whose `moment` is not `days` ago."""
    statements = (_POSTGRESQL,) if connection.vendor == "postgresql" else _SQLITE
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.format(table=table, moment=moment, days=days))


def make_changeable(connection: BaseDatabaseWrapper, table: str) -> None:
    """Take the triggers away again."""
    statements = (_POSTGRESQL_UNDO,) if connection.vendor == "postgresql" else _SQLITE_UNDO
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.format(table=table))
