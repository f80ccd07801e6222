"""Frames over TCP, with TLS and a token (CONTRACT.md, B-13 and B-15)."""

from __future__ import annotations

import functools
import os
import socket
import struct
import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, ClassVar

from rlmesh._arrival import Arrival
from rlmesh._buffers import Frame
from rlmesh._transport.address import Address
from rlmesh._transport.certificates import load_own, load_trusted, pem
from rlmesh._transport.socket.framing import (
    AT_ONCE,
    HEADER,
    INF,
    FramesEnded,
    FrameSocket,
    peer_name,
)
from rlmesh._transport.socket.pulse import PULSE, PULSE_SECONDS, SILENT_SECONDS, has_room_to_send
from rlmesh.backends import Buffer
from rlmesh.errors import AddressError
from rlmesh.options import TLS

if TYPE_CHECKING:
    # What a client without TLS does not need is a tenth of its imports.
    import ssl
    from typing import TypeGuard

    from rlmesh._transport.socket.doorkeeper import Doorkeeper
    from rlmesh._transport.socket.server import Admit

__all__ = ["TcpFrameSocket", "TlsFrameSocket", "admission", "dial", "listen"]

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""A peer that has vanished without a word is noticed after twenty seconds, as over gRPC."""

_UNACKNOWLEDGED_MS = 20_000

_STEP_BYTES = 1024 * 1024
"""Memory for the first bytes of a large frame over TLS; it doubles whenever it is full."""


class TcpFrameSocket(FrameSocket):
    """Frames over TCP, with a pulse (B-13).

    One thread uses the socket at a time: a thread that sends or receives holds `_using`, for the
    whole of a client's call, and the thread of the pulse skips a turn if another thread holds it.
    """

    _EMPTY: ClassVar[bytes] = HEADER.pack(0)
    """An empty frame: a pulse."""

    def __init__(self, connected: socket.socket, deadline: float = INF) -> None:
        super().__init__(connected, deadline)
        self._using = threading.RLock()
        self._look_after()

    def _look_after(self) -> None:
        """Let receiving calls return after a while, so that a silent peer is noticed."""
        if os.name == "posix":
            # In the kernel, so that the socket stays a blocking one, which takes one call a frame.
            after = struct.pack("ll", int(PULSE_SECONDS), int(PULSE_SECONDS % 1 * 1e6))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, after)

    def welcomed(self) -> None:
        """See `FrameSocket`; from now on the peer's pulse is expected, and it gets one."""
        super().welcomed()
        PULSE.add(self)

    def pulse(self) -> None:
        """See `Pulse`."""
        if not self._using.acquire(blocking=False):
            return
        try:
            # Without room for a few bytes it would wait, and the peer reads nothing anyway.
            if has_room_to_send(self._socket):
                self._socket.sendall(self._EMPTY)
        except (OSError, ValueError):
            pass  # The next call on the socket will fail.
        finally:
            self._using.release()

    def send(self, frame: Frame) -> None:
        """See `FrameSocket`."""
        with self._using:
            super().send(frame)

    def send_report(self, frame: Frame) -> None:
        """See `FrameSocket`."""
        with self._using:
            super().send_report(frame)

    def receive(self) -> Buffer:
        """See `FrameSocket`; a pulse is no frame."""
        with self._using:
            while not (frame := super().receive()):
                pass
        return frame

    def look(self) -> Arrival:
        """See `FrameSocket`."""
        with self._using:
            return super().look()

    def _arrival(self) -> Arrival:
        while self._rest.startswith(self._EMPTY):
            self._rest = self._rest[len(self._EMPTY) :]
        return super()._arrival()

    def _recv(self, size: int, flags: int = 0) -> bytes:
        silent = 0.0
        while True:
            try:
                return self._socket.recv(size, flags)
            except (BlockingIOError, TimeoutError):
                silent = self._still_silent(silent)
                self._ask_for_a_sign()

    def _ask_for_a_sign(self) -> None:
        """Ask a silent peer for bytes, if the protocol can; frames cannot, and need not."""

    def _still_silent(self, seconds: float) -> float:
        seconds += PULSE_SECONDS
        if self._deadline < INF:
            raise TimeoutError("the peer has not begun in time")
        if seconds >= SILENT_SECONDS:
            raise FramesEnded(f"the peer has been silent for {SILENT_SECONDS:g} s")
        return seconds

    def close(self) -> None:
        """See `FrameSocket`."""
        PULSE.remove(self)
        self.cut()
        with self._using:  # The pulse may be sending.
            super().close()


