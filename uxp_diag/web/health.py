"""Whether this process lives, and whether it can do its work."""

import tempfile
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Touches nothing else, so a slow database never gets it killed."""
    del request
    return JsonResponse({"status": "live"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """The process can take uploads: 200, or 503 with the reason for each part that fails."""
    del request
    checks = {name: check() for name, check in _CHECKS.items()}
    is_ready = all(reason is None for reason in checks.values())
    parts = {name: reason or "ok" for name, reason in checks.items()}
    status = "ready" if is_ready else "not_ready"
    return JsonResponse({"status": status, "checks": parts}, status=200 if is_ready else 503)


def _database() -> str | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return "the database does not answer"
    return None


def _spool() -> str | None:
    try:
        settings.SPOOL_DIR.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.SPOOL_DIR) as file:
            file.write(b"x")
    except OSError as error:
        return f"the spool cannot be written: {error.strerror}"
    return None


_CHECKS: dict[str, Callable[[], str | None]] = {"database": _database, "spool": _spool}
