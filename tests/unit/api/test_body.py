"""The streaming body reader: framing, encodings, parts, limits, bombs."""

import gzip
import io
import json
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from django.core.handlers.wsgi import WSGIRequest
from hypothesis import given
from hypothesis import strategies as st

from uxp_diag.api import body as reader
from uxp_diag.api.body import (
    BodyLimits,
    drop_unread,
    iterate_body,
    leave_room,
    read_body,
    read_multipart,
    stream_parts,
    without_nul,
)
from uxp_diag.api.problem import Problem

LIMITS = BodyLimits(wire_bytes=1 << 20, unpacked_bytes=4 << 20, ratio=100, parts=5)
TEXT = b'{"kind": "anr"}' * 5000


def request(body, *, encoding=None, content_type="application/json", length="declared"):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": content_type,
    }
    if encoding:
        environ["HTTP_CONTENT_ENCODING"] = encoding
    if length == "chunked":
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    elif length == "declared":
        environ["CONTENT_LENGTH"] = str(len(body))
    elif length is not None:
        environ["CONTENT_LENGTH"] = length
    return WSGIRequest(environ)


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ENCODINGS = {
    None: lambda data: data,
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("length", ["declared", "chunked"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_undone_under_every_framing(encoding, length):
    packed = ENCODINGS[encoding](TEXT)

    assert read_body(request(packed, encoding=encoding, length=length), LIMITS) == TEXT


def test_deflate_may_lack_its_zlib_header():
    assert read_body(request(raw_deflate(TEXT), encoding="deflate"), LIMITS) == TEXT


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_members_follow_one_another(encoding, pack):
    body = pack(b"one,") + pack(b"") + pack(TEXT) + pack(b"three")

    assert read_body(request(body, encoding=encoding), LIMITS) == b"one," + TEXT + b"three"


def test_no_body_is_an_empty_body():
    assert read_body(request(b"", length=None), LIMITS) == b""
    assert read_body(request(b"", encoding="gzip"), LIMITS) == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_damage_is_the_clients_error(encoding):
    packed = ENCODINGS[encoding](TEXT)
    for damaged in (b"not packed at all", packed[:-5], packed[: len(packed) // 2]):
        with pytest.raises(Problem) as caught:
            read_body(request(damaged, encoding=encoding), LIMITS)
        assert (caught.value.status_code, caught.value.code) == (400, "damaged_encoding")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "compress", "gzip, br", "x" * 50])
def test_other_encodings_and_second_layers_are_refused(encoding):
    with pytest.raises(Problem) as caught:
        read_body(request(b"", encoding=encoding), LIMITS)

    assert caught.value.code == "unsupported_encoding"


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_the_wire_limit_is_exact(extra, length):
    body = b"x" * (LIMITS.wire_bytes + extra)
    if not extra:
        assert len(read_body(request(body, length=length), LIMITS)) == len(body)
        return
    with pytest.raises(Problem) as caught:
        read_body(request(body, length=length), LIMITS)
    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")


def test_a_declared_length_over_the_limit_is_refused_before_reading():
    asked = request(b"", length=str(LIMITS.wire_bytes + 1))

    with pytest.raises(Problem) as caught:
        read_body(asked, LIMITS)

    assert caught.value.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "\uff10", "x"])
def test_a_length_that_is_no_number_is_refused(length):
    with pytest.raises(Problem) as caught:
        read_body(request(b"", length=length), LIMITS)

    assert caught.value.code == "bad_content_length"


@pytest.mark.parametrize("length", ["declared", "chunked"])
@pytest.mark.parametrize("read_bytes", [0, 70_000])
def test_what_nobody_read_is_read_to_its_end(length, read_bytes):
    asked = request(b"x" * 300_000, length=length)
    for _ in zip(range(0, read_bytes, 65_536), iterate_body(asked, LIMITS), strict=False):
        pass

    drop_unread(asked)

    assert asked.META["wsgi.input"].read() == b""


@pytest.mark.parametrize(
    ("length", "headers"),
    [(str(65 << 20), {}), ("x", {}), ("9", {"HTTP_EXPECT": "100-continue"})],
)
def test_what_is_too_much_or_was_never_sent_is_not_waited_for(length, headers):
    asked = request(b"unread...", length=length)
    asked.META.update(headers)

    drop_unread(asked)

    assert asked.META["wsgi.input"].read() == b"unread..."


@pytest.mark.parametrize(
    ("encoding", "empty"),
    [("gzip", gzip.compress(b"", mtime=0)), ("zstd", zstandard.compress(b""))],
)
def test_members_without_end_are_refused(encoding, empty):
    with pytest.raises(Problem) as caught:
        read_body(request(empty * 10_001, encoding=encoding), LIMITS)

    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")


@pytest.fixture
def room(monkeypatch):
    """Room for 2 MiB, so that tests need no large bodies."""
    room = reader._Room(2 << 20)
    monkeypatch.setattr(reader, "_room", room)
    return room


def asked_to_gather(size, *, form):
    """A request, and what reads it as a whole."""
    if not form:
        return request(b"x" * size), read_body
    return request(multipart(("payload", "p", b"x" * size)), content_type=FORM), read_multipart


@pytest.mark.parametrize("form", [False, True])
def test_large_bodies_share_the_room_there_is(room, form):
    one, read = asked_to_gather(5 << 19, form=form)
    other, _ = asked_to_gather(5 << 19, form=form)
    small, _ = asked_to_gather(1 << 20, form=form)

    read(one, BodyLimits())
    with pytest.raises(Problem) as caught:
        read(other, BodyLimits())
    read(small, BodyLimits())
    for done in (one, other, small, small):
        leave_room(done)
    again, _ = asked_to_gather(5 << 19, form=form)
    read(again, BodyLimits())

    assert (caught.value.status_code, caught.value.code) == (503, "intake_unavailable")
    assert caught.value.retry
    assert caught.value.headers["Retry-After"]


def test_a_body_that_ends_early_may_be_sent_again():
    with pytest.raises(Problem) as caught:
        read_body(request(b"half", length="10"), LIMITS)

    assert (caught.value.code, caught.value.retry) == ("truncated_body", True)


def bomb(encoding, size):
    """So many MiB of zeros, packed."""
    zeros = bytes(1 << 20)
    if encoding == "br":
        brotli_packer = brotli.Compressor(quality=5)
        body = b"".join(brotli_packer.process(zeros) for _ in range(size))
        return body + brotli_packer.finish()
    if encoding == "zstd":
        zstd_packer = zstandard.ZstdCompressor(level=19).compressobj()
        return b"".join(zstd_packer.compress(zeros) for _ in range(size)) + zstd_packer.flush()
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    return b"".join(packer.compress(zeros) for _ in range(size)) + packer.flush()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_costs_one_chunk_of_memory(encoding):
    packed = bomb(encoding, 200)
    limits = BodyLimits(wire_bytes=8 << 20, unpacked_bytes=64 << 20, ratio=10_000)
    asked = request(packed, encoding=encoding)
    tracemalloc.start()

    with pytest.raises(Problem) as caught:
        for _ in iterate_body(asked, limits):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert caught.value.status_code == 413
    assert peak < 24 << 20


def test_an_absurd_ratio_is_refused_below_the_size_limit():
    asked = request(bomb("zstd", 3), encoding="zstd")

    with pytest.raises(Problem) as caught:
        read_body(asked, LIMITS)

    assert caught.value.code == "body_too_large"


def multipart(*parts, boundary="uxp", end=True):
    lines = []
    for name, file_name, content in parts:
        disposition = f'form-data; name="{name}"'
        if file_name is not None:
            disposition += f'; filename="{file_name}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        lines.append(head + content + b"\r\n")
    return b"".join(lines) + (f"--{boundary}--\r\n".encode() if end else b"")


FORM = "multipart/form-data; boundary=uxp"


@pytest.mark.parametrize("length", ["declared", "chunked"])
@pytest.mark.parametrize("encoding", [None, "gzip", "zstd"])
def test_multipart_is_read_from_the_stream(encoding, length):
    binary = bytes(range(256)) * 1000 + b"\r\n--ux not a boundary"
    body = multipart(("report", None, b"{}"), ("payload", "a.pb", binary), ("empty", "", b""))
    asked = request(ENCODINGS[encoding](body), encoding=encoding, content_type=FORM, length=length)

    parts = read_multipart(asked, LIMITS)

    assert [(part.name, part.file_name) for part in parts] == [
        ("report", None),
        ("payload", "a.pb"),
        ("empty", ""),
    ]
    assert [part.content for part in parts] == [b"{}", binary, b""]


def test_a_part_that_nobody_reads_is_skipped():
    body = multipart(("one", None, b"x" * 200_000), ("two", None, b"2"))

    names = [part.name for part in stream_parts(request(body, content_type=FORM), LIMITS)]

    assert names == ["one", "two"]


def test_a_plain_body_is_one_part():
    (part,) = stream_parts(request(b"ELF"), LIMITS)

    assert (part.name, part.file_name) == ("file", None)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (multipart(("a", None, b"1"), end=False), FORM, "truncated_body"),
        (multipart(("a", None, b"1"))[:-30], FORM, "truncated_body"),
        (b"no boundary here", FORM, "malformed_multipart"),
        (b"", FORM, "truncated_body"),
        (multipart(("a", None, b"1")), "multipart/form-data", "malformed_multipart"),
        (b"", f"multipart/form-data; boundary={'x' * 300}", "malformed_multipart"),
        (multipart(*[("a", None, b"1")] * 6), FORM, "too_many_parts"),
        (multipart(("a" * 9000, None, b"1")), FORM, "malformed_multipart"),
    ],
)
def test_damaged_multipart_is_the_clients_error(body, content_type, code):
    with pytest.raises(Problem) as caught:
        read_multipart(request(body, content_type=content_type), LIMITS)

    assert caught.value.code == code


@given(st.text(alphabet="\0\\u0a", max_size=12))
def test_a_document_without_nul_is_the_same_document(text):
    document = json.dumps({text: [text]}).encode()

    expected = text.replace("\0", "\ufffd")
    assert json.loads(without_nul(document)) == {expected: [expected]}
