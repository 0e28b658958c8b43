"""Django's entry for crashes."""

from django.apps import AppConfig


class CrashesConfig(AppConfig):
    """What went wrong, and what we do about it."""

    name = "crashes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the Celery application known, so that tasks bind to it."""
        import uxp_diag.celery  # noqa: F401
