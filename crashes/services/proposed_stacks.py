"""The stacks of a proposal become stacks of its mechanism.

Most of what applying a proposal writes are these rows with their index terms, and nobody looks at
them before the program is switched. So `stage_stacks` writes them beforehand, a bounded number in
each transaction, beside the workers; each stack gets the home of the report that it was first seen in.
The switch then only has to give other homes to those that go elsewhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from crashes.grouping.values import GroupingInput
from crashes.models import (
    GroupingProposal,
    ProposedStack,
    Report,
    StackVariant,
    TermCount,
    VariantLikeness,
    VariantTerm,
)
from crashes.models.report import COUNTED
from crashes.services.places import hold_decisions
from crashes.services.variant_index import add_counts, index_terms, scope_hash
from uxp_diag.db import lock_name, update_rows

STAGED = 500
_CHUNK = 2_000
_KEPT_ALIKE = 5


def stage_stacks(proposal_id: int, *, now: datetime) -> int:
    """Write the stacks of a proposal that are not there yet; how many were written.

    Each transaction holds up only who has new stacks of the same scopes. May be repeated.
    """
    proposal = GroupingProposal.objects.get(pk=proposal_id)
    variants: dict[int, int] = {}
    last, written = 0, 0
    while True:
        with transaction.atomic():
            hold_decisions([proposal.program_id])
            rows = ProposedStack.objects.filter(proposal_id=proposal_id, opened_by__gt=last)
            stacks = list(rows.order_by("opened_by")[:STAGED])
            if not stacks:
                return written
            last = stacks[-1].opened_by
            for scope in sorted({one.content["scope"] for one in stacks}):
                lock_name(f"grouping/{proposal.program_id}/{scope}")
            homes = _first_homes(stacks)
            written += write_stacks(
                proposal, [one for one in stacks if one.opened_by in homes], homes, variants, now
            )


def _first_homes(stacks: Sequence[ProposedStack]) -> dict[int, int]:
    """By stack the home of the report that it was first seen in, where that is still there."""
    openers = Report.objects.filter(
        COUNTED, pk__in=[one.opened_by for one in stacks], variant__isnull=False
    )
    return dict(openers.values_list("pk", "variant__issue"))


def write_stacks(
    proposal: GroupingProposal,
    stacks: Iterable[ProposedStack],
    homes: Mapping[int, int],
    variants: dict[int, int],
    now: datetime,
) -> int:
    """Give stacks their homes, new ones with all that is known of them; how many are new.

    `variants` learns the number of each.
    """
    mine = StackVariant.objects.filter(program_id=proposal.program_id, mechanism=proposal.mechanism)
    keys = {one.content["exact_key"]: one for one in stacks}
    known = dict(mine.filter(exact_key__in=keys).values_list("exact_key", "pk"))
    variants |= {keys[key].opened_by: pk for key, pk in known.items()}
    new = [
        (stack, _variant(proposal, stack, homes, now))
        for key, stack in keys.items()
        if key not in known
    ]
    StackVariant.objects.bulk_create([variant for _, variant in new])
    variants |= {stack.opened_by: variant.pk for stack, variant in new}
    terms, counts = [], Counter[tuple[int, int]]()
    likenesses: list[VariantLikeness] = []
    for stack, variant in new:
        variant.decision = _receipt(stack.decision, variants)
        likenesses += _alike(variant.pk, stack.decision, variants)
        item = GroupingInput.from_json(stack.content)
        scope = scope_hash(proposal.program_id, item.mechanism, item.scope)
        found = index_terms(item)
        terms += [VariantTerm(scope_hash=scope, term=term, variant=variant) for term in found]
        counts.update((scope, term) for term in (*found, TermCount.TOTAL))
    update_rows([variant for _, variant in new], ("decision",))
    VariantTerm.objects.bulk_create(terms, batch_size=_CHUNK)
    add_counts(counts)
    VariantLikeness.objects.bulk_create(likenesses)
    return len(new)


def _variant(
    proposal: GroupingProposal, stack: ProposedStack, homes: Mapping[int, int], now: datetime
) -> StackVariant:
    """A stack without its receipt, which names others by numbers that they get together."""
    return StackVariant(
        program_id=proposal.program_id,
        mechanism=proposal.mechanism,
        scope=stack.content["scope"],
        exact_key=stack.content["exact_key"],
        issue_id=homes[stack.opened_by],
        content=stack.content,
        decision={},
        created_at=now,
    )


def _receipt(decision: Mapping[str, Any], variants: Mapping[int, int]) -> dict[str, Any]:
    """The receipt of a stack, with the numbers of stacks where the proposal has reports."""
    receipt = {key: value for key, value in decision.items() if key != "scores"}
    for key in ("best", "next_best"):
        pair = receipt.get(key)
        receipt[key] = [variants[pair[0]], pair[1]] if pair and pair[0] in variants else None
    for key in ("similar_variants", "linked_variants"):
        receipt[key] = [variants[one] for one in receipt[key] if one in variants]
    receipt["joined_variant"] = variants.get(receipt["joined_variant"])
    return receipt


def _alike(
    variant_id: int, decision: Mapping[str, Any], variants: Mapping[int, int]
) -> Iterator[VariantLikeness]:
    scores = dict(decision["scores"])
    strong = decision["linked_variants"]
    weak = [one for one in decision["similar_variants"] if one not in strong]
    for opened_by in [*strong, *weak][:_KEPT_ALIKE]:
        if opened_by in variants:
            yield VariantLikeness(
                variant_id=variant_id,
                other_id=variants[opened_by],
                score=scores[opened_by],
                is_strong=opened_by in strong,
            )
