"""Bodies that unpack to as much as a million times their size cost a few buffers and are refused.

They go over a real socket to the server of production. What they cost is the growth of the peak of
its resident memory, which Linux keeps per process and forgets when it is told to.
"""

import gzip
import http.client
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import brotli
import pytest
import zstandard

from tests.conftest import skip_or_fail
from tests.journeys.platform import Platform, report_document

pytestmark = pytest.mark.own_servers

MIB = 1 << 20
MOST_EXTRA_KIB = 32 * 1024
JSON = "application/json"
FORM = "multipart/form-data; boundary=uxp"
FORM_HEAD = (
    b'--uxp\r\nContent-Disposition: form-data; name="report"\r\n\r\n{}\r\n'
    b'--uxp\r\nContent-Disposition: form-data; name="payload"; filename="p"\r\n\r\n'
)


def packed(packer, size_mib, *, head=b""):
    """So many MiB of zeros behind a head, packed without ever having them all."""
    pack = packer.process if isinstance(packer, brotli.Compressor) else packer.compress
    finish = packer.finish if isinstance(packer, brotli.Compressor) else packer.flush
    block = bytes(MIB)
    start = pack(head) if head else b""
    return b"".join([start, *(pack(block) for _ in range(size_mib)), finish()])


def gzipped(size_mib, *, head=b""):
    return packed(zlib.compressobj(9, wbits=31), size_mib, head=head)


def zstd(size_mib):
    return packed(zstandard.ZstdCompressor().compressobj(), size_mib)


@dataclass
class Bomb:
    name: str
    body: bytes
    encoding: str
    content_type: str = JSON


def bombs():
    small, large = gzipped(10), gzipped(300)
    yield Bomb("gzip", large, "gzip")
    yield Bomb("gzip members", small * 30, "gzip")
    yield Bomb("gzip in gzip", gzip.compress(large), "gzip")
    yield Bomb("gzip in gzip, said", gzip.compress(large), "gzip, gzip")
    yield Bomb("zlib", packed(zlib.compressobj(9), 300), "deflate")
    yield Bomb("deflate", packed(zlib.compressobj(9, wbits=-15), 300), "deflate")
    yield Bomb("zstd", zstd(1000), "zstd")
    yield Bomb("zstd frames", zstd(1) * 1000, "zstd")
    yield Bomb("br", packed(brotli.Compressor(quality=5, lgwin=24), 1000), "br")
    yield Bomb("gzip form", gzipped(300, head=FORM_HEAD), "gzip", FORM)


@pytest.fixture
def embedded(tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        skip_or_fail("peak memory: this kernel keeps none per process")
    made = Platform(tmp_path)
    made.prepare()
    made.start_web()
    yield made
    made.stop()


def server_processes(platform):
    """The web server and everything it started."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = sorted(tuple(map(int, line.split())) for line in listing.stdout.splitlines())
    found = [platform.processes["web"].pid]
    for pid, parent in pairs:
        if parent in found:
            found.append(pid)
    return found


def forget_peaks(pids):
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def send(platform, key, bomb, *, is_chunked):
    """The answer to a body; one that comes before all of it is sent counts too."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Encoding": bomb.encoding,
        "Content-Type": bomb.content_type,
    }
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=60)
    body = bomb.body
    chunks = (body[at : at + 50_000] for at in range(0, len(body), 50_000))
    try:
        connection.request(
            "POST",
            "/api/v1/reports/",
            chunks if is_chunked else body,
            headers,
            encode_chunked=is_chunked,
        )
        return connection.getresponse().status
    finally:
        connection.close()


def test_bombs_cost_a_few_buffers_and_the_next_upload_is_served(embedded):
    key = embedded.ingest_key()
    for _ in range(5):
        assert embedded.upload(key, report_document("none", kind="reboot")).status == 202
    pids = server_processes(embedded)
    forget_peaks(pids)
    resting = {pid: peak_kib(pid) for pid in pids}

    answers = {
        (bomb.name, is_chunked): send(embedded, key, bomb, is_chunked=is_chunked)
        for bomb in bombs()
        for is_chunked in (False, True)
    }
    grown = {pid: peak_kib(pid) - resting[pid] for pid in pids}
    after = embedded.upload(key, report_document("none", kind="reboot"))

    assert {bomb: status for bomb, status in answers.items() if status not in {400, 413, 415}} == {}
    assert len(answers) == 20
    assert max(grown.values()) < MOST_EXTRA_KIB, (resting, grown)
    assert after.status == 202
    assert server_processes(embedded) == pids
