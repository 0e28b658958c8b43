"""Stacks in arrays: the same answers as dicts and objects, in less memory."""

import tracemalloc
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping.engine import Grouper
from crashes.grouping.index import (
    FEWEST_TERMS,
    MOST_POSTINGS,
    MOST_TERMS,
    POSTINGS_CAP,
    choose_terms,
)
from crashes.grouping.packing import TermTable, VariantStore, Vocabulary
from crashes.grouping.records import prepare_record
from crashes.management.benchmarks.stacks import make_stack

TERMS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.sampled_from([256, 512, 1 << 40])


@given(terms=st.lists(TERMS, max_size=900))
def test_a_table_answers_like_a_dict_of_lists(terms):
    table, lists = TermTable(), dict[int, list[int]]()

    for number, term in enumerate(terms):
        table.add(term, number)
        lists.setdefault(term, []).append(number)

    assert dict(table) == {term: len(numbers) for term, numbers in lists.items()}
    assert len(table) == len(lists)
    for term, numbers in lists.items():
        assert table.newest(term, 3) == numbers[-3:]
        assert table.newest(term, 10_000) == numbers
    assert table.get(77_777) == table.get(77_777, 0)
    assert (77_777 in table) == (77_777 in lists)


@given(count=st.integers(1, 1_500), kept=st.integers(1, 600), most=st.integers(1, 600))
def test_a_common_term_keeps_its_count_and_its_newest_numbers(count, kept, most):
    table = TermTable(kept=kept)
    for number in range(count):
        table.add(7, number)
        table.add(7 + 256, number)  # its neighbor in the table

    newest = list(range(count))[-min(most, kept) :]
    for term in (7, 7 + 256):
        assert table[term] == count
        assert table.newest(term, min(most, kept)) == newest


def test_a_term_that_every_stack_has_takes_no_room_for_each_of_them():
    table = TermTable(kept=100)
    for number in range(1_000):
        table.add(7, number)

    tracemalloc.start()
    for number in range(1_000, 50_000):
        table.add(7, number)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert table[7] == 50_000
    assert table.newest(7, 100) == list(range(49_900, 50_000))
    assert grown < 10_000


def test_a_stored_stack_compares_as_before():
    store = VariantStore(Vocabulary())
    items = [
        replace(
            prepare_record(make_stack(number, changed=number % 4)),
            culprit="lock held at com.example.Sync.write" if number % 3 else "",
        )
        for number in range(40)
    ]

    for item in items:
        store.append(item)

    for number, item in enumerate(items):
        kept = store.candidate(number).input
        for name in (
            "mechanism",
            "scope",
            "exception_type",
            "tokens",
            "homes",
            "in_app",
            "words",
            "culprit",
        ):
            assert getattr(kept, name) == getattr(item, name)


def test_learning_is_assigning_without_comparing():
    grouper = Grouper()
    for number in range(30):
        grouper.learn(str(number), prepare_record(make_stack(number)))

    for number in range(30):
        assert grouper.assign("again", prepare_record(make_stack(number))).group == str(number)
    assert grouper.assign("like", prepare_record(make_stack(7, changed=3))).group == "7"


def test_common_terms_do_not_make_a_query_long():
    df = dict.fromkeys(range(40), 1_000_000)
    rare = dict.fromkeys(range(40), 2)

    assert len(choose_terms(range(40), df)) == FEWEST_TERMS
    assert choose_terms(range(40), rare) == list(range(MOST_TERMS))
    mixed = rare | dict.fromkeys(range(20, 40), POSTINGS_CAP)
    chosen = choose_terms(range(40), mixed)
    assert sum(min(mixed[term], POSTINGS_CAP) for term in chosen) <= MOST_POSTINGS


def test_a_thousand_more_groups_take_few_bytes_each():
    grouper = Grouper()
    items = [prepare_record(make_stack(number)) for number in range(2_000)]
    for number in range(1_000):
        grouper.learn(str(number), items[number])

    tracemalloc.start()
    for number in range(1_000, 2_000):
        grouper.learn(str(number), items[number])
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert grown / 1_000 < 12_000  # its terms are cached by the mechanism, names are still new
