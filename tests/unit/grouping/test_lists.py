"""Every line of every curated list compiles, matches, and is needed."""

import re

import pytest

from crashes.grouping import curated

LINES = [(name, line) for name in curated.names() for line in curated.load(name).patterns]


def example_of(pattern: str) -> str:
    """A text the pattern covers: the first letter of a choice, `x` for any text."""
    return re.sub(r"\[(.)[^\]]*\]", r"\1", pattern).replace("*", "x")


@pytest.mark.parametrize(("name", "line"), LINES)
def test_a_line_has_an_effect_that_no_other_line_has(name, line):
    whole = curated.load(name)
    rest = tuple(pattern for pattern in whole.patterns if pattern != line)

    assert whole.has(example_of(line))
    assert not curated.compile_patterns(name, rest).has(example_of(line))


@pytest.mark.parametrize("name", curated.names())
def test_no_line_stands_twice(name):
    patterns = curated.load(name).patterns

    assert len(set(patterns)) == len(patterns)


def test_the_readme_tells_of_every_list():
    readme = (curated.FOLDER / "README.md").read_text(encoding="utf-8")

    assert [name for name in curated.names() if f"`{name}.txt`" not in readme] == []


OWN = [
    ("runtime_kernel", "list_lru_add"),
    ("runtime_kernel", "atomic_open"),
    ("runtime_kernel", "rb_commit"),
    ("runtime_kernel", "__copy_skb_header"),
    ("runtime_kernel", "down_the_link"),
    ("runtime_kernel", "tun_get_user"),
    ("runtime_native", "Session::assertOwner"),
    ("runtime_native", "decode_layer"),
    ("runtime_managed", "com.example.java.Feed.row"),
    ("allocators", "freeze_screen"),
]
FOREIGN = [
    ("runtime_kernel", "rwsem_down_write_slowpath"),
    ("runtime_kernel", "__mutex_lock_common"),
    ("runtime_kernel", "__list_del_entry_valid"),
    ("runtime_kernel", "refcount_warn_saturate"),
    ("runtime_kernel", "_copy_to_user"),
    ("runtime_native", "ut_dbg_assertion_failed"),
    ("runtime_native", "my_assert_fail"),
]


@pytest.mark.parametrize(("name", "function"), OWN)
def test_code_that_only_sounds_like_runtime_is_on_no_list(name, function):
    assert not curated.load(name).has(function)


@pytest.mark.parametrize(("name", "function"), FOREIGN)
def test_code_that_works_for_a_caller_is_on_its_list(name, function):
    assert curated.load(name).has(function)


def test_an_empty_list_has_nothing():
    assert not curated.compile_patterns("empty", ()).has("")
