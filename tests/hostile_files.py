"""Files made to hurt whoever reads them, for every format: the corpus of `test_hostile_files.py`.

Small where the harm is in the structure, some megabytes where it is in the size. Made anew in every
run from a few ideas, so that a new format joins by its name alone.
"""

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from crashes.formats.registry import SUPPORTED
from crashes.stack import PayloadFormat
from tests.hostile_cores import hostile_cores
from tests.unit.formats.minidump_writer import (
    LINUX,
    WrittenDump,
    WrittenException,
    WrittenModule,
    WrittenThread,
    elf_record,
)
from tests.unit.formats.minidump_writer import write as write_minidump
from tests.unit.sandbox.hostile import damage, endless_line_header

PARSE = "crashes.formats.jobs:crash_job"
IDENTIFY = "crashes.symbolication.jobs:identify_job"
SYMCACHE = "crashes.symbolication.jobs:build_symcache_job"
MAPPING = "crashes.symbolication.jobs:mapping_job"

_MIB = 1 << 20
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class HostileFile:
    """What it does, which job reads it, and for payloads as what."""

    name: str
    job: str
    make: Callable[[], bytes]
    payload_format: PayloadFormat | None = None

    def __str__(self) -> str:
        where = self.payload_format or self.job.rpartition(":")[2]
        return f"{where}: {self.name}"


def hostile_files() -> list[HostileFile]:
    """All of them; the bytes are made when they are asked for."""
    return [*_texts(), *_json(), *_protobufs(), *_minidumps(), *_cores(), *_archives(), *_bombs(), *_elfs(),
            *_symbol_texts()]  # fmt: skip


# --- Text --------------------------------------------------------------------------------------

_TEXT_FORMATS = tuple(
    sorted(
        SUPPORTED - {PayloadFormat.MINIDUMP, PayloadFormat.CORE, PayloadFormat.TOMBSTONE_PROTO},
        key=str,
    )
)
_OPENINGS = {
    PayloadFormat.JAVA_STACKTRACE: "java.lang.Error: x\n\tat a.b.c(D.java:1)\n",
    PayloadFormat.TOMBSTONE_TEXT: "pid: 1, tid: 1, name: a  >>> a <<<\nsignal 11 (SIGSEGV), code 1\n"
    "backtrace:\n      #00 pc 1  /a.so (f+1)\n",
    PayloadFormat.ANR_TRACES: '----- pid 1 at 2024-01-01 00:00:00 -----\n"main" prio=5 tid=1 Blocked\n'
    "  at a.b.c(D.java:1)\n",
    PayloadFormat.DROPBOX: "Process: a\nPID: 1\nFlags: 0x1\n\njava.lang.Error\n\tat a.b.c(D.java:1)\n",
    PayloadFormat.KERNEL_LOG: "[    1.000000] BUG: KASAN: use-after-free in f+0x1/0x2\n"
    "[    1.000000] Call trace:\n[    1.000000]  f+0x1/0x2\n",
    PayloadFormat.LOGCAT: "01-01 00:00:00.000  1  1 E AndroidRuntime: FATAL EXCEPTION: main\n",
    PayloadFormat.MICRODUMP: "-----BEGIN BREAKPAD MICRODUMP-----\nO A arm64 08 aarch64 1\nS 0 1 1\n"
    "-----END BREAKPAD MICRODUMP-----\n",
    PayloadFormat.BATTERYSTATS: "9,0,i,vers,34,186,A,B\n9,0,l,bt,1,1,1,1,1,1,1,1,1,1\n",
    PayloadFormat.BUGREPORT: "== dumpstate: 2020-01-08 15:30:07\n------ A (B) ------\n",
}
_REPEATED = {  # what a line of each kind is made of
    "letters": "a",
    "blanks": " ",
    "parentheses": "(",
    "quotes": '"',
    "dots": "a.",
    "colons": "a: ",
    "digits": "0",
    "frames on one line": "#00 pc 1 /a (b+1) (BuildId: 1) ",
}


def _texts() -> Iterator[HostileFile]:
    for payload_format in _TEXT_FORMATS:
        opening = _OPENINGS.get(payload_format, "")
        for name, piece in _REPEATED.items():
            yield _payload(
                f"one line of {name}", payload_format, lambda o=opening, p=piece: _long(o, p)
            )
        yield _payload(
            "a million empty lines", payload_format, lambda o=opening: (o + "\n" * _MIB).encode()
        )
        yield _payload("its lines without end", payload_format, lambda o=opening: _many("", o))
        yield _payload(
            "causes without end", payload_format,
            lambda o=opening: _many(o, "Caused by: a.b.C: d\n\tat a.b.c(D.java:1)\n"),
        )  # fmt: skip
        yield _payload("zeros", payload_format, lambda o=opening: o.encode() + bytes(4 * _MIB))
        yield _payload(
            "no text at all", payload_format, lambda o=opening: o.encode() + b"\xff" * _MIB
        )


