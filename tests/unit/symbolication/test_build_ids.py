"""The names that one build goes by."""

import pytest

from crashes.symbolication.build_ids import beginnings, unpadded
from crashes.symbolication.elf import debug_id_of

WHOLE = "c16b1f0c4f2e36bf9a0e4d7fa8a1e2d3b4c5d6e7"
HALF = WHOLE[:32]


@pytest.mark.parametrize(
    "name",
    [
        debug_id_of(WHOLE),
        f"{debug_id_of(WHOLE)}-1",
        debug_id_of(WHOLE).replace("-", ""),
        debug_id_of(WHOLE).replace("-", "") + "0",
        HALF,
    ],
)
def test_every_spelling_leads_to_the_build_id(name: str) -> None:
    assert HALF in beginnings(name)


@pytest.mark.parametrize("name", [WHOLE, WHOLE[:16], "", "aabb", "not hex at all", "g" * 32])
def test_a_whole_build_id_or_nonsense_leads_nowhere_else(name: str) -> None:
    assert beginnings(name) == ()


def test_a_short_build_id_is_found_behind_its_zeros() -> None:
    short = "00112233445566ab"
    (beginning,) = beginnings(debug_id_of(short))

    assert beginning == short + "0" * 16
    assert short in unpadded(beginning)
    assert unpadded(HALF) == ()
