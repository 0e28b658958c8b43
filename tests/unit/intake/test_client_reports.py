"""What existing clients say becomes the fields of a report, and nothing about people does."""

import json
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.intake import acra, crash_annotations, sentry_event
from crashes.intake.report import envelope_of, report_from_envelope
from crashes.stack import CrashKind, PayloadFormat

ID = uuid.UUID("5a3eff42-48d5-430f-a51c-afa6eab01b1b")
OTHER = uuid.UUID(int=7)
EVENT = {
    "timestamp": "2026-11-23T17:32:59.092Z",
    "release": "com.example.camera@7.2.0+72000",
    "environment": "beta",
    "level": "error",
    "user": {"id": "person-1", "email": "somebody@example.org"},
    "server_name": "Ann's phone",
    "tags": {"imei": "490154203237518"},
    "contexts": {
        "app": {"app_identifier": "com.example.camera", "in_foreground": True},
        "device": {
            "manufacturer": "HMD", "model": "Nokia G42 5G", "name": "Ann's phone",
            "battery_level": 71.0, "charging": False, "id": "device-1",
        },
        "os": {"name": "Android", "version": "15", "build": "V3.420", "kernel_version": "6.1"},
    },
}  # fmt: skip
FORM = [
    ("REPORT_ID", str(ID)), ("PACKAGE_NAME", "com.example.app"), ("APP_VERSION_CODE", "3"),
    ("APP_VERSION_NAME", "1.1"), ("ANDROID_VERSION", "15"), ("PHONE_MODEL", "Nokia G42 5G"),
    ("BUILD", "DISPLAY=V3.420\nFINGERPRINT=a/b/c:15/x/1:user/release-keys\nVERSION.SDK_INT=35\n"
              "VERSION.SECURITY_PATCH=2026-10-01\nRADIO=unknown"),
    ("CRASH_CONFIGURATION", "mcc=244\nmnc=5"), ("USER_EMAIL", "somebody@example.org"),
    ("STACK_TRACE", "java.lang.Error: x\n\tat a.B.c(B.java:1)"), ("IS_SILENT", "false"),
]  # fmt: skip


def is_storable(report):
    return report_from_envelope(json.loads(msgspec.json.encode(envelope_of(report)))) == report


def event_report(event, **findings):
    return sentry_event.report_of_event(
        event,
        report_id=ID,
        findings=sentry_event.Findings(CrashKind.ERROR, **findings),
        payload_format=PayloadFormat.SENTRY_EVENT,
        client="sentry.java/8",
    )


def test_an_event_tells_software_app_and_battery():
    report = event_report(
        EVENT, package="com.example.camera", version_name="7.2.0", version_code=72
    )

    assert report.process == report.app.package == "com.example.camera"
    assert (report.app.version_name, report.app.version_code) == ("7.2.0", 72)
    assert (report.software.os_version, report.software.os_build) == ("15", "V3.420")
    assert (report.battery.level, report.battery.charging) == (71.0, False)
    assert report.app.foreground is True
    assert report.annotations["client"] == "sentry.java/8"
    assert sentry_event.model_of_event(EVENT) == "Nokia G42 5G"
    assert is_storable(report)


def test_an_event_says_nothing_about_a_person():
    text = str(envelope_of(event_report(EVENT)))

    for secret in ("person-1", "somebody@", "Ann", "490154203237518", "device-1"):
        assert secret not in text


def test_the_client_is_who_says_so_first():
    sdk = {"sdk": {"name": "sentry.java", "version": "8.53.0"}}

    assert sentry_event.client_of({}, sdk) == "sentry.java/8.53.0"
    assert sentry_event.client_of({"sdk": {"name": "x"}}, sdk) == "x"
    assert sentry_event.client_of(None, {"sdk": []}) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def objects_with(*names):
    return st.dictionaries(st.sampled_from(names), json_values, max_size=len(names))