def _payload(name: str, payload_format: PayloadFormat, make: Callable[..., bytes]) -> HostileFile:
    return HostileFile(name, PARSE, make, payload_format)


def _long(opening: str, piece: str) -> bytes:
    return (opening + piece * (4 * _MIB // len(piece)) + "\n" + opening).encode()


def _many(opening: str, piece: str) -> bytes:
    return (opening + piece * (2 * _MIB // len(piece or "a"))).encode()


# --- JSON --------------------------------------------------------------------------------------


def _json() -> Iterator[HostileFile]:
    for payload_format in (PayloadFormat.ACRA_JSON, PayloadFormat.SENTRY_EVENT):
        for name, make in {
            "arrays in arrays": lambda: b"[" * _MIB,
            "objects in objects": lambda: b'{"a":' * 200_000,
            "a stack in a stack": lambda: b'{"exception":{"values":[' * 50_000,
            "a number of a million digits": lambda: b'{"timestamp":' + b"9" * _MIB + b"}",
            "an exponent": lambda: b'{"timestamp":1e999999999}',
            "a text without end": lambda: b'{"STACK_TRACE":"' + b"\\n\\tat a.b.c(D:1)" * 100_000,
            "a list of nothing": lambda: b'{"exception":{"values":[' + b"null," * 500_000 + b"1]}}",
            "keys without end": lambda: (
                b"{" + b",".join(b'"%d":1' % number for number in range(200_000)) + b"}"
            ),
            "frames without end": lambda: (
                b'{"exception":{"values":[{"type":"E","stacktrace":{"frames":['
                + b'{"function":"f"},' * 200_000 + b"{}]}}]}}"
            ),
            "wrong types everywhere": lambda: (
                b'{"exception":1,"threads":"x","debug_meta":[],"contexts":{"device":3},'
                b'"STACK_TRACE":{},"BUILD":7,"platform":[]}'
            ),
        }.items():  # fmt: skip
            yield _payload(name, payload_format, make)


# --- Protobuf ----------------------------------------------------------------------------------


def _protobufs() -> Iterator[HostileFile]:
    for name, make in {
        "lengths in lengths": lambda: _nested(b"\x82\x01", 2_000),
        "a length beyond the end": lambda: b"\x12\xff\xff\xff\xff\x0f",
        "a length of 2**63": lambda: b"\x12" + b"\xff" * 9 + b"\x01",
        "a number of eleven bytes": lambda: b"\x28" + b"\xff" * 11,
        "a million empty fields": lambda: b"\x08\x01" + b"\x12\x00" * _MIB,
        "a million empty threads": lambda: b"\x28\x01\x30\x01" + b"\x82\x01\x00" * (_MIB // 2),
        "groups in groups": lambda: b"\x1b" * _MIB,
        "frames without end": lambda: _thread(b"\x22\x02\x08\x01" * 400_000),
        "registers without end": lambda: _thread(b"\x1a\x04\x0a\x02x0" * 200_000),
        "mappings without end": lambda: b"\x28\x01" + b"\x8a\x01\x02\x08\x01" * 300_000,
        "a wrapper in a wrapper": lambda: _nested(b"\x0a", 2_000),
        "field numbers of 2**29": lambda: b"\xf8\xff\xff\xff\x0f\x01" * 100_000,
    }.items():
        yield _payload(name, PayloadFormat.TOMBSTONE_PROTO, make)


def _nested(tag: bytes, depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = tag + _uleb(len(inner)) + inner
    return inner


def _thread(content: bytes) -> bytes:
    entry = b"\x08\x01\x12" + _uleb(len(content)) + content
    return b"\x28\x01\x30\x01\x82\x01" + _uleb(len(entry)) + entry


def _uleb(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


# --- Minidumps ---------------------------------------------------------------------------------


_STACK_AT = 0x7F00_0000_0000


@cache
def _minidump() -> bytes:
    stack = struct.pack("<64Q", *(_STACK_AT + 16 * at for at in range(64)))
    return write_minidump(
        WrittenDump(
            cpu="arm64",
            platform=LINUX,
            threads=[
                WrittenThread(
                    tid=7,
                    registers={"pc": 0x1010, "sp": _STACK_AT, "x29": _STACK_AT},
                    stack_start=_STACK_AT,
                    stack=stack,
                )
            ],
            modules=[WrittenModule("/a.so", 0x1000, 0x10000, elf_record(bytes(range(1, 17))))],
            exception=WrittenException(tid=7, code=11),
        )
    )  # fmt: skip


def _minidumps() -> Iterator[HostileFile]:
    for at in range(0, 240, 4):
        yield _payload(
            f"a lie at byte {at}", PayloadFormat.MINIDUMP,
            lambda at=at: _minidump()[:at] + b"\xff\xff\xff\x7f" + _minidump()[at + 4 :],
        )  # fmt: skip
    for seed in range(20):
        yield _payload(
            f"damage {seed}", PayloadFormat.MINIDUMP,
            lambda seed=seed: damage(_minidump(), random.Random(seed)),
        )  # fmt: skip
    yield _payload("cut in half", PayloadFormat.MINIDUMP, lambda: _minidump()[: 1 << 8])
    yield _payload(
        "four thousand million streams", PayloadFormat.MINIDUMP,
        lambda: struct.pack("<4sIIIIIQ", b"MDMP", 0xA793, 0xFFFFFFFF, 32, 0, 0, 0) + bytes(4 * _MIB),
    )  # fmt: skip


# --- Core files --------------------------------------------------------------------------------


def _cores() -> Iterator[HostileFile]:
    for name, make in hostile_cores():
        yield _payload(name, PayloadFormat.CORE, make)


# --- Archives and compression ------------------------------------------------------------------


def _archives() -> Iterator[HostileFile]:
    for name, make in {
        "members that overlap": _overlapping_zip,
        "a zip in a zip in a zip": _nested_zip,
        "sixty thousand members": lambda: _zip({f"{at}.txt": b"" for at in range(60_000)}),
        "a size that is a lie": lambda: _zip({"main_entry.txt": b"b.txt", "b.txt": b"0" * _MIB}).replace(
            struct.pack("<I", _MIB), struct.pack("<I", 7)
        ),
        "names that climb": lambda: _zip({"../../etc/passwd": b"x", "/etc/passwd": b"y"}),
        "a main entry that is itself": lambda: _zip({"main_entry.txt": b"main_entry.txt"}),
        "a text of a thousand megabytes": lambda: _zip_of_zeros(1024),
        "no directory": lambda: b"PK\3\4" + bytes(_MIB),
        "a directory of noise": lambda: (
            b"PK\3\4" + random.Random(1).randbytes(_MIB) + b"PK\5\6" + b"\xff" * 18
        ),
    }.items():  # fmt: skip
        yield _payload(name, PayloadFormat.BUGREPORT, make)


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _overlapping_zip() -> bytes:
    """Thousands of directory entries that all mean the same compressed megabytes."""
    whole = _zip({"bugreport.txt": bytes(16 * _MIB)})
    at = whole.index(b"PK\1\2")
    end = whole.index(b"PK\5\6")
    entry, count = whole[at:end], 20_000
    closing = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(entry) * count, at, 0)
    return whole[:at] + entry * count + closing


def _nested_zip() -> bytes:
    content = _zip({"main_entry.txt": b"a.zip"})
    for _ in range(50):
        content = _zip({"main_entry.txt": b"a.zip", "a.zip": content})
    return content


def _zip_of_zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, block = [], bytes(_MIB)
    crc = 0
    for _ in range(mebibytes):
        packed.append(packer.compress(block))
        crc = zlib.crc32(block, crc)
    data = b"".join([*packed, packer.flush()])
    name = b"bugreport.txt"
    sizes = struct.pack("<III", crc, len(data), mebibytes * _MIB)
    local = struct.pack("<4sHHHHH", b"PK\3\4", 20, 0, 8, 0, 0) + sizes
    local += struct.pack("<HH", len(name), 0) + name
    central = struct.pack("<4sHHHHHH", b"PK\1\2", 20, 20, 0, 8, 0, 0) + sizes
    central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    at = len(local) + len(data)
    closing = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central), at, 0)
    return local + data + central + closing


def _bombs() -> Iterator[HostileFile]:
    for payload_format in sorted(SUPPORTED, key=str):
        yield _payload("a gzip of two thousand megabytes", payload_format, _gzip_bomb)
        yield _payload("a gzip in a gzip", payload_format, lambda: gzip.compress(_gzip_bomb()))


@cache
def _gzip_bomb() -> bytes:
    return gzip.compress(bytes(64 * _MIB), 9) * 32


# --- Debug files -------------------------------------------------------------------------------

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")


def _elfs() -> Iterator[HostileFile]:
    files = {
        "line tables without end": lambda: endless_line_header(),  # noqa: PLW0108
        "a section that holds itself": lambda: _elf(_section(8, 0, 1 << 20, link=1)),
        "sections that link in a circle": lambda: _elf(_section(2, 64, 64, link=2), _section(3, 64, 64, link=1)),
        "symbols of no size": lambda: _elf(_section(2, 64, 1 << 20, entry=0)),
        "symbols of a huge size": lambda: _elf(_section(2, 64, 1 << 62, entry=24)),
        "a note of 2**32 bytes": lambda: _elf(_section(7, 64, 64)) + struct.pack("<III", 2**32 - 1, 2**32 - 1, 3),
        "sections beyond the end": lambda: _elf(_section(1, 1 << 60, 1 << 60)),
        "sixty thousand sections": lambda: _elf(*[_section(7, 64, 64)] * 60_000),
        "a header size of zero": lambda: _elf(_section(1, 64, 64), section_size=0),
        "names beyond the end": lambda: _elf(_section(3, 1 << 40, 1 << 40), names=0),
        "names in a section that is none": lambda: _elf(_section(1, 64, 64), names=0xFFFE),
        "a compressed section of 2**62 bytes": lambda: _compressed(1 << 62, b"x" * 64),
        "a compressed section of noise": lambda: _compressed(1 << 20, b"\xff" * 64),
        "a compression that is a bomb": lambda: _compressed(1 << 30, zlib.compress(bytes(64 * _MIB))),
        "a header alone": lambda: _elf()[:64],
        "the wrong class": lambda: b"\x7fELF\x09\x09\x09" + bytes(200),
    }  # fmt: skip
    for job in (IDENTIFY, SYMCACHE):
        for name, make in files.items():
            yield HostileFile(name, job, make)
        for seed in range(8):
            yield HostileFile(
                f"damaged line tables {seed}", job,
                partial(_damaged_line_tables, seed),
            )  # fmt: skip


def _damaged_line_tables(seed: int) -> bytes:
    return damage(endless_line_header(2), random.Random(seed))


def _section(
    kind: int, offset: int, size: int, *, link: int = 0, entry: int = 24, flags: int = 0
) -> bytes:
    return _SECTION.pack(0, kind, flags, 0, offset, size, link, 0, 1, entry)


def _elf(*sections: bytes, section_size: int = 64, names: int = 0) -> bytes:
    count = len(sections) + 1
    head = _HEADER.pack(
        b"\x7fELF\2\1\1" + bytes(9), 3, 183, 1, 0, 0, 64, 0, 64, 56, 0, section_size,
        min(count, 0xFEFF), names,
    )  # fmt: skip
    return head + bytes(64) + b"".join(sections)


def _compressed(declared: int, content: bytes) -> bytes:
    body = struct.pack("<IIQQ", 1, 0, declared, 1) + content
    offset = 64 + 64 + 64
    return _elf(_section(1, offset, len(body), flags=0x800)) + body


# --- Symbol files and mappings -----------------------------------------------------------------


def _symbol_texts() -> Iterator[HostileFile]:
    module = b"MODULE Linux arm64 010203040506070809000102030405060 a.so\n"
    for name, make in {
        "a name without end": lambda: module + b"FUNC 0 10 0 " + b"a" * (4 * _MIB),
        "inlines in inlines": lambda: (
            module + b"INLINE_ORIGIN 0 f\nFUNC 0 1000 0 f\n"
            + b"".join(b"INLINE %x 1 0 0 0 10\n" % depth for depth in range(50_000))
        ),
        "functions that overlap": lambda: module + b"FUNC 0 ffffffff 0 f\n" * 100_000,
        "addresses beyond 64 bits": lambda: module + b"FUNC " + b"f" * 1000 + b" 10 0 f\n",
        "rules without end": lambda: module + b"STACK CFI INIT 0 10 .cfa: " + b"sp 8 + " * 300_000,
        "files without end": lambda: module + b"FILE 0 a\n" * 200_000,
        "a record of noise": lambda: module + random.Random(2).randbytes(_MIB),
    }.items():  # fmt: skip
        for job in (IDENTIFY, SYMCACHE):
            yield HostileFile(name, job, make)
    for name, make in {
        "a class without a name": lambda: b" -> :\n" * 300_000,
        "a member in no class": lambda: b"    1:1:void f():1:1 -> a\n" * 100_000,
        "arrows": lambda: b" -> " * _MIB,
        "a line of parameters": lambda: b"a.B -> a:\n    void f(" + b"int," * _MIB + b") -> a\n",
        "frames inlined without end": lambda: (
            b"a.B -> a:\n" + b"    1:1:void f():1:1 -> a\n" * 300_000
        ),
        "ranges beyond 64 bits": lambda: b"a.B -> a:\n    " + b"9" * 5000 + b":9:void f():1:1 -> a\n",
        "json in a comment": lambda: b"a.B -> a:\n# " + b'{"id":' * 200_000 + b"\n",
        "a comment without end": lambda: b"# {" + b'"a":1,' * 500_000,
        "quotes": lambda: b'a.B -> a:\n# {"id":"sourceFile","fileName":"' + b"\\" * _MIB,
        "noise": lambda: random.Random(3).randbytes(_MIB),
    }.items():  # fmt: skip
        yield HostileFile(name, MAPPING, make)
