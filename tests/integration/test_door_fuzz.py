"""Whatever a body holds, the door answers: never 5xx, and every refusal with a documented code.

About 2,000 bodies in the suite; `UXP_TEST_FUZZ=100000` makes so many, for a long run by hand.
"""

import json
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.integration.conftest import enrollment
from tests.integration.test_uploads import report
from tests.integration.test_vitals_upload import sample

pytestmark = pytest.mark.django_db

ERRORS = (ROOT / "docs" / "errors.md").read_text()
DOCUMENTED = set(re.findall(r"^\| `([a-z_]+)` \|", ERRORS, re.MULTILINE))
LINES = {"reports/batch/", "vitals/"}
CONSENT = {"policy_version": "1", "purposes": ["development"], "given_at": "2026-11-20T12:00:00Z"}


def full_report():
    return report(
        occurred_at="2026-11-20T12:00:00Z", uptime_ms=1, boot_id="b", process="p",
        software={"os_version": "14", "os_build": "V3.420", "kernel": "6.1"},
        app={"package": "com.example", "version_name": "1", "version_code": 2, "foreground": True},
        network={"mcc": "244", "mnc": "05"}, battery={"level": 50, "temperature_c": 30.5},
        sent_at="2026-11-20T12:00:00Z", sent_boot_id="b", discarded={"too_old": 1},
        annotations={"a": "b"},
    )  # fmt: skip


VALID = {
    "reports/": full_report,
    "reports/batch/": full_report,
    "vitals/": sample,
    "devices/enroll/": lambda: enrollment(
        build_fingerprint="f", os_version="14", mcc="244", mnc="05", consent=CONSENT
    ),
    "devices/me/consent/": lambda: dict(CONSENT),
}
PATHS = list(VALID)


@pytest.fixture
def knock(send, key, device_token, settings):
    """Sends a body as who may, and looks at the answer."""
    settings.DEVICE_REPORTS_PER_DAY = settings.PROGRAM_REPORTS_PER_SECOND = 10_000_000

    def call(path, body):
        token = key if path == "devices/enroll/" else device_token
        method = "put" if path == "devices/me/consent/" else "post"
        answer = send(path, body, token=token, method=method)
        if method == "put" and answer.status_code == 200:
            send(path, VALID[path](), token=token, method=method)
        check(answer)
        return answer

    return call


def check(answer):
    """The answer is none of ours gone wrong."""
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] in DOCUMENTED
        assert answer.json()["status"] == answer.status_code
    for line in answer.json().get("results", []):
        assert line.get("code", "invalid_field") in DOCUMENTED


# --- Edge cases of JSON ---------------------------------------------------------------------


def dumped(path, **more):
    return json.dumps(VALID[path]() | more).encode()


def inserted(path, text):
    """A valid document with raw text as its first members."""
    return b"{" + text + b", " + dumped(path)[1:]


