"""Pages that continue behind a row, never at a number, so that new rows do not shift them.

A cursor holds the name of the order, the ordering value of the last row, and its number:
`["last_seen", "2026-11-20T10:11:12Z", 4711]`. The number makes equal values distinct.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from uxp_diag.api.pagination import Page, decode_cursor, encode_cursor
from uxp_diag.api.problem import Problem

M = TypeVar("M", bound=Model)

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows by one field, largest first; `holds` is what the field holds."""

    name: str
    field: str
    label: str
    holds: type[datetime] | type[int]

    def position(self, cursor: str) -> tuple[datetime | int, int]:
        """Ordering value and number of the row that a cursor names. Raises Problem 400."""
        match decode_cursor(cursor):
            case [self.name, str() | int() as written, int() as number]:
                value = self._value(written)
            case _:
                value, number = None, -1
        if value is None or not 0 <= number <= _LARGEST:
            raise Problem(400, "bad_cursor", "The cursor does not belong to this list.")
        return value, number

    def _value(self, written: str | int) -> datetime | int | None:
        if self.holds is int:
            is_number = isinstance(written, int) and 0 <= written <= _LARGEST
            return written if is_number and isinstance(written, int) else None
        try:
            moment = datetime.fromisoformat(str(written))
        except ValueError:
            return None
        return moment if timezone.is_aware(moment) else None


def find_order(orders: Mapping[str, Order], name: str) -> Order:
    """The order of that name; the first one when no name is given. Raises Problem 400."""
    if not name:
        return next(iter(orders.values()))
    if name not in orders:
        known = ", ".join(orders)
        raise Problem(400, "bad_sort", f"`sort` is one of {known}.")
    return orders[name]


def take_page(rows: QuerySet[M], *, order: Order, cursor: str | None, size: int) -> Page[M]:
    """The rows behind the cursor, or the first ones. Raises Problem 400 for a strange cursor."""
    if cursor:
        value, number = order.position(cursor)
        # The first condition alone already lets an index start at the right place.
        behind: dict[str, Any] = {f"{order.field}__lte": value}
        smaller: dict[str, Any] = {f"{order.field}__lt": value}
        rows = rows.filter(Q(**behind) & (Q(**smaller) | Q(pk__lt=number)))
    found = list(rows.order_by(f"-{order.field}", "-pk")[: size + 1])
    if len(found) <= size:
        return Page(found, None)
    last = found[size - 1]
    return Page(found[:size], encode_cursor([order.name, getattr(last, order.field), last.pk]))
