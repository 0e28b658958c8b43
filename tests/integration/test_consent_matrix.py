"""What an owner has not allowed leaves no byte: every kind of upload by every state of consent."""

import json

import pytest
from django.apps import apps

from tests.integration.conftest import enrollment
from tests.integration.test_erasure import report, sample

pytestmark = pytest.mark.django_db

MARK = "planted-in-a-refused-upload"
STATES = {
    "silent": None,
    "withdrawn": [],
    "personalisation": ["personalisation"],
    "development": ["development"],
    "both": ["development", "personalisation"],
}


def marked_report(**more):
    text = f"java.lang.IllegalStateException: {MARK}\n\tat com.example.A.b(A.kt:1)\n"
    return report(payload={"format": "java_stacktrace", "text": text}, process=MARK, **more)


def uploads():
    """Path and body of each way in."""
    file = {"name": MARK, "format": "logcat", "size_bytes": 9, "sha256": "ab" * 32}
    apps_used = [{"package": MARK, "version_code": 1, "foreground_s": 5}]
    return {
        "report": ("reports/", json.dumps(marked_report())),
        "attachment": ("reports/", json.dumps(marked_report(attachments=[file]))),
        "batch": ("reports/batch/", json.dumps(marked_report())),
        "vitals": ("vitals/", json.dumps(sample() | {"apps": apps_used})),
    }


def places_of(mark, folder):
    """Where a text is: fields of the database, and files below a folder."""
    tables = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        for value in model._default_manager.values_list(field.name, flat=True)
        if mark in str(value)
    }
    return tables | {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def rows_of_devices():
    """Rows of tables that hold what devices send."""
    names = ("Report", "ReportContent", "Attachment", "VitalSample", "VitalMark", "IssueDevice")
    return {
        model.__name__: model._default_manager.count()
        for model in apps.get_models()
        if model.__name__ in names and model._default_manager.exists()
    }


@pytest.mark.parametrize("kind", ["report", "attachment", "batch", "vitals"])
@pytest.mark.parametrize("state", STATES)
def test_a_refused_upload_leaves_no_byte(send, key, tmp_path, caplog, *, state, kind):
    purposes = STATES[state]
    said = enrollment()
    if purposes is None:
        del said["consent"]
    else:
        said["consent"]["purposes"] = purposes
    enrolled = send("devices/enroll/", said, token=key).json()
    path, body = uploads()[kind]

    answer = send(path, body.encode(), token=enrolled["device_token"])

    rows = rows_of_devices()
    if purposes and "development" in purposes:
        assert answer.status_code in {200, 202}
        assert rows
    else:
        code = "consent_withdrawn" if state == "withdrawn" else "consent_missing"
        assert (answer.status_code, answer.json()["code"]) == (403, code)
        assert rows == {}
        assert places_of(MARK, tmp_path) == set()
        assert MARK not in caplog.text
