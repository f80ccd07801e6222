"""`Proxy`: stands between client and server and does to connections what networks do.

`FramesProxy` does it to frames on a Unix socket.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import socket
import threading
import time
from collections.abc import Generator
from types import TracebackType

import pytest

from rlmesh._transport.socket import client as frames_client

__all__ = ["Proxy", "between", "cutting"]

_CHUNK = 65_536
_MAX_DESCRIPTORS = 4


class Proxy:
    """Forwards TCP connections on loopback to one port.

    Args:
        target: Address of the server ("tcp://127.0.0.1:5555"), whose scheme the proxy has too.
        port: Port of the proxy; 0: a free one.

    Attributes:
        connections: How many connections it has accepted.
        broken: How many of them it has broken.
        delay: Seconds that everything is held back on its way.
    """

    def __init__(self, target: str, port: int = 0) -> None:
        self._target = target
        self._port = port
        self._listener = self._listen()
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._closed = False
        self._refuses = threading.Event()
        self.swallows = threading.Event()
        self._cut_after: int | None = None
        self.delay = 0.0
        self.connections = 0
        self.broken = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Address for the clients to connect to."""
        scheme, separator, _ = self._target.rpartition("://")
        return f"{scheme}{separator}127.0.0.1:{self._listener.getsockname()[1]}"

    def _listen(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", self._port))

    def _dial(self) -> socket.socket:
        host, _, port = self._target.rpartition("://")[2].rpartition(":")
        return socket.create_connection((host, int(port)), timeout=5)

    def cut(self) -> int:
        """Reset every connection; how many that were."""
        pairs = self._taken()
        for pair in pairs:
            pair.reset()
        return len(pairs)

    def cut_after(self, count: int) -> None:
        """Reset every connection once the server has sent `count` more bytes; not all of them pass."""  # noqa: E501
        self._cut_after = count

    def cut_late(self, seconds: float) -> int:
        """Reset the clients' ends of every connection; the server hears of it later.

        What the clients send in the next moments is held back, and comes at the server after
        `seconds`: by then they have connected again, so that it arrives out of order.
        """
        pairs = self._taken()
        for pair in pairs:
            pair.leave_late(seconds)
        return len(pairs)

    @contextlib.contextmanager
    def swallowing(self) -> Generator[None, None, None]:
        """Forward nothing, and close nothing either."""
        self.swallows.set()
        try:
            yield
        finally:
            self.swallows.clear()

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

    def cuts(self, size: int) -> bool:
        """Whether `size` more bytes from the server are those that `cut_after` waits for."""
        if self._cut_after is None:
            return False
        self._cut_after -= size
        if self._cut_after > 0:
            return False
        self._cut_after = None
        return True

    def forget(self, pair: _Pair) -> None:
        """A connection is over."""
        with self._lock:
            self._pairs = [other for other in self._pairs if other is not pair]

    def _taken(self) -> list[_Pair]:
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self.broken += len(pairs)
        return pairs

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
                server = self._dial()
            except OSError:
                _reset(client)
                continue
            pair = _Pair(self, client, server)
            with self._lock:
                self._pairs.append(pair)
            threading.Thread(target=pair.forward, daemon=True).start()


class FramesProxy(Proxy):
    """Forwards frames on Unix sockets of this host, and the descriptors that come with them.

    Attributes:
        name: Its own socket's name.
    """

    def __init__(self) -> None:
        self.name = f"rlmesh-proxy-{secrets.token_hex(8)}"
        super().__init__("")

    def stand_for(self, name: str) -> str:
        """Forward to the socket of this name from now on; return the name to connect to."""
        self._target = name
        return self.name

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"\0{self.name}")
        listener.listen(128)
        return listener

    def _dial(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"\0{self._target}")
        return server


@contextlib.contextmanager
def between(address: str, transport: str) -> Generator[tuple[str, Proxy], None, None]:
    """Yield the address that replaces a server's, and the proxy that its sessions go through.

    Over frames that is their socket: sessions still begin, and are resumed, at the address itself.
    """
    if transport == "grpc" or address.startswith("frames://"):
        with Proxy(address) as proxy:
            yield proxy.address, proxy
        return
    direct = frames_client.to_socket
    with FramesProxy() as frames, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "rlmesh._transport.socket.transports.to_socket",
            lambda where, name: direct(where, frames.stand_for(name)),
        )
        yield address, frames


@contextlib.contextmanager
def cutting(proxy: Proxy, every: int) -> Generator[None, None, None]:
    """Cut the connection again and again, each time after so many bytes of the server's."""
    with pytest.MonkeyPatch.context() as patch:
        cuts = proxy.cuts

        def then_again(size: int) -> bool:
            cut = cuts(size)
            if cut:
                proxy.cut_after(every)
            return cut

        patch.setattr(proxy, "cuts", then_again)
        proxy.cut_after(every)
        yield


class _Pair:
    """One connection of a client, and the one to the server that stands for it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._late = 0.0
        for end in (client, server):
            end.settimeout(None)
            if end.family != socket.AF_UNIX:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def forward(self) -> None:
        """Forward until the connection is over."""
        with contextlib.suppress(OSError, ValueError):
            while self._passes():
                pass
        self._proxy.forget(self)
        self.reset()

    def reset(self) -> None:
        """Reset both ends."""
        _reset(self._client)
        _reset(self._server)

    def leave_late(self, seconds: float) -> None:
        """See `Proxy.cut_late`."""
        self._late = seconds

    def _passes(self) -> bool:
        """Forward what there is; False: the connection is over."""
        ready, _, _ = select.select([self._client, self._server], [], [], 0.01)
        if self._late:
            return self._deliver_late()
        for source in ready:
            data, descriptors, _, _ = socket.recv_fds(source, _CHUNK, _MAX_DESCRIPTORS)
            try:
                if not data or not self._pass_on(source, data, descriptors):
                    return False
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
        return True

    def _pass_on(self, source: socket.socket, data: bytes, descriptors: list[int]) -> bool:
        """Forward what has come; False: the connection is over."""
        if self._proxy.swallows.is_set():
            return True
        if self._proxy.delay:
            time.sleep(self._proxy.delay)
        if source is self._server and self._proxy.cuts(len(data)):
            self._client.sendall(data[: len(data) // 2])
            self._proxy.broken += 1
            return False
        to = self._client if source is self._server else self._server
        if descriptors:
            data = data[socket.send_fds(to, [data], descriptors) :]
        to.sendall(data)
        return True

    def _deliver_late(self) -> bool:
        """Hold back what the client sends for a moment; deliver it when it has long gone."""
        held = b""
        deadline = time.monotonic() + min(self._late, 0.02)
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._client], [], [], left)[0]:
                data = self._client.recv(_CHUNK)
                if not data:
                    break
                held += data
        _reset(self._client)
        time.sleep(self._late)
        self._server.sendall(held)
        time.sleep(self._late)
        return False


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        end.shutdown(socket.SHUT_RDWR)
    end.close()
