"""A phone that says the planted values in every way it can, well-formed and not."""

import http.client
import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from crashes.management.canaries.values import LINES, NAMED, SHAPED, VALUES
from crashes.stack import PayloadFormat

_PARTING = "canary-parting"
_HEADS = {
    PayloadFormat.JAVA_STACKTRACE: "java.lang.IllegalStateException: {0}\n\tat com.example.Bird.sing(Bird.kt:7)\n",
    PayloadFormat.TOMBSTONE_TEXT: "*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***\n"
    "pid: 7, tid: 7, name: bird  >>> com.example.bird <<<\nsignal 6 (SIGABRT), code -1 (SI_QUEUE), fault addr --------\n"
    "Abort message: '{0}'\nbacktrace:\n    #00 pc 0000000000001234  /system/lib64/libc.so (abort+164)\n",
    PayloadFormat.ANR_TRACES: "Subject: Input dispatching timed out ({0})\n----- pid 7 at 2026-11-20 10:11:12 -----\n"
    'Cmd line: com.example.bird\n\n"main" prio=5 tid=1 Native\n  at com.example.Bird.sing(Bird.kt:7)\n',
    PayloadFormat.LOGCAT: "11-20 10:11:12.345  7  7 E AndroidRuntime: FATAL EXCEPTION: main\n"
    "11-20 10:11:12.345  7  7 E AndroidRuntime: java.lang.Error: {0}\n"
    "11-20 10:11:12.345  7  7 E AndroidRuntime: \tat com.example.Bird.sing(Bird.kt:7)\n",
}
_ONE_LINE = "; ".join(LINES.splitlines())


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


def send_canaries(url: str, key: str) -> list[int]:
    """Enroll a phone and send everything; the statuses of the answers, in order."""
    enrollment = {
        "imei": VALUES["imei"], "model": f"Bird {VALUES['email']}", "os_version": "14", "os_build": "V3.420",
        "mcc": "244", "mnc": "05", "consent": {"policy_version": "2023-04-17", "purposes": ["development"]},
    }  # fmt: skip
    status, answer = _send(url, _json("/api/v1/devices/enroll/", enrollment, key))
    token = json.loads(answer)["device_token"]
    return [status, *(_send(url, request)[0] for request in _requests(token, key))]


def _send(url: str, request: _Request) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    try:
        connection.request(request.method, request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""  # a broken request may end its connection
    finally:
        connection.close()


def _json(path: str, document: Any, token: str, **headers: str) -> _Request:
    known = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return _Request("POST", path, json.dumps(document).encode(), known | headers)


def _requests(token: str, key: str) -> Iterator[_Request]:
    yield from _reports(token)
    yield from _other_uploads(token)
    yield from _clients(key)
    yield from _broken(token)


def _report(payload_format: PayloadFormat = PayloadFormat.NONE, **more: Any) -> dict[str, Any]:
    head = {
        "report_id": str(uuid.uuid4()),
        "kind": "error",
        "payload": {"format": payload_format.value},
    }
    return head | more


def _text(payload_format: PayloadFormat) -> str:
    return _HEADS.get(payload_format, "{0}\n").format(_ONE_LINE) + LINES


def _reports(token: str) -> Iterator[_Request]:
    for payload_format in PayloadFormat:
        payload = {"format": payload_format.value, "text": _text(payload_format)}
        yield _json("/api/v1/reports/", _report(payload=payload), token)
        yield _form(token, _report(payload_format), _binary(payload_format))
    report = _report(
        process=VALUES["email"],
        boot_id=VALUES["imei"],
        app={"package": VALUES["mac"]},
        annotations=NAMED | {VALUES["mac"]: "x"},
    )
    yield _json("/api/v1/reports/", report, token)


def _binary(payload_format: PayloadFormat) -> bytes:
    if payload_format is PayloadFormat.BUGREPORT:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"bugreport-{VALUES['mac'].replace(':', '-')}.txt", LINES)
        return packed.getvalue()
    wide = LINES.encode("utf-16-le")
    return b"MDMP\x93\xa7\0\0" + bytes(64) + LINES.encode() + bytes(8) + wide + bytes(8)


