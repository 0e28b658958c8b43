"""Keys that we have no word for are counted wherever they stand, and nothing else is."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.intake.report import Report, count_unknown_keys
from devices.api.enrollment import EnrollmentInput
from devices.dropped_keys import count_dropped_keys
from devices.vitals.sample import Sample

SAMPLE = {
    "sample_id": "7b0b62ee-36c6-4b3b-9a16-0f36d5f4fd7e",
    "interval_start": "2026-11-20T00:00:00Z", "interval_end": "2026-11-20T06:00:00Z",
    "software": {"os_build": "V3.420"}, "network": {"mcc": "244"}, "battery": {"screen_on_s": 1},
    "counters": {"anrs": 1}, "apps": [{"package": "a"}, {"package": "b", "cold_start_ms": [1]}],
    "installed": [{"package": "a"}],
}  # fmt: skip
PLACES = [
    (), ("software",), ("network",), ("battery",), ("counters",), ("apps", 0), ("apps", 1),
    ("installed", 0),
]  # fmt: skip


def put(document, place, name, value):
    for step in place:
        document = document[step]
    document[name] = value


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PLACES),
            st.text(max_size=8).map(lambda text: "x" + text),
            st.recursive(st.none() | st.integers(0, 9) | st.text(max_size=5), lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ), max_leaves=5),
        ),
        max_size=8,
        unique_by=lambda item: (item[0], item[1]),
    )
)  # fmt: skip
def test_every_key_of_a_sample_that_is_none_of_ours_is_counted_once(extra):
    document = json.loads(json.dumps(SAMPLE))
    for place, name, value in extra:
        put(document, place, name, value)
    line = json.dumps(document).encode()

    assert count_dropped_keys(line, Sample) == len(extra)
    assert msgspec.json.decode(line, type=Sample) == msgspec.json.decode(
        json.dumps(SAMPLE), type=Sample
    )


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"imei": "1", "model": "m"}, 0),
        ({"imei": "1", "model": "m", "consent": None}, 0),
        ({"imei": "1", "model": "m", "serial": "x", "consent": {"policy_version": "", "purposes": [],
            "name": "Anna"}}, 2),
    ],
)  # fmt: skip
def test_an_enrollment_is_looked_through_with_the_consent_in_it(document, count):
    assert count_dropped_keys(json.dumps(document).encode(), EnrollmentInput) == count


def test_objects_in_which_any_key_will_do_have_none_to_drop():
    document = {
        "report_id": SAMPLE["sample_id"], "kind": "anr", "discarded": {"x": 1},
        "annotations": {"y": "z"}, "attachments": [{"sha256": "a" * 64, "size_bytes": 1, "q": 1}],
        "battery": {"q": {"deep": 1}}, "q": [],
    }  # fmt: skip
    text = json.dumps(document).encode()

    assert count_dropped_keys(text, Report) == count_unknown_keys(text) == 3
