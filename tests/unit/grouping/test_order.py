"""The order in which crashes arrive, and how often, decides nothing that is clear."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping.engine import Grouper
from crashes.grouping.mechanisms import CURRENT, MECHANISMS
from tests.unit.grouping.builders import java_crash

MECHANISM = MECHANISMS[CURRENT]


@st.composite
def crashes(draw, most=8):
    """Crashes of some bugs: a bug's reports share its top frames, bugs share some callers."""
    found = {}
    for number in range(draw(st.integers(2, most))):
        bug = draw(st.sampled_from("ABC"))
        depth = draw(st.integers(1, 4))
        own = [f"com.example.{bug}.step{at}" for at in range(depth)]
        callers = draw(st.lists(st.sampled_from(["x", "y", "z"]), max_size=4))
        shared = [f"com.example.Shared.{name}" for name in callers]
        raised = draw(st.sampled_from(["a.Broken", "a.Gone"]))
        found[f"c{number}"] = MECHANISM.prepare(
            java_crash(*own, *shared, raised=raised), package=None
        )
    return found


def run(items, order):
    """Every crash's group as a set of members, and the scores of the pairs that were compared."""
    grouper, scores, openers = Grouper(), {}, {}
    for crash_id in order:
        found = grouper.assign(crash_id, items[crash_id])
        key = items[crash_id].exact_key
        if key not in openers:
            openers[key] = crash_id
            for other, (_, score) in zip(found.ranked, found.decision.ranked, strict=True):
                scores[frozenset((crash_id, other))] = score
        else:
            scores[frozenset((crash_id, openers[key]))] = 9.0
    roots = {crash_id: grouper.root_of(_group(grouper, crash_id)) for crash_id in order}
    return roots, scores


def _group(grouper, crash_id):
    for scope in grouper._scopes.values():
        for opener, group in zip(scope.openers, scope.groups, strict=True):
            if opener == crash_id:
                return group
    return crash_id


def reachable(ids, edges):
    """The connected component of every id."""
    part = {crash_id: {crash_id} for crash_id in ids}
    for one, other in edges:
        if part[one] is not part[other]:
            joined = part[one] | part[other]
            for crash_id in joined:
                part[crash_id] = joined
    return part


def variants_only(items, order):
    """The order without crashes that repeat an earlier one exactly."""
    seen, kept = set(), []
    for crash_id in order:
        if items[crash_id].exact_key not in seen:
            seen.add(items[crash_id].exact_key)
            kept.append(crash_id)
    return kept


@given(crashes().flatmap(lambda items: st.tuples(st.just(items), st.permutations(list(items)))))
def test_another_order_changes_no_pair_that_is_clear(case):
    items, shuffled = case
    shuffled = variants_only(items, shuffled)
    order = sorted(shuffled)

    groups, scores = run(items, order)
    groups_shuffled, scores_shuffled = run(items, shuffled)

    either = [
        tuple(pair)
        for found in (scores, scores_shuffled)
        for pair, score in found.items()
        if score >= MECHANISM.THRESHOLD
    ]
    component = reachable(order, either)
    for one, other in combinations(order, 2):
        pair = frozenset((one, other))
        both = (scores.get(pair, -1.0), scores_shuffled.get(pair, -1.0))
        if min(both) >= MECHANISM.LINK:
            assert groups[one] == groups[other]
            assert groups_shuffled[one] == groups_shuffled[other]
        if other not in component[one]:
            assert groups[one] != groups[other]
            assert groups_shuffled[one] != groups_shuffled[other]


@given(crashes(), st.randoms(use_true_random=False))
def test_repeats_of_what_was_seen_change_no_group(items, random):
    order = variants_only(items, list(items))
    once, _ = run(items, order)
    repeated = [crash_id for crash_id in order for _ in range(random.randint(1, 3))]

    grouper = Grouper()
    for at, crash_id in enumerate(repeated):
        first = crash_id not in repeated[:at]
        grouper.assign(crash_id if first else f"{crash_id}/{at}", items[crash_id])

    assert {crash_id: grouper.root_of(_group(grouper, crash_id)) for crash_id in order} == once


@given(crashes(), st.permutations(range(16)))
def test_streams_of_other_programs_do_not_meet(items, mixed):
    other = {
        f"o{crash_id}": MECHANISM.prepare(
            java_crash("com.other.A.run", *item.own_tokens, package="com.other"), package=None
        )
        for crash_id, item in items.items()
    }
    both = {**items, **other}
    places = dict(zip(both, mixed, strict=False))
    order = sorted(both, key=lambda crash_id: (places[crash_id], crash_id))
    own = [crash_id for crash_id in order if crash_id in items]

    alone, _ = run(items, own)
    among, _ = run(both, order)

    assert {crash_id: among[crash_id] for crash_id in own} == alone


@given(crashes())
def test_a_replay_gives_the_same_groups_and_scores(items):
    order = list(items)

    assert run(items, order) == run(items, order)
