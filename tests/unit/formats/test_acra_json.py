"""Reports of ACRA."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats import acra_json
from crashes.formats.errors import MalformedPayload
from crashes.stack import CrashKind, from_json, to_json

STACK = "java.lang.IllegalStateException: no\n\tat com.example.A.b(A.java:12)\n"
REPORT: dict[str, Any] = {
    "REPORT_ID": "394b6770-fa07-4079-aa7e-330c9ad65844",
    "PACKAGE_NAME": "com.example.app",
    "APP_VERSION_CODE": 3,
    "APP_VERSION_NAME": "1.1",
    "ANDROID_VERSION": "15",
    "PHONE_MODEL": "Nokia G42 5G",
    "IS_SILENT": False,
    "STACK_TRACE": STACK,
    "THREAD_DETAILS": {"id": 7, "name": "worker", "priority": 5},
    "USER_CRASH_DATE": "2025-04-09T22:24:50.019+02:00",
    "BUILD": {
        "FINGERPRINT": "a/b/c:15/x/1:user/release-keys",
        "SUPPORTED_ABIS": ["arm64-v8a", "armeabi-v7a"],
        "DISPLAY": "V3.420",
        "HOST": "build-host-7",
        "SERIAL": "SER123456",
        "VERSION": {"SDK_INT": 35, "SECURITY_PATCH": "2024-09-05"},
    },
    "USER_EMAIL": "ann@example.org",
    "LOGCAT": "called 112",
    "SETTINGS_SECURE": {"ANDROID_ID": "e7dbb6b7e3cf96a5"},
    "USER_IP": "10.0.2.15",
    "INSTALLATION_ID": "installation-1",
}


def parse(**more):
    return acra_json.parse(json.dumps(REPORT | more).encode())


def test_a_report_is_a_java_crash():
    crash = parse()

    assert crash.kind is CrashKind.JAVA_CRASH
    assert crash.process == crash.package == "com.example.app"
    assert (crash.version_name, crash.version_code) == ("1.1", 3)
    assert crash.exception_type == "java.lang.IllegalStateException"
    assert (crash.threads[0].name, crash.tid) == ("worker", 7)
    assert crash.threads[0].frames[0].function == "com.example.A.b"
    assert (crash.abi, crash.build_fingerprint) == ("arm64", "a/b/c:15/x/1:user/release-keys")
    assert crash.details["security_patch"] == "2024-09-05"


def test_a_silent_report_without_a_stack_has_a_reason():
    crash = parse(
        IS_SILENT=True, STACK_TRACE="Report requested by developer\n", THREAD_DETAILS="N/A"
    )

    assert (crash.kind, crash.threads) == (CrashKind.ERROR, ())
    assert crash.reason == "Report requested by developer"


def test_nothing_about_a_person_is_read():
    text = json.dumps(to_json(parse()))

    for secret in ("ann@", "112", "e7dbb6", "10.0.2.15", "installation-1", "SER1", "build-host"):
        assert secret not in text


def test_what_could_not_be_had_is_absent():
    crash = parse(APP_VERSION_NAME="N/A", APP_VERSION_CODE="N/A", BUILD="N/A", STACK_TRACE="N/A")

    assert (crash.version_name, crash.version_code, crash.abi, crash.reason) == (None,) * 4


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"a": 1}'])
def test_what_is_no_report_is_refused(payload):
    with pytest.raises(MalformedPayload):
        acra_json.parse(payload)


def test_the_shared_report_comes_out_as_its_manifest_says(shared_dir):
    crash = acra_json.parse(
        (shared_dir / "samples/payloads/acra/acrarium_example_stacktrace.json").read_bytes()
    )

    assert (crash.package, crash.version_name, crash.version_code) == (
        "com.faendir.acratest", "1.1", 3,
    )  # fmt: skip
    assert crash.exception_type == "java.lang.IllegalStateException"
    assert crash.exception_message == "Could not execute method for android:onClick"
    assert crash.timestamp == "2020-11-06T23:43:15.335+01:00"
    assert crash.build_fingerprint == (
        "google/sdk_gphone_x86/generic_x86_arm:11/RSR1.201013.001/6903271:user/release-keys"
    )


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)


@given(
    st.dictionaries(
        st.sampled_from(sorted(REPORT)),
        values | st.dictionaries(st.sampled_from(sorted(REPORT["BUILD"])), values, max_size=4),
    )
)
def test_any_report_is_a_crash_or_refused(document):
    try:
        crash = acra_json.parse(json.dumps(document).encode())
    except MalformedPayload:
        return
    assert from_json(json.loads(json.dumps(to_json(crash)))) == crash