EDGES = {
    "nothing": lambda path: b"",
    "blank": lambda path: b" \n\t",
    "NUL": lambda path: b"\0",
    "NUL in a text": lambda path: inserted(path, b'"x": "a\0b"'),
    "escaped NUL in a key": lambda path: inserted(path, rb'"a\u0000b": 1'),
    "NUL behind": lambda path: dumped(path) + b"\0",
    "byte order mark": lambda path: b"\xef\xbb\xbf" + dumped(path),
    "UTF-16": lambda path: dumped(path).decode().encode("utf-16"),
    "UTF-32": lambda path: dumped(path).decode().encode("utf-32"),
    "Latin-1": lambda path: inserted(path, b'"model": "\xe9"'),
    "overlong UTF-8": lambda path: inserted(path, b'"x": "\xc0\x80"'),
    "surrogates as UTF-8": lambda path: inserted(path, b'"x": "\xed\xa0\x80"'),
    "lone surrogate": lambda path: inserted(path, rb'"x": "\ud800"'),
    "lone surrogate in a key": lambda path: inserted(path, rb'"\udc00": 1'),
    "swapped surrogates": lambda path: inserted(path, rb'"x": "\udc00\ud800"'),
    "NaN": lambda path: inserted(path, b'"x": NaN'),
    "infinity": lambda path: inserted(path, b'"x": -Infinity'),
    "huge integer": lambda path: inserted(path, b'"x": ' + b"9" * 5000),
    "huge float": lambda path: inserted(path, b'"x": 1e999999'),
    "tiny float": lambda path: inserted(path, b'"x": -1e-999999'),
    "long fraction": lambda path: inserted(path, b'"x": 0.' + b"1" * 100_000),
    "octal": lambda path: inserted(path, b'"x": 01'),
    "hex": lambda path: inserted(path, b'"x": 0x1'),
    "plus": lambda path: inserted(path, b'"x": +1'),
    "comment": lambda path: inserted(path, b'"x": 1 /* y */'),
    "trailing comma": lambda path: dumped(path)[:-1] + b",}",
    "single quotes": lambda path: dumped(path).replace(b'"', b"'"),
    "two documents": lambda path: dumped(path) + b" " + dumped(path),
    "unfinished": lambda path: dumped(path)[:-1],
    "bad escape": lambda path: inserted(path, rb'"x": "\x"'),
    "short escape": lambda path: inserted(path, rb'"x": "\u12"'),
    "control character": lambda path: inserted(path, b'"x": "\x01"'),
    "deep lists": lambda path: inserted(path, b'"x": ' + b"[" * 20_000 + b"]" * 20_000),
    "deep objects": lambda path: inserted(path, b'"x": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    "only deep": lambda path: b"[" * 200_000,
    "wide": lambda path: inserted(path, b'"x": [' + b"[]," * 200_000 + b"[]]"),
    "empty key": lambda path: inserted(path, b'"": 1'),
    "long key": lambda path: inserted(path, b'"' + b"k" * 100_000 + b'": 1'),
    "many keys": lambda path: inserted(path, b", ".join(b'"k%d": 1' % n for n in range(2000))),
    "repeated key": lambda path: inserted(path, b'"x": 1, "x": 2'),
    "repeated key in a dropped value": lambda path: inserted(path, b'"x": [{"y": 1, "y": 2}]'),
    "list": lambda path: b"[" + dumped(path) + b"]",
    "text": lambda path: json.dumps(dumped(path).decode()).encode(),
    "null": lambda path: b"null",
    "number": lambda path: b"-0.0",
}  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("path", PATHS)
def test_the_edges_of_json_are_answered(knock, path, edge):
    knock(path, EDGES[edge](path))


@pytest.mark.parametrize(
    "edge",
    [
        "NUL", "byte order mark", "UTF-16", "Latin-1", "NaN", "infinity", "octal", "comment",
        "trailing comma", "two documents", "unfinished", "control character", "deep lists",
        "deep objects", "repeated key", "repeated key in a dropped value", "surrogates as UTF-8",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_strict_json_is_refused_everywhere(knock, path, edge):
    answer = knock(path, EDGES[edge](path))

    if path in LINES:
        codes = {line.get("code") for line in answer.json()["results"]}
        assert codes == {"malformed_json"}
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def members(document):
    """What an object or a list holds, by name or number."""
    if isinstance(document, dict):
        return list(document.items())
    return list(enumerate(document)) if isinstance(document, list) else []


def places(document, path=()):
    """The way to every value in a document."""
    yield path
    for name, value in members(document):
        yield from places(value, (*path, name))


def replaced(document, path, value):
    if not path:
        return value
    copy = list(document) if isinstance(document, list) else dict(document)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


ODD_VALUES: list = [
    None, True, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**200, 0.5, -0.0, 1e308, "", "0",
    "\0", "\ud800", "\U0001f4a9", "\u202e", "a\r\nb", "x" * 1_000_000, "../../etc/passwd",
    "0000-00-00T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60Z",
    "2026-02-30T00:00:00Z", "2026-11-20T12:00:00", "2026-11-20", "+292278994-08-17T07:12:55.807Z",
    [], [[]], {}, {"": ""}, [None], ["x"] * 3000, {"x": {"y": []}},
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_field_may_hold_anything(knock, path):
    for place in places(VALID[path]()):
        for value in ODD_VALUES:
            document = replaced(VALID[path](), place, value)
            knock(path, json.dumps(document).encode("utf-8", "surrogatepass"))


# --- Generated bodies -----------------------------------------------------------------------

EXAMPLES = max(int(os.environ.get("UXP_TEST_FUZZ") or 2000) // (2 * len(PATHS)), 1)
FUZZ = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.datetimes().map(str) | st.uuids().map(str) | st.sampled_from(ODD_VALUES[:-10])
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@st.composite
def nearly_valid(draw, path):
    """A valid document with up to three values replaced, and maybe a bit turned over."""
    document = VALID[path]()
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(list(places(document))))
        document = replaced(document, place, draw(ANYTHING))
    body = bytearray(json.dumps(document).encode("utf-8", "surrogatepass"))
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
