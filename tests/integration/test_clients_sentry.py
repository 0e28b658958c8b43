"""Sentry's SDKs at the door: what is kept, what is counted, what is refused, who is let in."""

import base64
import gzip
import json
import uuid

import brotli
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crashes.models import ClientLoss, Issue, Report
from crashes.selectors.contents import document_of
from crashes.services import acceptance
from crashes.services.spooled import read_file, spool
from crashes.storage import Spool
from devices.models import IngestKey, Program
from tests.integration.conftest import NOW
from tests.integration.test_pipeline import work
from uxp_diag.limits import limiter

pytestmark = pytest.mark.django_db

ID = "5a3eff4248d5430fa51cafa6eab01b1b"
MINIDUMP = b"MDMP" + bytes(60)
EVENT = {
    "event_id": ID,
    "platform": "java",
    "release": "com.example.app@1.4.2+1402",
    "sdk": {"name": "sentry.java.android", "version": "8.1"},
    "contexts": {"device": {"model": "Nokia G42 5G"}, "os": {"version": "14", "build": "V3.420"}},
    "exception": {
        "values": [
            {
                "type": "IllegalStateException",
                "module": "java.lang",
                "stacktrace": {"frames": [{"module": "com.example.A", "function": "b"}]},
            }
        ]
    },
}
NATIVE = {"event_id": ID, "platform": "native", "level": "fatal"}


@pytest.fixture
def small_budget(settings):
    settings.PROGRAM_REPORTS_PER_SECOND = 1
    limiter.cache_clear()
    yield
    limiter.cache_clear()


@pytest.fixture
def program(key):
    return Program.objects.get()


@pytest.fixture
def post(client, program, key):
    def send(
        path, body, *, auth=True, query="", content_type="application/x-sentry-envelope", **headers
    ):
        if auth:
            headers["X-Sentry-Auth"] = f"Sentry sentry_key={key[-32:]}, sentry_version=7"
        address = f"/api/{program.pk}/{path}/{query}"
        return client.post(address, body, content_type=content_type, headers=headers)

    return send


def item(kind, payload, **headers):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return (
        json.dumps({"type": kind, "length": len(data), **headers}).encode() + b"\n" + data + b"\n"
    )


def envelope(*items, **header):
    return json.dumps(header).encode() + b"\n" + b"".join(items)


def stored():
    return json.loads(msgspec.json.encode(document_of(Report.objects.get().content).envelope))


def signature():
    return Issue.objects.get().signature


def losses():
    return {
        (loss.client, loss.reason, loss.category): loss.count for loss in ClientLoss.objects.all()
    }


def test_an_event_becomes_a_report(post):
    answer = post("envelope", envelope(item("event", EVENT)))

    assert (answer.status_code, answer.json()) == (200, {"id": ID})
    work()
    report = Report.objects.get()
    assert (report.state, report.report_id, report.kind) == ("done", uuid.UUID(ID), "java_crash")
    assert (report.model, report.os_build, report.package) == (
        "Nokia G42 5G", "V3.420", "com.example.app",
    )  # fmt: skip
    assert report.version_code == 1402
    assert signature() == "IllegalStateException at A.b"
    assert report.content.raw_format == "sentry_event"
    assert stored()["annotations"]["client"] == "sentry.java.android/8.1"


def test_a_retry_is_the_same_report(post):
    body = envelope(item("event", EVENT))

    assert [post("envelope", body).status_code for _ in range(3)] == [200] * 3
    assert Report.objects.count() == 1


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress)], ids=["gzip", "br"]
)
def test_an_envelope_may_be_packed(post, encoding, pack):
    answer = post(
        "envelope", pack(envelope(item("event", EVENT))), **{"Content-Encoding": encoding}
    )

    assert answer.status_code == 200
    assert Report.objects.count() == 1


def test_neither_content_type_nor_accept_matters(client, program, key):
    answer = client.generic(
        "POST",
        f"/api/{program.pk}/envelope/?sentry_key={key[-32:]}&format=api",
        envelope(item("event", EVENT)),
        content_type="",
        headers={"Accept": "text/html"},
    )

    assert (answer.status_code, Report.objects.count()) == (200, 1)


def test_bad_neighbors_harm_nobody(post):
    body = envelope(
        item("event", b"not json"),
        item("session", {"sid": "1"}),
        item("event", EVENT),
        item("never heard of", b"\xff\xfe"),
        item("event", b"x" * (1 << 20) + b"x"),
        b'{"type":"event","length":99}\ncut off',
        sdk={"name": "sentry.python", "version": "2"},
    )

    assert post("envelope", body).json() == {"id": ID}
    assert Report.objects.count() == 1
    assert losses() == {
        ("sentry.python", "malformed", "error"): 1,
        ("sentry.python", "too_large", "error"): 1,
        ("sentry.python", "malformed", "default"): 1,
        ("sentry.python", "not_kept", "session"): 1,
        ("sentry.python", "not_kept", "other"): 1,
    }


