"""Kinds of values in addresses, beyond Django's own."""

from django.urls import register_converter


class Sha256Converter:
    """A SHA-256 in lower-case hex. What does not look like one names nothing."""

    regex = "[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


register_converter(Sha256Converter, "sha256")