class TlsFrameSocket(TcpFrameSocket):
    """Frames in TLS records, which come one at a time."""

    def __init__(self, connected: ssl.SSLSocket, deadline: float = INF) -> None:
        self._secured = connected
        super().__init__(connected, deadline)

    @property
    def descriptor(self) -> int:
        """-1, because bytes that OpenSSL has read do not make the socket readable."""
        return -1

    def _look_after(self) -> None:
        # OpenSSL would start again if the kernel's timeout ended a call.
        self._socket.settimeout(PULSE_SECONDS)

    def welcomed(self) -> None:
        """See `FrameSocket`."""
        super().welcomed()
        self._look_after()

    def shake_hands(self) -> None:
        """See `FrameSocket`."""
        self._limit()  # The timeout is that of the whole handshake.
        self._secured.do_handshake()

    def _wait(self) -> bytes:
        if self._spin_wait.spin():
            return self._recv(AT_ONCE)  # Perhaps of a part of a record.
        begun = perf_counter_ns()
        data = self._recv(AT_ONCE)
        self._spin_wait.record_wait(perf_counter_ns() - begun)
        return data

    def _send_large(self, header: bytes, frame: Buffer) -> None:
        self._send_all(header)
        self._send_all(frame)

    def _send_all(self, data: Buffer) -> None:
        """Send bytes, as slowly as the peer takes them."""
        view, silent = memoryview(data).cast("B"), 0.0
        while view:
            try:
                view = view[self._socket.send(view) :]
                silent = 0.0
            except TimeoutError:
                silent = self._still_silent(silent)

    def _exactly(self, size: int) -> bytes:
        data, at, silent = bytearray(min(size, _STEP_BYTES)), 0, 0.0
        while at < size:
            if at == len(data):
                data += bytes(min(at, size - at))  # A length may lie, so memory follows the bytes.
            try:
                with memoryview(data) as view, view[at:] as rest:
                    count = self._socket.recv_into(rest)
            except TimeoutError:
                silent = self._still_silent(silent)
                continue
            if not count:
                raise FramesEnded("the peer has closed the connection")
            at += count
        return bytes(data)


def listen(where: Address, port: int) -> socket.socket:
    """Return a listener beside that of gRPC.

    Raises:
        AddressError: If the port cannot be had.
    """
    if where.is_unix:
        raise AddressError(f"frames over TCP need a host, and {where} has none")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            where.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise AddressError(f"cannot listen on {where.host}, port {port}: {error}") from None
    return listener


def admission(
    doorkeeper: Doorkeeper,
    tls: TLS | None,
    plain: Callable[[socket.socket, float], FrameSocket] = TcpFrameSocket,
    secure: Callable[[ssl.SSLSocket, float], FrameSocket] = TlsFrameSocket,
) -> Admit:
    """Return the function that admits connections to a listener; see `Admit`.

    It refuses a client that has no TLS, no certificate that is asked for, or not the doorkeeper's
    approval.

    Args:
        doorkeeper: Admission of clients.
        tls: Certificates; None: plain text.
        plain: Returns the frames of a socket with a deadline, without TLS.
        secure: Returns the frames of a socket with TLS.

    Raises:
        OSError: If a certificate is invalid, or its file cannot be read.
    """
    context = None if tls is None else _server_context(tls)

    def admit(
        connected: socket.socket, deadline: float, begun: Callable[[FrameSocket], object], /
    ) -> FrameSocket:
        _tune(connected)
        peer = peer_name(connected)
        frames: FrameSocket
        if context is None:
            frames = plain(connected, deadline)
        else:
            secured = context.wrap_socket(
                connected, server_side=True, do_handshake_on_connect=False
            )
            frames = secure(secured, deadline)
        begun(frames)
        frames.shake_hands()
        doorkeeper.admit(frames, peer)
        return frames

    return admit


def dial(where: Address, port: int, hello: bytes, tls: TLS | None, timeout: float) -> FrameSocket:
    """Return a connection to a port of an endpoint's host.

    Args:
        where: Address with the host, and with TLS or without.
        port: The port.
        hello: First message (B-16).
        tls: Certificates.
        timeout: Seconds that the connection may take.

    Raises:
        OSError: If it cannot be reached, or its certificate is not for that host.
    """
    connected = socket.create_connection((where.host, port), timeout=timeout)
    try:
        _tune(connected)
        frames: FrameSocket
        if where.is_tls:
            connected = secured = _secured(connected, where, tls)
            frames = TlsFrameSocket(secured)
        else:
            frames = TcpFrameSocket(connected)
        frames.send(hello)
    except BaseException as error:
        connected.close()
        if where.is_tls and _is_of_tls(error):
            from rlmesh._transport.tls_mistakes import explain_refusal

            raise OSError(explain_refusal(error, where, tls) or str(error)) from error
        raise
    return frames


def _is_of_tls(error: BaseException) -> TypeGuard[ssl.SSLError]:
    import ssl

    return isinstance(error, ssl.SSLError)


def _secured(connected: socket.socket, where: Address, tls: TLS | None) -> ssl.SSLSocket:
    """Return a socket after the handshake of TLS; raise an OSError that says what to do."""
    import ssl

    context = _client_context(tls or TLS())
    try:
        return context.wrap_socket(connected, server_hostname=where.host)
    except ssl.SSLError as error:
        from rlmesh._transport.tls_mistakes import explain_error

        raise OSError(explain_error(error, where, tls) or str(error)) from error


def _tune(connected: socket.socket) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


def _server_context(tls: TLS) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # `wake` ends the wait for a frame below TLS, and a farewell is sent after it. OpenSSL 3 would
    # refuse to. An end without TLS's own proves nothing here, because each frame has its length.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    load_own(context, tls)
    authority = pem(tls.authority)
    if authority is not None:
        context.load_verify_locations(cadata=authority.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client_context(tls: TLS) -> ssl.SSLContext:
    if isinstance(tls.key, bytes) and isinstance(tls.certificate, bytes):
        return _kept_client_context(tls)  # A key is not written to a file at every dial.
    return _new_client_context(tls)


def _new_client_context(tls: TLS) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load_trusted(context, tls)
    load_own(context, tls)
    return context


_kept_client_context = functools.lru_cache(maxsize=8)(_new_client_context)
