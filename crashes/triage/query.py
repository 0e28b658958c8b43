r"""The query language: one way to say which issues or reports are meant.

A query is a row of terms between blanks. `key:value` looks at one field, anything else is a word
of the signature:

    is:open kind:anr model:"Nokia G42 5G" !os_build:V3.42* package:com.example.app timeout

* quotes keep blanks together; inside them `\"` is a quote and `\\` a backslash;
* `*` stands for any text, quoted or not; `\*` is a star. Upper and lower case are the same;
* `!` in front of a term turns it around;
* terms of the same key are alternatives (`is:open is:muted`), different keys all have to hold,
  and so does every word and everything turned around;
* `<`, `<=`, `>`, `>=` in front of an unquoted value compare, for the keys that have an order;
  comparisons of one key all have to hold (`devices:>10 devices:<50`). `triage.bounds` says what
  numbers, dates and ages look like.

Parsing gives a `Query` of `Term`s with positions and never looks at data; what a key means is
decided where queries are run. A text that is no query raises `BadQuery`, which says where and,
when there is one, what to write instead. To add a key, add a line to `KEYS`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from rapidfuzz import process

from crashes.stack import CrashKind
from crashes.triage.bounds import NotOrdered, moment_bounds, number_bounds

_ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""Whether a value can be read does not depend on when it is."""

LONGEST_QUERY = 1_000
MOST_TERMS = 40


class Operator(StrEnum):
    """How a term compares its field with its value."""

    IS = ""
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


class Holds(StrEnum):
    """What the values of a key are. Numbers and moments have an order, so they compare."""

    TEXT = "text"
    CHOICE = "choice"
    NUMBER = "number"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Key:
    """What a key means and takes; `choices` are all that a key of choices takes."""

    means: str
    holds: Holds = Holds.TEXT
    choices: tuple[str, ...] = ()
    example: str = ""

    @property
    def has_order(self) -> bool:
        """Whether its values compare."""
        return self.holds in {Holds.NUMBER, Holds.MOMENT}


def _choice(means: str, *choices: str) -> Key:
    return Key(means, Holds.CHOICE, choices, choices[0])


KEYS: Mapping[str, Key] = {
    "is": _choice(
        "state of the issue; regressed is open again after it was resolved",
        "open",
        "muted",
        "resolved",
        "regressed",
    ),
    "kind": _choice("what went wrong", *(kind.value for kind in CrashKind)),
    "model": Key("model of the phone", example='"Nokia G42 5G"'),
    "os_build": Key("build of the system software", example="V3.4*"),
    "package": Key("package of the app", example="com.example.*"),
    "version": Key("version of the app, by name", example="1.4.2"),
    "mcc": Key("country code of the network; `region` is the same", example="244"),
    "signature": Key("readable name of the crash", example="*libfoo*"),
    "first_seen": Key("when it happened first", Holds.MOMENT, example="<7d"),
    "last_seen": Key("when it happened last", Holds.MOMENT, example=">=2026-11-01"),
    "devices": Key("how many devices met it", Holds.NUMBER, example=">100"),
    "reports": Key("how many reports it has", Holds.NUMBER, example="10..50"),
    "assigned": Key("whose it is: a name, me, or none", example="me"),
    "has": _choice("what there is of it", "symbols", "comments", "assignee"),
}

_OTHER_NAMES = {"region": "mcc", "assignee": "assigned"}


