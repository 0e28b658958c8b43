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


def test_an_empty_list_has_nothing():
    assert not curated.compile_patterns("empty", ()).has("")
