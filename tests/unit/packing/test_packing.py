"""What is kept of a report comes back, whenever it was packed."""

import io
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crashes import packing
from crashes.packing import Document, UnreadablePack
from crashes.stack import Crash, CrashKind, ExceptionInfo, Frame, FrameTrust, Module, Thread

KEPT_FOR_EVER = {
    "100001.zdict": "f8649b5ea3843175f67c0bf8b336dcd5cb2421d2603be8e70d04effc811f9c8f",
    "200001.zdict": "c3cd82d9678e32a7e366bb8a75b08794395e226751ea15e3869ab916ede2eaf3",
}
"""Stored reports cannot be read without these, so a change of their bytes is the loss of reports."""

FRAMES = (
    Frame(0, "main", address=0xFFFF_FFFF_FFFF_F000, build_id="ab" * 20, trust=FrameTrust.CFI),
    Frame(1, "com.example.Foo.bar", file="Foo.kt", line=7),
)
DOCUMENT = Document(
    {"payload": {"format": "minidump"}, "annotations": {"ünïcode": "✓"}},
    Crash(
        CrashKind.NATIVE_CRASH,
        fault_addr=0,
        threads=(Thread("main", 7, crashing=True, frames=FRAMES, registers={"pc": 2**64 - 1}),),
        exceptions=(ExceptionInfo("E", frames=FRAMES),),
        modules=(Module("/system/lib64/libc.so", start_addr=0x7000, end_addr=0x8000),),
        details={"log": ["a", None, {"level": 1.5}]},
    ),
    {"mechanism": "v1", "score": 1.0, "explanation": ["Seen before."]},
)


def test_the_dictionaries_are_the_ones_that_reports_were_packed_with():
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in packing.FOLDER.iterdir()}

    assert found == KEPT_FOR_EVER


@pytest.mark.parametrize("document", [DOCUMENT, Document({})])
def test_a_document_comes_back(document):
    assert packing.unpack_document(packing.pack_document(document)) == document


@given(st.binary(max_size=5000))
def test_a_payload_comes_back(payload):
    packed = packing.pack_payload(payload)

    assert packing.unpack(packed) == payload
    with packing.open_payload(io.BytesIO(packed)) as stream:
        assert stream.read(10_000) == payload


def test_what_is_packed_names_its_dictionary():
    frames = (packing.pack_document(DOCUMENT), packing.pack_payload(b"payload"))

    named = [zstandard.get_frame_parameters(frame).dict_id for frame in frames]

    assert named == [packing.DOCUMENT, packing.PAYLOAD]


def test_what_was_packed_without_a_dictionary_is_read_too():
    plain = zstandard.compress(b"from before")

    assert packing.unpack(plain) == b"from before"
    with packing.open_payload(io.BytesIO(plain)) as stream:
        assert stream.read(100) == b"from before"


def test_a_document_takes_less_room_than_without_a_dictionary():
    plain = zstandard.compress(msgspec.json.encode(DOCUMENT))

    assert len(packing.pack_document(DOCUMENT)) < 0.7 * len(plain)


def test_a_dictionary_that_is_not_here_is_named():
    stranger = zstandard.train_dictionary(
        1024, [bytes([n]) * 90 for n in range(200)], dict_id=99_999
    )
    packed = zstandard.ZstdCompressor(dict_data=stranger).compress(b"x" * 200)

    with pytest.raises(UnreadablePack, match="99999"):
        packing.unpack(packed)


@pytest.mark.parametrize("damage", [b"", b"not packed", packing.pack_payload(b"x" * 500)[:-3]])
def test_what_is_not_whole_is_refused(damage):
    with pytest.raises(UnreadablePack):
        packing.unpack(damage)


def test_what_holds_too_much_is_refused():
    with pytest.raises(UnreadablePack):
        packing.unpack(packing.pack_payload(b"0" * 1_000_000), max_bytes=1000)


def test_what_is_no_document_is_refused():
    with pytest.raises(UnreadablePack):
        packing.unpack_document(packing.pack_payload(b'{"crash": 7}'))


def test_threads_share_dictionaries():
    def there_and_back(number: int) -> bool:
        payload = b"thread %d " % number * 500
        return packing.unpack(packing.pack_payload(payload)) == payload

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(200)))
