"""What management commands share: a database that is not ready, and what stands on standard input."""

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError


class DatabaseCommand(BaseCommand):
    """A command that needs the database, and says so when it is away or has no tables yet."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command. Raises CommandError without a usable database."""
        try:
            return super().execute(*args, **options)
        except (OperationalError, ProgrammingError) as problem:
            raise CommandError(
                f"The database cannot be used: {str(problem).strip()}. `manage.py migrate` makes "
                "its tables; DATABASE_URL and UXP_DATA_DIR say which one it is."
            ) from problem


def words_or_stdin(words: Sequence[str]) -> list[str]:
    """The words of an argument; without any, or for `-`, those on standard input."""
    if list(words) not in ([], ["-"]):
        return list(words)
    return sys.stdin.read().split()
