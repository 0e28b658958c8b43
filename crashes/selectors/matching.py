"""What a query means for issues and for reports, as conditions of the database.

Values of one key are alternatives; keys, words and exclusions all have to hold. Text is compared
without regard to case, the same on PostgreSQL and SQLite. The model and the OS build of an issue
are those of its reports, so they look into its tally.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Exists, F, Lookup, OuterRef, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.sql.compiler import SQLCompiler

from crashes.models import IssueTally
from crashes.triage.query import Query, Term

Condition = Callable[[Term], Q]


class Like(Lookup):
    """`LIKE` without regard to case. Both sides go through the same function of the database."""

    lookup_name = "like"

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, Any]:
        """The comparison in SQL that both databases read."""
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        sql = f"LOWER({left}) LIKE LOWER({right}) ESCAPE '\\'"
        return sql, (*left_values, *right_values)


def issues_matching(query: Query) -> Q:
    """The condition on `Issue` that a query is."""
    return _all_of(
        query,
        {
            "is": lambda term: Q(state=term.value),
            "kind": lambda term: Q(kind=term.value),
            "package": lambda term: _text(F("package"), term),
            "signature": lambda term: _text(F("signature"), term),
            "model": lambda term: _in_tally("model", term),
            "os_build": lambda term: _in_tally("os_build", term),
        },
        words=F("signature"),
    )


def reports_matching(query: Query) -> Q:
    """The condition on `Report` that a query is; state and signature are those of its issue."""
    signature = Coalesce(F("issue__signature"), Value(""))
    return _all_of(
        query,
        {
            "is": lambda term: Q(issue__state=term.value),
            "kind": lambda term: Q(kind=term.value),
            "package": lambda term: _text(F("package"), term),
            "signature": lambda term: _text(signature, term),
            "model": lambda term: _text(F("model"), term),
            "os_build": lambda term: _text(F("os_build"), term),
        },
        words=signature,
    )


def _all_of(query: Query, conditions: dict[str, Condition], *, words: Combinable) -> Q:
    whole = Q()
    for key, condition in conditions.items():
        terms = query.having(key)
        whole &= _any_of(condition(term) for term in terms if not term.negated)
        for term in terms:
            if term.negated:
                whole &= ~condition(term)
    for term in query.having(None):
        found = _text(words, term, anywhere=True)
        whole &= ~found if term.negated else found
    return whole


def _any_of(conditions: Iterable[Q]) -> Q:
    whole = Q()
    for condition in conditions:
        whole |= condition
    return whole


def _text(column: Combinable, term: Term, *, anywhere: bool = False) -> Q:
    pattern = "%".join(literal(piece) for piece in term.pieces)
    return Q(Like(column, Value(f"%{pattern}%" if anywhere else pattern)))


def literal(text: str) -> str:
    """The text as a pattern of `Like` that only it matches."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _in_tally(column: str, term: Term) -> Q:
    cells = IssueTally.objects.filter(_text(F(column), term), issue=OuterRef("pk"))
    return Q(Exists(cells))
