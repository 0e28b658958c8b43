"""Values whose names announce what they are."""

import msgspec

from crashes.intake.report import App, Report, decode_report
from devices.scrubbing import scrub_struct, scrub_values

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
