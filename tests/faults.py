"""`Proxy`: stands between client and server and does to connections what networks do."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Generator
from types import TracebackType

__all__ = ["Proxy"]

_CHUNK = 65_536


class Proxy:
    """Forwards TCP connections on loopback to one port.

    Args:
        target: Address of the server ("tcp://127.0.0.1:5555").

    Attributes:
        connections: How many connections it has accepted.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._closed = False
        self._swallows = threading.Event()
        self._refuses = threading.Event()
        self._cut_after: int | None = None
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _reset(end)

    def cut_after(self, count: int) -> None:
        """Reset every connection once the server has sent `count` more bytes; not all of them pass."""  # noqa: E501
        self._cut_after = count

    @contextlib.contextmanager
    def swallowing(self) -> Generator[None, None, None]:
        """Forward nothing, and close nothing either."""
        self._swallows.set()
        try:
            yield
        finally:
            self._swallows.clear()

    @contextlib.contextmanager
    def refusing(self) -> Generator[None, None, None]:
        """Close new connections at once."""
        self._refuses.set()
        try:
            yield
        finally:
            self._refuses.clear()

    def close(self) -> None:
        """Cut everything and stop listening."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join(10)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refuses.is_set():
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                _reset(client)
                continue
            for end in (client, server):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._passes(client, server):
                pass
        self._drop(client, server)

    def _passes(self, client: socket.socket, server: socket.socket) -> bool:
        """Forward what there is; False: the connection is over."""
        ready, _, _ = select.select([client, server], [], [])
        for source in ready:
            data = source.recv(_CHUNK)
            if not data:
                return False
            if self._swallows.is_set():
                continue
            if source is server and self._cuts(len(data)):
                client.sendall(data[: len(data) // 2])
                return False
            (client if source is server else server).sendall(data)
        return True

    def _cuts(self, size: int) -> bool:
        if self._cut_after is None:
            return False
        self._cut_after -= size
        if self._cut_after > 0:
            return False
        self._cut_after = None
        return True

    def _drop(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._pairs = [pair for pair in self._pairs if pair[0] is not client]
        for end in (client, server):
            _reset(end)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        end.shutdown(socket.SHUT_RDWR)
    end.close()
