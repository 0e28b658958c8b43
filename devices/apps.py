"""Django's entry for the fleet."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """The fleet."""

    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"
