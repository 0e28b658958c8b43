"""What a query means for issues and for reports, as conditions of the database.

Values of one key are alternatives; keys, comparisons, words and exclusions all have to hold. Text is compared
without regard to case, the same on PostgreSQL and SQLite. The model and the OS build of an issue
are those of its reports, so they look into its tally.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Exists, F, Lookup, OuterRef, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.sql.compiler import SQLCompiler

from crashes.models import Issue, IssueTally, Report, TriageEvent
from crashes.triage.bounds import moment_bounds, number_bounds
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


def issues_matching(query: Query, *, me: int | None) -> Q:
    """The condition on `Issue` that a query is; `me` is the person who asks."""
    conditions: dict[str, Condition] = {
        "kind": lambda term: Q(kind=term.value),
        "package": lambda term: _text(F("package"), term),
        "signature": lambda term: _text(F("signature"), term),
        "model": lambda term: _in_tally("model", term),
        "os_build": lambda term: _in_tally("os_build", term),
        "version": lambda term: _in_tally("version_name", term),
        "mcc": lambda term: _in_tally("mcc", term),
    }
    return _all_of(query, conditions | _of_issue(query, "", me=me), words=F("signature"))


def reports_matching(query: Query, *, me: int | None) -> Q:
    """The condition on `Report` that a query is.

    What is said of issues (state, signature, person, counts, when it was seen) is that of its issue.
    """
    signature = Coalesce(F("issue__signature"), Value(""))
    conditions: dict[str, Condition] = {
        "kind": lambda term: Q(kind=term.value),
        "package": lambda term: _text(F("package"), term),
        "signature": lambda term: _text(signature, term),
        "model": lambda term: _text(F("model"), term),
        "os_build": lambda term: _text(F("os_build"), term),
        "version": lambda term: _text(F("version_name"), term),
        "mcc": lambda term: _text(F("mcc"), term),
    }
    return _all_of(query, _of_issue(query, "issue__", me=me) | conditions, words=signature)


def _of_issue(query: Query, issue: str, *, me: int | None) -> dict[str, Condition]:
    """The conditions on columns of an issue, which is at the end of this path."""
    return {
        "is": lambda term: _state(issue, term.value),
        "assigned": lambda term: _assigned(issue, term, me=me),
        "has": lambda term: _has(issue, term.value),
        "devices": lambda term: _number(f"{issue}device_count", term),
        "reports": lambda term: _number(f"{issue}report_count", term),
        "first_seen": lambda term: _moment(f"{issue}first_seen_at", term, query),
        "last_seen": lambda term: _moment(f"{issue}last_seen_at", term, query),
    }


def _state(issue: str, value: str) -> Q:
    if value == "regressed":
        return Q(**{f"{issue}state": Issue.State.OPEN, f"{issue}regressed_at__isnull": False})
    return Q(**{f"{issue}state": value})


def _assigned(issue: str, term: Term, *, me: int | None) -> Q:
    match term.value.lower():
        case "none":
            return Q(**{f"{issue}assignee__isnull": True})
        case "me" if me is None:
            return Q(pk__in=[])
        case "me":
            return Q(**{f"{issue}assignee": me})
        case _:
            return _text(Coalesce(F(f"{issue}assignee__username"), Value("")), term)


def _has(issue: str, value: str) -> Q:
    number = OuterRef(f"{issue}pk" if not issue else "issue_id")
    match value:
        case "assignee":
            return Q(**{f"{issue}assignee__isnull": False})
        case "comments":
            return Q(Exists(TriageEvent.objects.filter(issue=number, kind="comment")))
        case _ if issue:
            return Q(named_frames__gt=0)
        case _:
            return Q(Exists(Report.objects.filter(issue=number, named_frames__gt=0)))


def _number(column: str, term: Term) -> Q:
    bounds = number_bounds(term.operator.value, term.value)
    ends = {f"{column}__gte": bounds.least, f"{column}__lte": bounds.most}
    return Q(**{name: end for name, end in ends.items() if end is not None})


def _moment(column: str, term: Term, query: Query) -> Q:
    if query.asked_at is None:
        raise ValueError("a query about moments says when it is asked")
    bounds = moment_bounds(term.operator.value, term.value, now=query.asked_at)
    ends = {f"{column}__gte": bounds.start, f"{column}__lt": bounds.end}
    return Q(**{name: end for name, end in ends.items() if end is not None})


def _all_of(query: Query, conditions: dict[str, Condition], *, words: Combinable) -> Q:
    whole = Q()
    for key, condition in conditions.items():
        terms = query.having(key)
        wanted = [term for term in terms if not term.negated]
        whole &= _any_of(condition(term) for term in wanted if not term.operator)
        for term in wanted:
            if term.operator:
                whole &= condition(term)
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