class BadQuery(Exception):
    """The text is no query. `position` counts characters from 0."""

    def __init__(self, detail: str, *, position: int, suggestion: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.position = position
        self.suggestion = suggestion

    @property
    def sentence(self) -> str:
        """The whole story in a line: what, where, and what to write instead."""
        hint = f" Did you mean `{self.suggestion}`?" if self.suggestion else ""
        return f"{self.detail} (at character {self.position + 1}).{hint}"


@dataclass(frozen=True, slots=True)
class Term:
    r"""One condition.

    `key` is None for a word. In `pattern` a `*` stands for any text, and `\*` and `\\` for a
    star and a backslash. `start` and `end` say where in the text the term was.
    """

    key: str | None
    pattern: str
    operator: Operator = Operator.IS
    negated: bool = False
    start: int = 0
    end: int = 0

    @property
    def pieces(self) -> tuple[str, ...]:
        """The literal text between the stars; one piece when there is no star."""
        return tuple(_plain(piece) for piece in _split_at_stars(self.pattern))

    @property
    def value(self) -> str:
        """The pattern as plain text; stars stay stars."""
        return _plain(self.pattern)

    def __str__(self) -> str:
        sign = "!" if self.negated else ""
        key = f"{self.key}:" if self.key else ""
        return f"{sign}{key}{self.operator.value}{_written(self.pattern, after_key=bool(key))}"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. `str` writes it so that parsing gives the same query again.

    `asked_at` is the moment from which ages count back.
    """

    terms: tuple[Term, ...] = ()
    asked_at: datetime | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)

    def having(self, key: str | None) -> tuple[Term, ...]:
        """The terms of one key, or the words."""
        return tuple(term for term in self.terms if term.key == key)

    def values(self, key: str) -> tuple[str, ...]:
        """What the key is asked to be, exclusions left out."""
        return tuple(term.value for term in self.having(key) if not term.negated)

    def plus(self, key: str, value: str) -> "Query":
        """The query with one more value for a key, if it is not there yet."""
        term = Term(key, escape(value))
        same = [_without_place(item) for item in self.terms]
        return self if term in same else replace(self, terms=(*self.terms, term))

    def minus(self, key: str, value: str) -> "Query":
        """The query without this value of the key."""
        unwanted = Term(key, escape(value))
        kept = (term for term in self.terms if _without_place(term) != unwanted)
        return replace(self, terms=tuple(kept))

    def without(self, *keys: str | None) -> "Query":
        """The query less all terms of these keys."""
        return replace(self, terms=tuple(term for term in self.terms if term.key not in keys))


def escape(text: str) -> str:
    """The pattern that only this text matches."""
    return text.replace("\\", "\\\\").replace("*", "\\*")


def parse(text: str, *, asked_at: datetime | None = None) -> Query:
    """The query in a text; the empty text is the query for everything. Raises BadQuery."""
    if len(text) > LONGEST_QUERY:
        raise BadQuery(f"A query has at most {LONGEST_QUERY} characters", position=LONGEST_QUERY)
    if "\0" in text:
        raise BadQuery("A query holds no NUL character", position=text.index("\0"))
    terms = tuple(_terms(text))
    if len(terms) > MOST_TERMS:
        raise BadQuery(f"A query has at most {MOST_TERMS} terms", position=terms[MOST_TERMS].start)
    return Query(terms, asked_at)


_BLANK = re.compile(r"\s+")
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*):")
_COMPARISON = re.compile(r"<=|>=|<|>")
_BARE = re.compile(r"[^\s\"]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def _terms(text: str) -> Iterator[Term]:
    position = 0
    while True:
        if blank := _BLANK.match(text, position):
            position = blank.end()
        if position >= len(text):
            return
        term = _term_at(text, position)
        yield term
        position = term.end


def _term_at(text: str, start: int) -> Term:
    position = start
    negated = text.startswith("!", position)
    position += negated
    key, position = _key_at(text, position)
    operator = Operator.IS
    if key is not None and (comparison := _COMPARISON.match(text, position)):
        operator, position = Operator(comparison.group()), comparison.end()
    pattern, end = _value_at(text, position)
    term = Term(key, pattern, operator, negated, start, end)
    _check(term, value_start=position)
    return term


def _key_at(text: str, position: int) -> tuple[str | None, int]:
    """The key at a position, if a term with a key begins there. Raises BadQuery."""
    match = _KEY.match(text, position)
    if match is None or text.startswith("::", match.end() - 1):  # `ns::f` is a word
        return None, position
    name = match.group(1)
    key = _OTHER_NAMES.get(name.lower(), name.lower())
    if key in KEYS:
        return key, match.end()
    raise BadQuery(
        f"There is no key `{name}`", position=position, suggestion=_nearest(name, KEYS, end=":")
    )


def _value_at(text: str, position: int) -> tuple[str, int]:
    """The pattern at a position and where it ends. Raises BadQuery."""
    if text.startswith('"', position):
        match = _QUOTED.match(text, position)
        if match is None:
            raise BadQuery("This quote is never closed", position=position, suggestion='"')
        return _normal(match.group(1)), match.end()
    match = _BARE.match(text, position)
    if match is None:
        raise BadQuery("A value is missing", position=position)
    return _normal(match.group()), match.end()


def _check(term: Term, *, value_start: int) -> None:
    if not term.pattern:
        raise BadQuery("A value is missing", position=value_start)
    if term.key is None:
        return
    key = KEYS[term.key]
    if term.operator is not Operator.IS and not key.has_order:
        raise BadQuery(
            f"`{term.key}` cannot be compared", position=value_start - len(term.operator.value)
        )
    if key.has_order:
        _check_bounds(term, key, value_start=value_start)
    if key.choices and term.value not in key.choices:
        raise BadQuery(
            f"`{term.key}` is one of {', '.join(key.choices)}",
            position=value_start,
            suggestion=_nearest(term.value, key.choices, start=f"{term.key}:"),
        )


def _check_bounds(term: Term, key: Key, *, value_start: int) -> None:
    try:
        if key.holds is Holds.NUMBER:
            number_bounds(term.operator.value, term.value)
        else:
            moment_bounds(term.operator.value, term.value, now=_ANY_MOMENT)
    except NotOrdered as problem:
        suggestion = f"{term.key}:{problem.suggestion or key.example}"
        raise BadQuery(
            f"`{term.key}` {problem}", position=value_start, suggestion=suggestion
        ) from problem


def _nearest(
    name: str, known: Mapping[str, Key] | tuple[str, ...], *, start: str = "", end: str = ""
) -> str | None:
    found = process.extractOne(name.lower(), list(known), score_cutoff=60)
    return f"{start}{found[0]}{end}" if found else None


# Patterns -------------------------------------------------------------------------------------

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STARS = re.compile(r"\*+")
_PIECE = re.compile(r"(?:[^\\*]|\\.)+", re.DOTALL)


def _normal(written: str) -> str:
    r"""The pattern in a written value: only `\*` and `\\` stay escaped, runs of stars are one."""
    parts = []
    position = 0
    while position < len(written):
        if stars := _STARS.match(written, position):
            parts.append("*")
            position = stars.end()
        elif (pair := _ESCAPED.match(written, position)) and pair.group(1) in '\\*"':
            parts.append(escape(pair.group(1)))
            position = pair.end()
        else:
            parts.append(escape(written[position]))
            position += 1
    return "".join(parts)


def _split_at_stars(pattern: str) -> list[str]:
    pieces, position = [], 0
    for match in re.finditer(r"\\.|\*", pattern, re.DOTALL):
        if match.group() == "*":
            pieces.append(pattern[position : match.start()])
            position = match.end()
    return [*pieces, pattern[position:]]


def _plain(pattern: str) -> str:
    return _ESCAPED.sub(r"\1", pattern)


def _written(pattern: str, *, after_key: bool) -> str:
    """The pattern as a person would type it, quoted where it has to be."""
    looks_special = _KEY.match(pattern) or pattern.startswith("!")
    reads_on = after_key and (pattern.startswith(":") or _COMPARISON.match(pattern))
    if re.search(r'[\s"]', pattern) or reads_on or (looks_special and not after_key):
        return '"' + pattern.replace('"', '\\"') + '"'
    return pattern


def _without_place(term: Term) -> Term:
    return replace(term, start=0, end=0)
