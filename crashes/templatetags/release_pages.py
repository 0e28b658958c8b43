"""Filters of the pages about releases."""

from django import template

register = template.Library()


@register.filter
def change(ratio: float | None) -> str:
    """New over old as `+13 %`; a dash where nothing is known."""
    return "—" if ratio is None else f"{(ratio - 1) * 100:+.0f} %"