def _form(token: str, report: dict[str, Any], payload: bytes) -> _Request:
    name = quote(f"{VALUES['email']} {VALUES['path']}.dmp", safe="@ ")
    body = (
        f'--{_PARTING}\r\nContent-Disposition: form-data; name="report"\r\n\r\n{json.dumps(report)}\r\n'
        f'--{_PARTING}\r\nContent-Disposition: form-data; name="payload"; filename="{name}"\r\n\r\n'
    ).encode() + payload + f"\r\n--{_PARTING}--\r\n".encode()  # fmt: skip
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={_PARTING}",
    }
    return _Request("POST", "/api/v1/reports/", body, headers)


def _other_uploads(token: str) -> Iterator[_Request]:
    lines = "\n".join([json.dumps(_report(process=_ONE_LINE[:190])), _ONE_LINE, json.dumps(VALUES)])
    known = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    yield _Request("POST", "/api/v1/reports/batch/", lines.encode(), known)
    sample = {
        "sample_id": str(uuid.uuid4()), "interval_start": "2026-11-20T00:00:00Z", "interval_end": "2026-11-20T01:00:00Z",
        "software": {"os_build": VALUES["email"]}, "apps": [{"package": value} for value in SHAPED],
        "installed": [{"package": VALUES["email"]}],
    }  # fmt: skip
    yield _Request(
        "POST", "/api/v1/vitals/", f"{json.dumps(sample)}\n{_ONE_LINE}\n".encode(), known
    )


def _clients(key: str) -> Iterator[_Request]:
    event = {
        "event_id": uuid.uuid4().hex, "platform": "java", "message": _ONE_LINE, "user": {"email": VALUES["email"]},
        "exception": {"values": [{"type": "Error", "value": _ONE_LINE, "stacktrace": {"frames": [{"function": "a"}]}}]},
        "breadcrumbs": [{"message": line} for line in LINES.splitlines()], "tags": NAMED, "contexts": {"phone": NAMED},
        "extra": {"log": LINES},
    }  # fmt: skip
    item = json.dumps(event)
    body = (
        f'{{"event_id":"{event["event_id"]}"}}\n{{"type":"event","length":{len(item)}}}\n{item}\n'
    )
    known = {"X-Sentry-Auth": f"Sentry sentry_key={key}, sentry_version=7"}
    yield _Request("POST", f"/api/1/envelope/?note={quote(VALUES['imei'])}", body.encode(), known)
    document = {"REPORT_ID": str(uuid.uuid4()), "PACKAGE_NAME": "com.example.bird", "STACK_TRACE": _text(PayloadFormat.JAVA_STACKTRACE),
                "CUSTOM_DATA": NAMED, "LOGCAT": LINES, "USER_EMAIL": VALUES["email"]}  # fmt: skip
    yield _json("/api/1/acra", document, key)


def _broken(token: str) -> Iterator[_Request]:
    """What ends in 4xx: none of it may be remembered."""
    known = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    loud = {"User-Agent": _ONE_LINE, "X-Forwarded-For": VALUES["ipv4"], "Forwarded": f'for="[{VALUES["ipv6"]}]"',
            "Referer": f"https://x.example/?imei={VALUES['imei']}", "Cookie": f"sid={VALUES['secret']}"}  # fmt: skip
    yield _Request("POST", "/api/v1/reports/", b"{" + LINES.encode(), known | loud)
    yield _Request(
        "POST",
        "/api/v1/reports/",
        LINES.encode(),
        known | {"Content-Type": f"text/{VALUES['serial']}"},
    )
    yield _json("/api/v1/reports/", _report(kind=VALUES["email"]), token)
    yield _json("/api/v1/reports/", {VALUES["mac"]: VALUES, "report_id": VALUES["imei"]}, token)
    yield _json(
        f"/api/v1/reports/?imei={VALUES['imei']}&mail={quote(VALUES['email'])}", VALUES, token
    )
    yield _json(
        "/api/v1/devices/enroll/", {"imei": f"{VALUES['imei']}0", "model": _ONE_LINE}, token
    )
    yield _Request("GET", f"/{quote(VALUES['email'])}/{VALUES['imei']}", b"", known | loud)
    yield _Request("GET", f"/api/v1/reports/{VALUES['imei']}/", b"", known)
    whole = _form(token, _report(PayloadFormat.MINIDUMP), LINES.encode())
    yield _Request("POST", whole.path, whole.body[:-80], whole.headers)
    yield _Request("POST", "/api/v1/reports/", LINES.encode(), known | {"Content-Encoding": "gzip"})
