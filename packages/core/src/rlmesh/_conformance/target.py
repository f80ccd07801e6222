"""`Target`: the address that is checked, and ways to connect to it."""

from __future__ import annotations

import functools
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from rlmesh_proto.session.v1 import frames_pb2

from rlmesh._conformance.findings import Failed
from rlmesh._conformance.grpc_streams import GrpcStream, call_grpc, open_channel
from rlmesh._conformance.streams import FramesStream, Stream, connected_socket
from rlmesh._transport.address import Address, parse_address
from rlmesh._transport.certificates import load_own, load_trusted
from rlmesh.options import TLS

__all__ = ["Target", "read_target"]


@dataclass(frozen=True)
class Target:
    """A server's address, and what connecting to it needs.

    Attributes:
        address: The address.
        token: Bearer token; empty: none.
        tls: Certificates, for an address with TLS.
        timeout: Seconds that an answer may take.
    """

    address: Address
    token: str = ""
    tls: TLS | None = None
    timeout: float = 10.0

    def offers(self) -> frozenset[str]:
        """Return the needs of checks that the address itself meets."""
        found = {"frames" if self.address.is_frames else "grpc"}
        found.add("unix" if self.address.is_unix else "tcp")
        if self.address.is_tls:
            found.add("tls")
        else:
            found.add("plain")
        if self.token:
            found.add("token")
        return frozenset(found)

    def connect(self, service: str, token: str | None = None) -> Stream:
        """Return a new stream of sessions, after FramesHello over frames.

        Args:
            service: Full name of the service.
            token: Another token than the target's.

        Raises:
            Failed: If there is no connection.
        """
        shown = self.token if token is None else token
        if self.address.is_frames:
            stream = self.connect_frames()
            stream.send(frames_pb2.FramesHello(service=service, token=shown).SerializeToString())
            return stream
        return GrpcStream(self._channel(), f"/{service}/Session", _metadata(shown))

    def connect_frames(self) -> FramesStream:
        """Return a connection of frames without its first message.

        Raises:
            Failed: If there is no connection.
        """
        place = self.address
        try:
            if place.is_unix:
                made = connected_socket(socket.AF_UNIX, place.path, self.timeout, lambda s: s)
            else:
                family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
                where = (place.host, place.port)
                made = connected_socket(family, where, self.timeout, self._wrap)
        except OSError as error:
            raise Failed(f"a connection to {place}", error) from None
        return FramesStream(made)

    def call(
        self, service: str, method: str, message: bytes, token: str | None = None
    ) -> tuple[str, bytes, str]:
        """Return status, answer and details of a gRPC call with one answer."""
        shown = self.token if token is None else token
        return self._call(f"/{service}/{method}", message, _metadata(shown))

    def call_with(self, service: str, method: str, metadata: list[tuple[str, str]]) -> str:
        """Return the status of a gRPC call of an empty message with metadata of its own."""
        return self._call(f"/{service}/{method}", b"", metadata)[0]

    def _call(
        self, path: str, message: bytes, metadata: list[tuple[str, str]]
    ) -> tuple[str, bytes, str]:
        with self._channel() as channel:
            return call_grpc(channel, path, message, metadata, self.timeout)

    def _channel(self) -> Any:
        place = self.address
        name = f"unix:{place.path}" if place.is_unix else place.authority
        return open_channel(name, self.tls, place.is_tls)

    def _wrap(self, plain: socket.socket) -> socket.socket:
        if not self.address.is_tls:
            return plain
        return self._context.wrap_socket(plain, server_hostname=self.address.host)

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        """The certificates for TLS, which take longer to read than a handshake."""
        context, tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.tls or TLS()
        load_trusted(context, tls)
        load_own(context, tls)
        return context


def _metadata(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")] if token else []


def read_target(
    address: str, token: str = "", tls: TLS | None = None, timeout: float = 10.0
) -> Target:
    """Return the target that an address names.

    Raises:
        AddressError: If the text is not an address.
    """
    return Target(parse_address(address), token, tls, timeout)
