"""The JSON of clients that exist already may hold anything too: never 5xx.

They are answered with a report's acceptance or a refusal, in their own way (docs/clients.md). A few
hundred bodies in the suite; `UXP_TEST_FUZZ=100000` makes so many, for a long run by hand.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Program
from tests.factories import make_api_token
from tests.integration import test_clients_acra as acra
from tests.integration import test_clients_sentry as sentry
from tests.integration.test_door_fuzz import ANYTHING, EDGES, ODD_VALUES, places, replaced
from uxp_diag.roles import Scope

pytestmark = pytest.mark.django_db

RELEASE = {"version": "1.0", "projects": ["phone"], "refs": [], "dateReleased": None}
VALID = {
    "{program}/store/": sentry.EVENT,
    "{program}/envelope/": sentry.EVENT,
    "{program}/acra/": acra.REPORT,
    "{program}/crashpad/": {"ProductName": "Camera", "Version": "1.4", "guid": "x"},
    "0/projects/o/p/files/difs/assemble/": {"a" * 40: {"name": "libc.so", "chunks": ["b" * 40]}},
    "0/projects/o/p/files/proguard-artifact-releases/": {
        "proguard_uuid": "c" * 32, "release_name": "1.0",
    },
    "0/organizations/o/releases/": RELEASE,
    "0/organizations/o/releases/1.0/deploys/": {"environment": "x", "name": "n", "url": None},
}  # fmt: skip
PATHS = list(VALID)
EXAMPLES = max(int(os.environ.get("UXP_TEST_FUZZ") or 300) // (2 * len(PATHS)), 1)
IS_LONG = EXAMPLES > 100
FUZZ = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
BOUNDARY = "uxp"


@pytest.fixture
def knock(client, key, settings):
    """Sends a body as its client would, and looks at the answer."""
    settings.PROGRAM_REPORTS_PER_SECOND = 10_000_000
    program = Program.objects.get()
    token = make_api_token(program, Scope.SYMBOLS)

    def call(path, body):
        headers = {"Authorization": f"Bearer {token if path.startswith('0/') else key}"}
        kind = "application/json"
        if path.endswith("/envelope/"):
            body = b'{"event_id": "%s"}\n{"type": "event", "length": %d}\n%s\n' % (
                b"0" * 32, len(body), body,
            )  # fmt: skip
        elif path.endswith("/crashpad/"):
            body = form("extra", body)
            kind = f"multipart/form-data; boundary={BOUNDARY}"
        answer = client.generic(
            "POST", f"/api/{path.format(program=program.pk)}", body,
            content_type=kind, headers=headers,
        )  # fmt: skip
        assert answer.status_code < 500, answer.content
        return answer

    return call


def form(name, content):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def written(document):
    return json.dumps(document).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("path", PATHS)
def test_what_a_client_sends_is_taken(knock, path):
    assert knock(path, written(VALID[path])).status_code in {200, 201, 202, 404}


@pytest.fixture
def edges(monkeypatch):
    """The edges of JSON around the documents of clients."""
    monkeypatch.setattr("tests.integration.test_door_fuzz.VALID", {
        path: (lambda document=document: document) for path, document in VALID.items()
    })  # fmt: skip
    return EDGES


@pytest.mark.parametrize("path", PATHS)
def test_the_edges_of_json_are_answered(knock, edges, path):
    for edge in edges.values():
        knock(path, edge(path))


@pytest.mark.parametrize("path", PATHS)
def test_every_field_may_hold_anything(knock, path):
    for place in places(VALID[path]):
        for value in ODD_VALUES if IS_LONG else ODD_VALUES[::9]:
            knock(path, written(replaced(VALID[path], place, value)))


@st.composite
def nearly_valid(draw, path):
    """A valid document with up to three values replaced, and maybe a bit turned over."""
    document = VALID[path]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(list(places(document))))
        document = replaced(document, place, draw(ANYTHING))
    body = bytearray(written(document))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(body) - 1))
        body[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(body)


@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_are_nearly_right_are_answered(knock, path):
    @FUZZ
    @given(nearly_valid(path))
    def run(body):
        knock(path, body)

    run()


@pytest.mark.parametrize("path", PATHS)
def test_arbitrary_bodies_are_answered(knock, path):
    @FUZZ
    @given(st.binary(max_size=300) | ANYTHING.map(lambda value: json.dumps(value).encode()))
    def run(body):
        knock(path, body)

    run()
