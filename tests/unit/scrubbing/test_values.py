"""Values whose names announce what they are."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats.cleaning import Cleaner
from crashes.intake.report import App, Report, decode_report
from crashes.stack import PayloadFormat
from devices.scrubbing import scrub_struct, scrub_text, scrub_values

_REPORT = b'{"report_id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0", "kind": "anr", "process": "%s", "annotations": %s}'


def _report(process: str = "com.example.app", annotations: str = "{}") -> Report:
    return decode_report(_REPORT % (process.encode(), annotations.encode()))


def test_a_report_without_finds_is_the_same_object():
    report = _report()

    assert scrub_struct(report) is report


def test_the_name_of_a_value_is_its_context():
    report = scrub_struct(_report(annotations='{"ssid": "Virtanen Home", "note": "Virtanen Home"}'))

    assert report.annotations == {"ssid": "<ssid>", "note": "Virtanen Home"}


def test_every_text_of_a_report_is_looked_at():
    app = App(package="a@example.com", version_name="imei 490154203237518")
    report = msgspec.structs.replace(_report("at 9c:3d:cf:12:34:56"), app=app)

    clean = scrub_struct(report)

    assert (clean.process, clean.app.package, clean.app.version_name) == (
        "at <mac>",
        "<email>",
        "imei <imei>",
    )


def test_a_long_text_does_not_grow():
    report = scrub_struct(_report("x" * 192 + " a@b.co "))

    assert len(report.process) == 200


def test_a_document_keeps_its_shape():
    document = {"threads": [{"name": "bt 9c:3d:cf:12:34:56", "tid": 7}], "9c:3d:cf:12:34:56": None}

    assert scrub_values(document) == {"threads": [{"name": "bt <mac>", "tid": 7}], "<mac>": None}
    assert scrub_values({"a": ["b", 1]}) == {"a": ["b", 1]}


_KEYS = st.sampled_from(
    ["imei", "ssid", "name", "bluetooth", "token", "password", "lat", "lon", "email", "path", "a"]
)
_TEXTS = st.sampled_from(
    ["490154203237518", 'say "hi"', "a\\b", "10.1.2.3", "x@example.com", "it's", "{", "[", "token=abcDEF1234567890",
     '{"imei":490154203237518}', "/home/x/y", "60.169857,24.938379", "Anna's Buds", "", "\u00e4", "ssid=a, b", "}"]
)  # fmt: skip
_SCALARS = _TEXTS | st.sampled_from([490154203237518, 60.169857, -24.938379, 1, None, True])
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _DOCUMENTS, min_size=1, max_size=5))
def test_json_stays_json(document):
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False, indent=1)):
        json.loads(Cleaner().clean(PayloadFormat.ACRA_JSON, text.encode()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"imei": 490154203237518, "n": 1}', '{"imei": "<imei>", "n": 1}'),
        ('{"type":"Point","coordinates":[24.938379, 60.169857]}', '{"type":"Point","coordinates":[0, 0]}'),
        ('{"m": "{\\"imei\\":490154203237518}"}', '{"m": "{\\"imei\\":<imei>}"}'),
        ('{"secret":{"":{"rem":[["!config","s"]]}}}', '{"secret":{"":{"rem":[["!config","s"]]}}}'),
    ],
)  # fmt: skip
def test_numbers_in_json_become_what_json_allows(before, after):
    assert scrub_text(before.encode()).data.decode() == after
