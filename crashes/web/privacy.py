"""Privacy: the record of what is stored, made from the register."""

import re
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crashes.register import REGISTER, erasure_sentence
from crashes.register.beside import LOG_RETENTION
from crashes.register.words import Category, Place, Reach, Table, Terms
from devices.audit import PURPOSES, Action
from devices.selectors.audit import PAGE, list_looks
from devices.web.access import StaffRequest, needs
from uxp_diag.roles import Scope


@dataclass(frozen=True, slots=True)
class _Row:
    """Fields of one table that are treated alike."""

    names: str
    terms: Terms
    purposes: str
    readers: str


@dataclass(frozen=True, slots=True)
class _Section:
    """One table, with its fields."""

    table: Table
    label: str
    erasure: str
    rows: list[_Row]


@require_safe
@needs(Scope.PRIVACY, Scope.ADMIN)
def privacy(request: StaffRequest) -> HttpResponse:
    """The record of processing activities (Art. 30 GDPR)."""
    tables = REGISTER.tables
    context = {
        "of_persons": [_section(table) for table in tables if _is_of_person(table)],
        "of_nobody": [_section(table) for table in tables if not _is_of_person(table)],
        "places": [
            ("Files", [_place(place) for place in REGISTER.files]),
            ("Keys in Redis", [_place(place) for place in REGISTER.redis_keys]),
        ],
        "logs": REGISTER.logs,
        "log_retention": LOG_RETENTION.text,
        "metrics": REGISTER.metrics,
        "field_count": sum(len(table.field_names) for table in tables),
        "table_count": len(tables),
        "category_count": len(Category),
    }
    return render(request, "crashes/privacy.html", context)


@require_safe
@needs(Scope.PRIVACY, Scope.ADMIN)
def audit(request: StaffRequest) -> HttpResponse:
    """Who looked at what of phones, newest first."""
    before = request.GET.get("before", "")
    looks = list_looks(
        viewer=request.viewer,
        before=int(before) if re.fullmatch("[0-9]{1,18}", before) else None,
    )
    context = {
        "looks": [(look, PURPOSES[Action(look.action)]) for look in looks],
        "next_before": looks[-1].number if len(looks) == PAGE else None,
    }
    return render(request, "crashes/audit.html", context)


def _is_of_person(table: Table) -> bool:
    return table.path.reach is not Reach.NO_PERSON


def _section(table: Table) -> _Section:
    rows = [_row(", ".join(group.names), group.terms) for group in table.fields]
    return _Section(table, table.model.partition(".")[2], erasure_sentence(table), rows)


def _row(names: str, terms: Terms) -> _Row:
    readers = ", ".join(reader.replace("_", " ") for reader in terms.readers)
    return _Row(names, terms, ", ".join(sorted(terms.purposes)), readers)


def _place(place: Place) -> tuple[Place, _Row]:
    return place, _row(place.name, place.terms)
