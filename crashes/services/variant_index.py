"""The stored stacks, asked for a batch of new ones at once.

However many stacks a batch brings and however many are stored, likely variants cost four queries:
how common the terms are, who is filed under the rarest, what these look like, and how common
their terms are. Counts are kept (`TermCount`), so nothing is counted while somebody waits. What the
batch itself adds is looked at in memory and written at the end, so the answers are the same as if
its stacks had come one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b

from django.db import connection

from crashes.grouping.index import POSTINGS_CAP, choose_terms, rank_candidates
from crashes.grouping.mechanisms import MECHANISMS
from crashes.grouping.values import Candidate, FrameStats, GroupingInput
from crashes.models import StackVariant, TermCount, VariantTerm
from uxp_diag.db import insert_adding, subtract_rows

_CHUNK = 5_000
_UNIONS = 200

Scoped = tuple[int, int]
"""A scope's hash and a term."""

Home = tuple[int, bool]
"""An issue, and whether people's decisions may lead on from it."""

Stack = tuple[int, GroupingInput]
"""A stack with the hash of its scope."""


class VariantIndex:
    """The variants that a batch of new stacks may be compared with. Runs in a transaction."""

    def __init__(self, stacks: Iterable[Stack]) -> None:
        """`stacks` are the new ones of the batch, each of the mechanism it names."""
        self._terms = {stack: index_terms(stack[1]) for stack in stacks}
        self._counts: dict[int, dict[int, int]] = defaultdict(dict)
        self._postings: dict[Scoped, list[int]] = {}
        self._stored: dict[int, Candidate] = {}
        self._scope_of: dict[int, int] = {}
        self._homes: dict[int, Home] = {}
        self._rankings: dict[Stack, list[int]] = {}  # as long as the batch adds nothing
        self._new_terms: list[VariantTerm] = []
        self._new_counts: Counter[Scoped] = Counter()
        if self._terms:
            self._fetch()

    def candidates(self, stack: Stack) -> tuple[list[Candidate], FrameStats]:
        """Likely variants, best first, with the frame frequencies that scoring them needs."""
        ids = self._ranked(stack)
        self._load(set(ids))
        counts = self._counts[stack[0]]
        known = [self._stored[key] for key in ids if key in self._stored]
        return known, FrameStats(total=counts.get(TermCount.TOTAL, 0), frequency=counts)

    def home(self, variant_id: int) -> Home:
        """The home issue of a variant that was a candidate."""
        return self._homes[variant_id]

    def add(self, variant_id: int, stack: Stack, *, home: Home) -> None:
        """A stack that was stored just now; the others of the batch may join it."""
        self._homes[variant_id] = home
        self._rankings.clear()
        scope, item = stack
        counts = self._counts[scope]
        for term in self._terms[stack]:
            self._new_terms.append(VariantTerm(scope_hash=scope, term=term, variant_id=variant_id))
            self._postings.setdefault((scope, term), []).append(variant_id)
        for term in (*self._terms[stack], TermCount.TOTAL):
            self._new_counts[scope, term] += 1
            counts[term] = counts.get(term, 0) + 1
        self._stored[variant_id] = Candidate(variant_id, item)

    def flush(self) -> None:
        """Write what the batch added."""
        if not self._new_counts:
            return
        VariantTerm.objects.bulk_create(self._new_terms, batch_size=_CHUNK)
        add_counts(self._new_counts)
        self._new_terms, self._new_counts = [], Counter()

    # What is stored ---------------------------------------------------------------------------

    def _fetch(self) -> None:
        self._count(
            (stack[0], term)
            for stack, terms in self._terms.items()
            for term in (*terms, TermCount.TOTAL)
        )
        self._post({key for stack in self._terms for key in self._chosen(stack)})
        self._load({key for stack in self._terms for key in self._ranked(stack)})

    def _chosen(self, stack: Stack) -> list[Scoped]:
        scope = stack[0]
        return [(scope, term) for term in choose_terms(self._terms[stack], self._counts[scope])]

    def _ranked(self, stack: Stack) -> list[int]:
        if stack not in self._rankings:
            self._rankings[stack] = self._rank(stack)
        return self._rankings[stack]

    def _rank(self, stack: Stack) -> list[int]:
        chosen = self._chosen(stack)
        self._post(set(chosen))  # a term may have become one of the rarest by the batch itself
        counts = self._counts[stack[0]]
        postings = {key[1]: self._postings[key][-POSTINGS_CAP:] for key in chosen}
        return rank_candidates(postings, counts, counts.get(TermCount.TOTAL, 0))

    def _count(self, wanted: Iterable[Scoped]) -> None:
        by_scope: dict[int, list[int]] = defaultdict(list)
        for scope, term in wanted:
            if term not in self._counts[scope]:
                by_scope[scope].append(term)
        scopes = list(by_scope)
        every = {term for terms in by_scope.values() for term in terms}
        for terms in _chunks(every):
            rows = TermCount.objects.filter(scope_hash__in=scopes, term__in=terms, variants__gt=0)
            for scope, term, variants in rows.values_list("scope_hash", "term", "variants"):
                self._counts[scope][term] = variants

    def _post(self, wanted: set[Scoped]) -> None:
        """Who is filed under these terms: of each the newest, oldest first."""
        new = sorted(wanted - self._postings.keys())
        self._postings |= {key: [] for key in new}
        for start in range(0, len(new), _UNIONS):
            for scope, term, variant_id in _newest(new[start : start + _UNIONS]):
                self._postings[scope, term].append(variant_id)
                self._scope_of[variant_id] = scope
        for key in new:
            self._postings[key].sort()

    def _load(self, wanted: set[int]) -> None:
        new = wanted - self._stored.keys()
        if not new:
            return
        rows = StackVariant.objects.filter(pk__in=new)
        found = {}
        for pk, content, home_id, leads_on in rows.values_list(
            "pk", "content", "issue_id", "issue__leads_on"
        ):
            found[pk] = Candidate(pk, GroupingInput.from_json(content))
            self._homes[pk] = (home_id, leads_on)
        self._stored |= found
        self._count(
            {
                (self._scope_of[candidate.id], term)
                for candidate in found.values()
                for term in index_terms(candidate.input)
            }
        )


