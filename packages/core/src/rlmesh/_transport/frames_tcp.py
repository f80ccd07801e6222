"""Frames over TCP, with TLS and a token, for hosts that are not one (CONTRACT.md, B-13)."""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import tempfile
from collections.abc import Callable

from rlmesh._transport.address import Address
from rlmesh._transport.frames import FramesEnded, FrameSocket, time_left
from rlmesh._transport.grpc_tls import pem
from rlmesh._transport.token import check_token
from rlmesh.backends import Buffer
from rlmesh.errors import AddressError
from rlmesh.options import TLS

__all__ = ["dial", "doorkeeper", "listen"]

_MOST_TOKEN_BYTES = 4096

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""A peer that has vanished without a word is noticed after twenty seconds, as over gRPC."""

_UNACKNOWLEDGED_MS = 20_000


class _TlsFrameSocket(FrameSocket):
    """Frames in TLS records, which come one at a time."""

    def _send_large(self, header: bytes, frame: Buffer) -> None:
        self._socket.sendall(header)
        self._socket.sendall(frame)

    def _exactly(self, size: int) -> bytes:
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            count = self._socket.recv_into(view[at:])
            if not count:
                raise FramesEnded("the peer has closed the connection")
            at += count
        return bytes(data)


def listen(where: Address, port: int) -> socket.socket:
    """A listener beside that of gRPC.

    Raises:
        AddressError: If the port cannot be had.
    """
    if where.scheme == "unix":
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


def doorkeeper(token: str, tls: TLS | None) -> Callable[[socket.socket, float], FrameSocket]:
    """Who admits connections to a listener.

    The result takes a connected socket and a deadline for TLS, the token and the first frame
    together, and returns the socket's frames; it raises FramesEnded or OSError if the client has no
    TLS, no certificate that is asked for, or not the token, or is too slow.

    Raises:
        OSError: If a certificate is none, or its file cannot be read.
    """
    secret = check_token(token).encode()
    context = None if tls is None else _server_context(tls)

    def admit(connected: socket.socket, deadline: float) -> FrameSocket:
        _tune(connected)
        connected.settimeout(time_left(deadline))
        if context is None:
            frames = FrameSocket(connected, deadline)
        else:
            # The timeout is that of the whole handshake.
            frames = _TlsFrameSocket(context.wrap_socket(connected, server_side=True), deadline)
        shown = frames.receive_short(_MOST_TOKEN_BYTES)
        if not hmac.compare_digest(shown, secret):
            frames.close()
            raise FramesEnded("no token, or a wrong one")
        return frames

    return admit


def dial(where: Address, port: int, token: str, tls: TLS | None, timeout: float) -> FrameSocket:
    """A connection to the port that an endpoint names.

    Raises:
        OSError: If it cannot be reached, or its certificate is not for that host.
    """
    connected = socket.create_connection((where.host, port), timeout=timeout)
    try:
        _tune(connected)
        frames: FrameSocket
        if where.scheme == "grpcs":
            context = _client_context(tls or TLS())
            connected = context.wrap_socket(connected, server_hostname=where.host)
            frames = _TlsFrameSocket(connected)
        else:
            frames = FrameSocket(connected)
        frames.send(token.encode())
    except BaseException:
        connected.close()
        raise
    return frames


def _tune(connected: socket.socket) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


def _server_context(tls: TLS) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_own(context, tls)
    authority = pem(tls.authority)
    if authority is not None:
        context.load_verify_locations(cadata=authority.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client_context(tls: TLS) -> ssl.SSLContext:
    authority = pem(tls.authority)
    context = ssl.create_default_context(cadata=None if authority is None else authority.decode())
    _load_own(context, tls)
    return context


def _load_own(context: ssl.SSLContext, tls: TLS) -> None:
    """Load the own certificate and key; the ssl module takes them from files alone."""
    certificate, key = pem(tls.certificate), pem(tls.key)
    if certificate is None or key is None:
        return
    descriptor, path = tempfile.mkstemp()  # Only its owner reads it.
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
