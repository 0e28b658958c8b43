"""Filters and tags of the pages about crashes.

Everything that a device wrote goes through `visible` (or `plain` inside attributes), which
escapes it and shows what would be invisible.
"""

from collections.abc import Sequence
from datetime import date, datetime

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from crashes.web import charts, words
from crashes.web.countries import country_name
from crashes.web.device_text import Piece, pieces
from crashes.web.device_text import visible as visible_text

register = template.Library()

_SPARK_WIDTH, _SPARK_HEIGHT = 84, 24


@register.filter
def visible(text: object) -> SafeString:
    """One line of a device: escaped, with marks for what has no ink."""
    return _marked(str(text), is_multiline=False)


@register.filter
def visible_block(text: object) -> SafeString:
    """Text of a device over several lines; line ends and tabs stay what they are."""
    return _marked(str(text), is_multiline=True)


@register.filter
def plain(text: object) -> str:
    """Text of a device for an attribute or a title."""
    return visible_text(str(text))


@register.filter
def number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


@register.filter
def percent(fraction: float) -> str:
    """`37 %`; what is there but rounds to nothing is `<1 %`."""
    rounded = round(fraction * 100)
    return "<1 %" if fraction and not rounded else f"{rounded} %"


@register.filter
def kind_label(kind: str) -> str:
    """The kind of a crash for people."""
    return words.kind_label(kind)


@register.filter
def country(mcc: str) -> str:
    """The country of an MCC, and the code itself."""
    name = country_name(mcc)
    return f"{name} ({mcc})" if name else mcc


@register.filter
def hexadecimal(value: int | None) -> str:
    """An address as `0x…`."""
    return "" if value is None else hex(value)


@register.simple_tag
def moment(value: datetime, now: datetime) -> SafeString:
    """A moment as the time since then; the exact one is behind it."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        words.exact_time(value),
        words.relative_time(value, now),
    )


@register.simple_tag
def exact(value: datetime) -> SafeString:
    """A moment to the second."""
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), words.exact_time(value))


@register.simple_tag
def sparkline(values: Sequence[int], now: datetime) -> SafeString:
    """Reports per day as a small drawing with a text alternative."""
    chart = _spark_chart(tuple(values), now.date())
    return format_html(
        '<svg class="spark" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        'aria-label="{label}"><title>{label}</title>'
        '<path class="spark-quiet" d="{quiet}"/><path class="spark-bar" d="{busy}"/></svg>',
        w=chart.width,
        h=chart.height,
        label=chart.summary,
        quiet=charts.outline(bar for bar in chart.bars if bar.is_empty),
        busy=charts.outline(bar for bar in chart.bars if not bar.is_empty),
    )


def _spark_chart(values: tuple[int, ...], last_day: date) -> charts.Chart:
    return charts.day_chart(
        values, last_day=last_day, width=_SPARK_WIDTH, height=_SPARK_HEIGHT, gap=1.5
    )


@register.simple_tag
def share_bar(fraction: float) -> SafeString:
    """A bar for a part of a whole; the number stands beside it, so it is decoration."""
    return format_html(
        '<svg class="share-bar" viewBox="0 0 100 4" preserveAspectRatio="none" '
        'aria-hidden="true" focusable="false"><rect class="share-bar-part" width="{}" '
        'height="4"/></svg>',
        round(max(fraction, 0.01) * 100, 1),
    )


@register.simple_tag
def swap_to(url: str) -> SafeString:
    """Attributes of a link that replaces the list in place, and is a plain link without script."""
    return format_html(
        'href="{url}" hx-get="{url}" hx-target="#issue-results" hx-swap="outerHTML" '
        'hx-push-url="true"',
        url=url,
    )


def _marked(text: str, *, is_multiline: bool) -> SafeString:
    if text.isascii() and text.isprintable():
        return escape(text)
    shown = "".join(_piece(piece) for piece in pieces(text, is_multiline=is_multiline))
    return mark_safe(shown)  # noqa: S308 - every piece was escaped


def _piece(piece: Piece) -> str:
    if not piece.meaning:
        return escape(piece.text)
    return format_html('<span class="hidden-mark" title="{}">{}</span>', piece.meaning, piece.text)