def index_terms(item: GroupingInput) -> tuple[int, ...]:
    """The terms of a stack, by the mechanism that prepared it."""
    return MECHANISMS[item.mechanism].index_terms(item)


def scope_hash(program_id: int, mechanism: str, scope: str) -> int:
    """A signed 64-bit number for what may be compared: one scope of one program and mechanism."""
    name = f"{program_id}/{mechanism}/{scope}"
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _newest(keys: Sequence[Scoped]) -> list[tuple[int, int, int]]:
    """Scope, term and variant of the newest POSTINGS_CAP variants under each key: one query."""
    table = connection.ops.quote_name(VariantTerm._meta.db_table)
    one = (
        f"SELECT * FROM (SELECT scope_hash, term, variant_id FROM {table} "  # noqa: S608
        "WHERE scope_hash = %s AND term = %s ORDER BY variant_id DESC LIMIT %s) AS newest"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join([one] * len(keys)),
            [value for scope, term in keys for value in (scope, term, POSTINGS_CAP)],
        )
        return list(cursor.fetchall())


def add_counts(counts: Mapping[Scoped, int]) -> None:
    """Let the kept counts grow."""
    rows = [
        TermCount(scope_hash=scope, term=term, variants=count)
        for (scope, term), count in sorted(counts.items())
    ]
    for start in range(0, len(rows), _CHUNK):
        insert_adding(rows[start : start + _CHUNK], conflict=["scope_hash", "term"], add="variants")


def forget_variants(variant_ids: Iterable[int]) -> None:
    """Delete stacks, and what the index knows of them."""
    gone = set(variant_ids)
    if not gone:
        return
    terms = VariantTerm.objects.filter(variant_id__in=gone).values_list("scope_hash", "term")
    counts: Counter[Scoped] = Counter(terms)
    variants = StackVariant.objects.filter(pk__in=gone)
    for place in variants.values_list("program_id", "mechanism", "scope"):
        counts[scope_hash(*place), TermCount.TOTAL] += 1
    lost = [
        TermCount(scope_hash=scope, term=term, variants=count)
        for (scope, term), count in sorted(counts.items())
    ]
    subtract_rows(lost, match=["scope_hash", "term"], field="variants")
    StackVariant.objects.filter(pk__in=gone).delete()


def _chunks(items: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(items)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
