"""Zips are unpacked one entry behind the other, and damage ends in our own error."""

import io
import os
import tempfile
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from crashes.symbolication.archives import unpack_job
from crashes.symbolication.errors import UnreadableDebugFile

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name)


def zipped(entries):
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return holder.getvalue()


def unpack(data):
    """Answers with the content instead of the place, or the code of the refusal."""
    with tempfile.TemporaryFile() as archive, tempfile.TemporaryFile() as out:
        archive.write(data)
        archive.flush()
        try:
            answers = unpack_job(archive.fileno(), out.fileno())
        except UnreadableDebugFile as problem:
            return problem.code
        return [
            answer.get("code") or os.pread(out.fileno(), answer["size_bytes"], answer["offset"])
            for answer in answers
        ]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), st.binary()))
def test_what_went_in_comes_out_in_order(entries):
    assert unpack(zipped(entries)) == list(entries.values())


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=4), st.data())
def test_damage_is_refused_or_harmless(entries, data):
    packed = bytearray(zipped(entries))
    for _ in range(data.draw(st.integers(1, 8))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))

    assert unpack(bytes(packed)) is not None


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(content):
    assert unpack(b"PK\x03\x04" + content) == "damaged_archive"


def test_links_and_names_that_leave_the_archive_are_left_out():
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w") as archive:
        archive.writestr(link, "target")
        for name in ("../up", "/root", "a/../../up", "..\\up", "fine"):
            archive.writestr(zipfile.ZipInfo(name), b"x")

    assert unpack(holder.getvalue()) == ["unsafe_entry"] * 5 + [b"x"]
