"""The register of everything that is stored: what, for what, how long, who reads it, how it goes.

One declaration, from which the rest is made: the record of processing that Art. 30 GDPR asks for (the
page *Privacy*), the tables that an erasure has to reach, what an owner's export has to hold, and how
long things stay. A field that is not in it fails the suite (tests/integration/test_register.py), and so
do a kind of file, a key in Redis, a value in a log line and a label of a metric.

To add a field: find its table in `fleet` or `reports` and name it in the group with the right terms.
To add a table that hangs on a phone, also say how an erasure gets there and which file of the export
has it, or why none has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from crashes.register.beside import FILES, LOG_RETENTION, LOGS, METRICS, REDIS_KEYS
from crashes.register.fleet import DJANGO, FLEET
from crashes.register.reports import OF_DEVICES, OF_FILES, OF_ISSUES, OF_RELEASES, OF_SHARING
from crashes.register.words import Fields, Place, Reach, Register, Table, Terms

REGISTER = Register(
    tables=(*FLEET, *OF_DEVICES, *OF_ISSUES, *OF_RELEASES, *OF_SHARING, *OF_FILES, *DJANGO),
    files=FILES,
    redis_keys=REDIS_KEYS,
    logs=LOGS,
    metrics=METRICS,
)


def unregistered(register: Register, stored: Mapping[str, Iterable[str]]) -> list[str]:
    """Fields that are stored and not registered, as `app.Model.field`; `stored` is by model."""
    known = {table.model: set(table.field_names) for table in register.tables}
    return [
        f"{model}.{name}"
        for model, names in stored.items()
        for name in names
        if name not in known.get(model, ())
    ]


def outdated(register: Register, stored: Mapping[str, Iterable[str]]) -> list[str]:
    """Registered fields that are not stored any more, or that are registered twice."""
    gone = []
    for table in register.tables:
        names = table.field_names
        there = set(stored.get(table.model, ()))
        gone += [
            f"{table.model}.{name}"
            for name in sorted(set(names))
            if name not in there or names.count(name) > 1
        ]
    return gone


def of_persons(register: Register) -> tuple[Table, ...]:
    """The tables whose rows are about one phone or one member of staff."""
    return tuple(table for table in register.tables if table.path.reach is not Reach.NO_PERSON)


def erased_stores(register: Register) -> set[str]:
    """The tables that a receipt counts, by the names it has for them."""
    return {table.path.erasure_of for table in register.tables if table.path.reach is Reach.DELETED}


def exported_fields(register: Register, file: str) -> set[str]:
    """The fields that a file of the owner's archive has under their own names."""
    return {
        name
        for table in register.tables
        if table.path.export == file
        for group in table.fields
        if group.told
        for name in group.names
    }


def erasure_sentence(table: Table) -> str:
    """How an erasure reaches the rows of a table, in words."""
    path = table.path
    match path.reach:
        case Reach.NO_PERSON:
            return "not needed: about no person"
        case Reach.CASCADE:
            return f"goes with {path.erasure_of}"
        case Reach.DELETED:
            return f"deleted; the receipt counts it as {path.erasure_of}"
        case _:
            return f"{path.reach}: {path.erasure_of}"


def record(register: Register) -> dict[str, Any]:
    """The record of processing activities, as a JSON document."""
    return {
        "tables": [
            {
                "table": table.model,
                "holds": table.holds,
                "retention": asdict(table.retention),
                "erasure": erasure_sentence(table),
                "export": table.path.export or None,
                "not_exported_because": table.path.unexported or None,
                "fields": [_fields(group) for group in table.fields],
            }
            for table in register.tables
        ],
        "files": [_place(place) for place in register.files],
        "redis_keys": [_place(place) for place in register.redis_keys],
        "logs": {
            "retention": asdict(LOG_RETENTION),
            "values": {log.logger: list(log.values) for log in register.logs},
        },
        "metrics": {metric.name: list(metric.labels) for metric in register.metrics},
    }


def _fields(group: Fields) -> dict[str, Any]:
    return {"names": list(group.names), "in_export": group.told, **_terms(group.terms)}


def _place(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "pattern": place.pattern,
        "holds": place.holds,
        "retention": asdict(place.retention),
        "erasure": place.erased,
        **_terms(place.terms),
    }


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "category": terms.category.value,
        "purposes": sorted(terms.purposes),
        "basis": terms.basis.value,
        "readers": list(terms.readers),
        "scrubbing": terms.scrub.value,
    }
