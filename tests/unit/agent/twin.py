"""A server that plays the upload API by a script: it fails in the way and order it is told."""

import gzip
import hashlib
import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import zstandard

UNPACK = {
    "gzip": gzip.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}
CUT = "cut"


class Twin:
    """`script` holds (status, document, headers) for the next calls, or CUT, or a call
    that makes one from the body; `on_batch` makes them from the headers. Then it behaves."""

    def __init__(self):
        self.script: deque[Any] = deque()
        self.on_batch: deque[Any] = deque()
        self.calls = []
        self.batches = []
        self.reports = {}
        self.files = {}
        self.wanted = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method, path, headers, body):
        token = headers["Authorization"].removeprefix("Bearer ")
        self.calls.append((method, path.removeprefix("/api/v1"), token))
        if self.script:
            step = self.script.popleft()
            return step(body) if callable(step) else step
        if path.endswith("/batch/") and self.on_batch:
            return self.on_batch.popleft()(headers)
        if path.endswith("/batch/"):
            return self._batch(headers, body)
        return self._attachment(method, path, headers, body)

    def _batch(self, headers, body):
        lines = UNPACK[headers["Content-Encoding"]](body).split(b"\n")
        documents = [json.loads(line) for line in lines]
        self.batches.append((headers["Idempotency-Key"], documents))
        results = []
        for document in documents:
            report_id = document["report_id"]
            status = "duplicate" if report_id in self.reports else "accepted"
            self.reports.setdefault(report_id, document)
            announced = document.get("attachments", [])
            want = [file["sha256"] for file in announced]
            self.wanted |= {file["sha256"]: file["size_bytes"] for file in announced}
            results.append({"report_id": report_id, "status": status, "want": want})
        return 200, {"results": results}, {}

    def _attachment(self, method, path, headers, body):
        sha256 = path.split("/")[-2]
        held = self.files.setdefault(sha256, bytearray())
        size = self.wanted[sha256]
        if method == "PUT":
            start = headers["Content-Range"].removeprefix("bytes ").partition("-")[0]
            if start.isdigit() and int(start) != len(held):
                return 409, {"code": "offset_mismatch", "expected_offset": len(held)}, {}
            held += body
        is_complete = len(held) == size and hashlib.sha256(held).hexdigest() == sha256
        document = {"received_bytes": len(held), "size_bytes": size, "is_complete": is_complete}
        return (201 if is_complete else 202) if method == "PUT" else 200, document, {}

    def _handler(self):
        twin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                step = twin.answer(self.command, self.path, self.headers, body)
                if step == CUT:
                    self.close_connection = True
                    return
                status, document, headers = step
                data = json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = _serve  # noqa: N815

            def log_message(self, *_):
                pass

        return Handler
