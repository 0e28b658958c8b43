"""Links that change a list: every state of it is an address, so it can be kept and sent.

A page without `q` starts with what is open; `q` once given is the whole truth, also when it is
empty. Links leave the cursor out: another list begins at its beginning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode

from crashes.selectors.issues import ISSUE_ORDERS, Facet
from crashes.triage.query import KEYS, Query, Term, parse
from crashes.web.words import FIELDS, STATES, kind_label

DEFAULT_QUERY = "is:open"


@dataclass(frozen=True, slots=True)
class Link:
    """Something to click that changes the list."""

    label: str
    url: str
    is_current: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class FacetView:
    """The values of one key, each a link that adds or removes it."""

    key: str
    label: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """A condition that is on, and the address without it."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class ListAddress:
    """Query and order of a list, and the addresses that differ from it."""

    path: str
    query: Query
    sort: str

    @classmethod
    def of(cls, request: HttpRequest) -> "ListAddress":
        """What the address of a request asks for. Raises BadQuery."""
        text = request.GET.get("q", DEFAULT_QUERY)
        return cls(request.path, parse(text, asked_at=timezone.now()), request.GET.get("sort", ""))

    def url(self, query: Query | None = None, *, sort: str | None = None, cursor: str = "") -> str:
        """The address with another query, order or page."""
        wanted = self.query if query is None else query
        order = self.sort if sort is None else sort
        parts = {"q": str(wanted), "sort": order, "cursor": cursor}
        kept = {name: value for name, value in parts.items() if value or name == "q"}
        return f"{self.path}?{urlencode(kept)}"

    def state_links(self, counts: Mapping[str, int]) -> list[Link]:
        """Open, muted, resolved, and all of them."""
        rest = self.query.without("is")
        chosen = self.query.values("is")
        links = [
            Link(label, self.url(rest.plus("is", state)), chosen == (state,), counts[state])
            for state, label in STATES.items()
        ]
        everything = Link("All", self.url(rest), not self.query.having("is"), sum(counts.values()))
        return [*links, everything]

    def count(self, counts: Mapping[str, int]) -> int:
        """How many issues the list has, by the counts of all states."""
        chosen = set(self.query.values("is") or counts)
        excluded = {term.value for term in self.query.having("is") if term.negated}
        return sum(count for state, count in counts.items() if state in chosen - excluded)

    def sort_links(self) -> list[Link]:
        """One link for each order."""
        current = self.sort or next(iter(ISSUE_ORDERS))
        return [
            Link(order.label, self.url(sort=name), name == current)
            for name, order in ISSUE_ORDERS.items()
        ]

    def facet_views(self, facets: Sequence[Facet]) -> list[FacetView]:
        """The facets with a link for each value."""
        return [self._facet_view(facet) for facet in facets if facet.values]

    def _facet_view(self, facet: Facet) -> FacetView:
        links = tuple(
            Link(
                kind_label(item.value) if facet.key == "kind" else item.value,
                self.url(
                    self.query.minus(facet.key, item.value)
                    if item.is_chosen
                    else self.query.plus(facet.key, item.value)
                ),
                item.is_chosen,
                item.issues,
            )
            for item in facet.values
        )
        return FacetView(facet.key, FIELDS[facet.key], links)

    def chips(self) -> list[Chip]:
        """Every condition beside the state, each with the address that drops it."""
        return [
            Chip(str(term), self.url(self._less(term)))
            for term in self.query.terms
            if term.key != "is" or term.negated
        ]

    def _less(self, unwanted: Term) -> Query:
        kept = (term for term in self.query.terms if term is not unwanted)
        return replace(self.query, terms=tuple(kept))


def narrowed(address: ListAddress, request: HttpRequest) -> str:
    """Where the form "add a filter" leads: the address with one more value. Raises BadQuery."""
    key, value = request.GET.get("key", ""), request.GET.get("value", "").strip()
    if key not in KEYS or not value:
        return address.url()
    quoted = value.replace('"', '\\"')
    written = value if KEYS[key].has_order else f'"{quoted}"'
    more = parse(f"{key}:{written}").terms
    return address.url(replace(address.query, terms=(*address.query.terms, *more)))
