"""Django's entry for crashes."""

from django.apps import AppConfig


class CrashesConfig(AppConfig):
    """What went wrong, and what we do about it."""

    name = "crashes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the Celery application known, so that tasks bind to it, and say what waits."""
        import uxp_diag.celery  # noqa: F401
        from crashes.selectors.reports import count_waiting
        from uxp_diag.load import backlog

        backlog.counted_by(count_waiting)