def test_what_a_client_lost_is_counted(post):
    report = {
        "discarded_events": [{"reason": "ratelimit_backoff", "category": "error", "quantity": 7}]
    }
    body = envelope(item("client_report", report), sdk={"name": "sentry.java"})

    answers = [post("envelope", body) for _ in range(2)]

    assert [answer.json() for answer in answers] == [{"id": None}] * 2
    assert losses() == {("sentry.java", "ratelimit_backoff", "error"): 14}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_envelope"),
        (b"nonsense", 400, "malformed_envelope"),
        (b'{}\n{"type":"event","length":5}\n{}', 400, "malformed_envelope"),
        (envelope(item("event", b"[]")), 400, "malformed_event"),
        (envelope(item("event", b" " * (1 << 20) + b"{}")), 413, "event_too_large"),
    ],
    ids=["empty", "nonsense", "cut", "list", "large"],
)
def test_what_can_never_be_kept_is_refused(post, body, status, code):
    answer = post("envelope", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not answer.json()["retry"]


def test_a_spent_budget_makes_the_client_wait_and_report_its_losses(post, small_budget):
    bodies = [envelope(item("event", EVENT | {"event_id": f"{n:032x}"})) for n in range(1, 40)]
    report = {
        "discarded_events": [{"reason": "ratelimit_backoff", "category": "error", "quantity": 1}]
    }

    answers = [post("envelope", body) for body in bodies]

    refused = next(answer for answer in answers if answer.status_code == 429)
    limit = refused["X-Sentry-Rate-Limits"]
    assert limit == f"{refused['Retry-After']}:default;error;attachment:organization:program_budget"
    assert post("envelope", envelope(item("client_report", report))).status_code == 200


def test_a_full_disk_is_no_acceptance(post, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "write", full)
    answer = post("envelope", envelope(item("event", EVENT)))

    assert (answer.status_code, answer.json()["code"]) == (503, "intake_unavailable")
    assert answer["Retry-After"]


def test_attachments_stay_with_their_event(post):
    body = envelope(
        item("event", EVENT),
        item("attachment", b"a line\n\n{}", filename="log.txt"),
        item("attachment", b"x" * (9 << 20), filename="screen.png"),
    )

    assert post("envelope", body).status_code == 200
    (name, _), *_ = spool().names()
    (record,) = read_file(spool().read_all(name)).records
    assert b'"filename":"log.txt"' in record.payload
    work()
    assert signature() == "IllegalStateException at A.b"
    assert losses() == {("sentry.java.android", "not_kept", "attachment"): 1}


def test_a_minidump_stands_for_an_event_without_a_stack(post):
    dump = item("attachment", MINIDUMP, attachment_type="event.minidump", filename="a.dmp")

    post("envelope", envelope(item("event", NATIVE), dump, event_id=ID))
    (upload,) = Report.objects.all()

    assert (upload.report_id, upload.kind) == (uuid.UUID(ID), "native_crash")
    work()
    assert Report.objects.get().content.raw_format == "minidump"


def test_a_minidump_may_come_alone(post):
    dump = item("attachment", MINIDUMP, attachment_type="event.minidump")

    assert post("envelope", envelope(dump, event_id=ID)).json() == {"id": ID}
    assert Report.objects.get().kind == "native_crash"


def test_an_event_with_a_stack_keeps_it_beside_its_minidump(post):
    dump = item("attachment", MINIDUMP, attachment_type="event.minidump")

    post("envelope", envelope(item("event", EVENT), dump))
    work()

    report = Report.objects.get()
    assert (report.state, report.content.raw_format) == ("done", "sentry_event")


def test_several_events_are_several_reports(post):
    other = EVENT | {"event_id": "b" * 32}

    assert post("envelope", envelope(item("event", EVENT), item("event", other))).status_code == 200
    assert Report.objects.count() == 2


def test_an_event_without_an_id_has_that_of_its_envelope_or_its_content(post):
    nameless = {name: value for name, value in EVENT.items() if name != "event_id"}

    assert post("envelope", envelope(item("event", nameless), event_id=ID)).json()["id"] == ID
    first = post("envelope", envelope(item("event", nameless))).json()["id"]
    assert post("envelope", envelope(item("event", nameless))).json()["id"] == first
    assert Report.objects.count() == 2


def test_the_store_takes_one_event(post):
    answer = post("store", json.dumps(EVENT).encode(), content_type="application/json")

    assert (answer.status_code, answer.json()) == (200, {"id": ID})
    assert Report.objects.get().report_id == uuid.UUID(ID)
    assert post("store", b"[]").status_code == 400


def form(*fields):
    """A multipart body of (name, file name or None, content)."""
    parts = []
    for name, file_name, content in fields:
        as_file = f'; filename="{file_name}"' if file_name else ""
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"{as_file}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    "facts",
    [
        [("sentry", None, json.dumps({"event_id": ID, "release": "a.b@1+2"}).encode())],
        [("sentry[event_id]", None, ID.encode()), ("sentry[release]", None, b"a.b@1+2")],
        [("__sentry-event", "e", msgspec.msgpack.encode({"event_id": ID, "release": "a.b@1+2"}))],
    ],
    ids=["json", "fields", "packed"],
)
def test_a_minidump_comes_in_a_form_with_its_facts(post, facts):
    body = form(*facts, ("upload_file_minidump", "a.dmp", MINIDUMP), ("prod", None, b"modemd"))

    answer = post("minidump", body, content_type=FORM)

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain")
    assert answer.content.decode() == str(uuid.UUID(ID))
    report = Report.objects.get()
    assert (report.package, report.version_code, report.kind) == ("a.b", 2, "native_crash")


