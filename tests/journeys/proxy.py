"""A TCP relay on loopback that can be cut and mended: a network cable for tests."""

import contextlib
import socket
import threading


class Relay:
    """Passes connections on to `target` (host, port) while it is whole."""

    def __init__(self, target):
        self._target = target
        self._is_whole = True
        self._pairs = []
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Break all connections and refuse new ones."""
        with self._lock:
            self._is_whole = False
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def mend(self):
        """Pass connections on again."""
        with self._lock:
            self._is_whole = True

    def close(self):
        """Cut for good."""
        self.cut()
        self._server.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                is_whole = self._is_whole
            if not is_whole:
                near.close()
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