@given(
    objects_with(*EVENT),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("app", "device", "os"), json_values)),
)
def test_any_event_makes_a_report_that_can_be_stored(event, contexts):
    report = event_report(event | {"contexts": contexts})

    assert is_storable(report)
    assert len(sentry_event.model_of_event(event)) <= 100


def acra_report(document, *, named=None):
    return acra.report_of_acra(document, report_id=named, content_id=OTHER)


def test_a_form_is_the_same_report_as_json():
    document = json.loads(acra.document_of_form(FORM))

    assert document["BUILD"]["VERSION"] == {"SDK_INT": "35", "SECURITY_PATCH": "2026-10-01"}
    report = acra_report(document)
    assert report.report_id == ID
    assert report.kind is CrashKind.JAVA_CRASH
    assert report.app.version_code == 3
    assert report.software.os_build == "V3.420"
    assert report.software.security_patch == "2026-10-01"
    assert report.software.modem == ""
    assert (report.network.mcc, report.network.mnc) == ("244", "05")
    assert "somebody@" not in str(envelope_of(report))
    assert is_storable(report)


def test_a_silent_report_is_no_crash():
    assert acra_report({"PACKAGE_NAME": "a.b", "IS_SILENT": True}).kind is CrashKind.ERROR


@pytest.mark.parametrize(
    ("said", "named", "expected"),
    [(str(ID), OTHER, ID), ("N/A", ID, ID), (None, None, OTHER), (str(ID), None, ID)],
)
def test_the_id_is_the_reports_own_then_the_addresss(said, named, expected):
    document = {"PACKAGE_NAME": "a.b", "REPORT_ID": said}

    assert acra_report(document, named=named).report_id == expected


@pytest.mark.parametrize("mnc", [None, -1, 1000, "x", {}])
def test_half_an_operator_is_none(mnc):
    report = acra_report({"PACKAGE_NAME": "a", "CRASH_CONFIGURATION": {"mcc": 244, "mnc": mnc}})

    assert (report.network.mcc, report.network.mnc) == ("", "")


def test_other_json_is_not_acra():
    with pytest.raises(acra.NotAcra):
        acra_report({"some": "json"})


@given(objects_with("REPORT_ID", *(name for name, _ in FORM)))
def test_any_acra_document_makes_a_report_that_can_be_stored(document):
    assert is_storable(acra_report(document | {"PACKAGE_NAME": "a"}))


@given(st.lists(st.tuples(st.sampled_from(["BUILD", "THREAD_DETAILS", "X"]), st.text())))
def test_any_form_becomes_json(fields):
    assert isinstance(json.loads(acra.document_of_form(fields)), dict)


def breakpad_report(annotations):
    return crash_annotations.report_of_annotations(
        annotations, report_id=OTHER, payload_format=PayloadFormat.MINIDUMP
    )


def test_annotations_name_program_and_version():
    report = breakpad_report({"prod": "Modemd", "ver": "3.1.0", "ptype": "browser", "guid": "p-1"})

    assert (report.app.package, report.app.version_name) == ("Modemd", "3.1.0")
    assert report.report_id == OTHER
    assert report.annotations == {
        "prod": "Modemd", "ver": "3.1.0", "ptype": "browser", "annotations_dropped": "1",
        "client": "breakpad",
    }  # fmt: skip
    assert is_storable(report)


def test_an_id_among_the_annotations_is_the_reports():
    assert breakpad_report({"uuid": ID.hex}).report_id == ID


def test_annotations_may_come_as_json():
    found = crash_annotations.annotations_in(b'{"ProductName": "Fenix", "a": 1, "b": {}}')

    assert found == {"ProductName": "Fenix", "a": "1", "b": ""}
    assert crash_annotations.annotations_in(b"[]") is None


@given(
    st.dictionaries(st.sampled_from(["prod", "ver", "osver", "uuid", "x"]) | st.text(), st.text())
)
def test_any_annotations_make_a_report_that_can_be_stored(annotations):
    assert is_storable(breakpad_report(annotations))