def test_a_minidump_may_be_the_whole_body(post):
    first = post("minidump", MINIDUMP, content_type="application/x-dmp")
    again = post("minidump", MINIDUMP, content_type="application/x-dmp")

    assert first.content == again.content
    assert Report.objects.count() == 1


def test_a_form_without_a_minidump_is_refused(post):
    answer = post("minidump", form(("a", None, b"b")), content_type=FORM)

    assert (answer.status_code, answer.json()["code"]) == (400, "no_minidump")


# Who is let in --------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "digits"])
@pytest.mark.parametrize(
    "way", ["X-Sentry-Auth", "Authorization", "Bearer", "Basic", "query", "dsn"]
)
def test_the_key_is_taken_where_a_client_puts_it(post, key, way, whole, client):
    said = key if whole else key[-32:]
    pairs = f"Sentry sentry_version=7,sentry_client=x,sentry_key={said}"
    headers = {
        "X-Sentry-Auth": {"X-Sentry-Auth": pairs},
        "Authorization": {"Authorization": pairs},
        "Bearer": {"Authorization": f"Bearer {said}"},
        "Basic": {"Authorization": "Basic " + basic("any", said)},
    }.get(way, {})
    header = {"dsn": f"https://{said}@host/1"} if way == "dsn" else {}
    query = f"?sentry_key={said}" if way == "query" else ""

    answer = post(
        "envelope", envelope(item("event", EVENT), **header), auth=False, query=query, **headers
    )

    assert answer.status_code == 200


def basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_a_good_key_nothing_is_kept(post, program):
    other = IngestKey.objects.create(
        program=Program.objects.create(name="other", created_at=NOW),
        key="uxpi_" + "b" * 32,
        created_at=NOW,
    )
    body = envelope(item("event", EVENT))
    said = [
        {},
        {"X-Sentry-Auth": "Sentry sentry_key=" + "c" * 32},
        {"X-Sentry-Auth": f"Sentry sentry_key={other.key[-32:]}"},
        {"X-Sentry-Auth": "Sentry sentry_key=short"},
        {"Authorization": "Basic !!!"},
    ]

    answers = [post("envelope", body, auth=False, **headers) for headers in said]

    assert [answer.status_code for answer in answers] == [401, 401, 403, 401, 401]
    assert all("detail" in answer.json() for answer in answers)
    assert Report.objects.count() == 0


def test_a_stranger_learns_nothing_from_damage(post):
    assert post("envelope", b"nonsense", auth=False).status_code == 401


# Anything at all ------------------------------------------------------------------------------

header_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
json_values = st.recursive(
    header_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*EVENT, "values", "frames", "type"]), inner, max_size=4)
    ),
    max_leaves=12,
)
item_types = st.sampled_from(["event", "attachment", "session", "client_report", "transaction", ""])
item_headers = st.fixed_dictionaries(
    {"type": item_types | header_values},
    optional={
        "length": header_values,
        "attachment_type": st.just("event.minidump") | header_values,
        "filename": header_values,
    },
)


@st.composite
def envelopes(draw):
    """Envelopes, mostly whole, with any values in any place."""
    parts = [
        json.dumps(draw(st.dictionaries(st.sampled_from(["event_id", "dsn", "sdk"]), json_values)))
    ]
    for headers in draw(st.lists(item_headers, max_size=4)):
        payload = json.dumps(draw(json_values))
        is_sound = draw(st.booleans())
        parts += [json.dumps(headers | ({"length": len(payload)} if is_sound else {})), payload]
    body = "\n".join(parts).encode()
    return body[: len(body) - draw(st.integers(0, 3))]


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=envelopes() | st.binary(max_size=100))
def test_no_envelope_makes_the_server_fail(post, monkeypatch, body):
    monkeypatch.setattr(acceptance, "spool", _NoSpool)
    answer = post("envelope", body)

    assert answer.status_code in {200, 400, 413}
    assert (answer.status_code == 200) == ("id" in answer.json())


class _NoSpool:
    """A spool that forgets: a thousand files would only cost time."""

    def write(self, data):
        return f"00/{uuid.uuid4().hex}.spool"

    def remove(self, name):
        pass
