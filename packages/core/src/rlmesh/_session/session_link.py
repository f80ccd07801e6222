"""`SessionLink`: the connection of a client's session, and the handshakes that replace it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._session.client_connection import ClientConnection, drop
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import check_version
from rlmesh._session.wire_codec import ClientWireCodec
from rlmesh._wire.field_writer import aligned_from
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.errors import CodecError, ConnectionLostError, RemoteError, TransportError
from rlmesh.specs import Capability, EnvContract, PeerInfo, TransportKind, TransportOffer

__all__ = ["Move", "SessionLink"]

Move = Callable[[str], ClientConnection | None]
"""Function that connects to an offered address; returns None if no RLMesh server offers such."""

_log = logger("rlmesh.client")

_ATTEMPTS = 3
"""Maximum number of attempts to move to another transport if connections to it break."""


_IN_USE: set[ClientConnection] = set()
"""The connections of sessions that are not over.

A client that is dropped in a reference cycle is freed by the garbage collector, which finalizes the
parts of the cycle in any order. A connection that is referred to from here is not a part of it, so
the session can still send Close before the connection is closed.
"""


class SessionLink:
    """The connection of a session; it changes when the session is resumed or moves.

    Args:
        connect: Returns a new connection to the server's address.
        codec: Wire codec of the frames.
        client: What this client sends of itself in the handshake.
        options: Options of the handshake.
        moves: Function that connects, for each kind of transport that the session may move to; the
            preferred kind first.
        raise_failure: Raises the exception for a failure of the server at an address.

    Attributes:
        connection: The connection.
        session_id: Id of the session; empty until it is open.
        key: Key that resumes the session; empty: it cannot be resumed.
        aligned: Sum of the sizes of a value's slabs from which they are aligned (B-17), in bytes;
            0: never.
        not_moved: Why the session did not move to the last transport that was tried; empty if it
            did, or if none was tried.

    Raises:
        ConnectError: If no connection can be made.
    """

    def __init__(
        self,
        connect: Callable[[], ClientConnection],
        codec: ClientWireCodec,
        client: PeerInfo,
        options: ConnectOptions,
        moves: Mapping[TransportKind, Move],
        raise_failure: Callable[[m.Failure, str], None],
    ) -> None:
        self._connect = connect
        self._codec = codec
        self._client = client
        self._options = options
        self._moves = moves
        self._raise = raise_failure
        self.connection = connect()
        _IN_USE.add(self.connection)
        self.session_id = ""
        self.key = b""
        self.not_moved = ""
        self.aligned = 0

    def open(self, contract: EnvContract | None) -> m.Opened:
        """Open the session.

        Args:
            contract: Environment that the model of the session is to be used with; None if the
                session is with an environment.

        Raises:
            RemoteError: If the server refuses the session.
            TransportError: If no server answers.
            CodecError: If the answer breaks a rule.
        """
        wait = self._options.wait
        traceparent = self._options.traceparent
        body = m.Open(self._client, wait=wait, contract=contract, traceparent=traceparent)
        opened = self._handshake(body, self._options.timeout + wait, self.connection)
        if opened.received:
            words = f"a new session has received 0 requests, not {opened.received}"
            raise CodecError(words, path="received_sequence", rule="H-6")
        if opened.served is None:
            raise CodecError("the answer to a handshake has no contract or spec", rule="H-6")
        self.session_id, self.key = opened.session_id, opened.resume_key
        return opened

    def resume(self, awaited: int, timeout: float | None) -> m.Opened:
        """Replace the connection, which is lost, by a new one to the server's address.

        Args:
            awaited: Number of the request that has no answer.
            timeout: Seconds that the handshake may take at most; None: those of the options.

        Raises:
            RemoteError: If the server refuses to resume the session.
            TransportError: If no server answers.
            CodecError: If the answer breaks a rule.
        """
        drop(self.connection)
        self._use(self._connect())
        longest = self._options.timeout
        limit = longest if timeout is None else min(timeout, longest)
        resume = m.Resume(self.session_id, self.key, awaited)
        opened = self._handshake(m.Open(self._client, resume), limit, self.connection)
        if opened.received not in (awaited, awaited - 1):
            words = f"the server has received {opened.received}, which was not sent"
            raise CodecError(words, rule="R-10")
        self.key = opened.resume_key or self.key
        return opened

    def move(self, opened: m.Opened, awaited: int) -> None:
        """Move the session to the first offered transport that can be used.

        Args:
            opened: Answer to the last handshake, which has the offers.
            awaited: Number of the next request, because none is outstanding (R-4).
        """
        for kind, move in self._moves.items():
            for offer in opened.offers:
                if offer.kind is kind and self._has_moved(move, offer, awaited):
                    return

    def _has_moved(self, move: Move, offer: TransportOffer, awaited: int) -> bool:
        """Return whether the session moved to an offered transport; retry broken connections."""
        for _ in range(_ATTEMPTS):
            try:
                other = move(offer.address)
                if other is None:
                    return False
                self._go_to(other, awaited)
                self.not_moved = ""
                return True
            except ConnectionLostError as error:
                self.not_moved = error.message
                _log.debug("session %s tries again to move: %s", self.session_id, error)
            except (CodecError, RemoteError, TransportError) as error:
                self.not_moved = error.message
                # An offer that is not reached is usual, for example from within a container.
                level = logging.DEBUG if isinstance(error, TransportError) else logging.WARNING
                words = "%s: the session cannot move, so steps go on over %s: %s"
                connection = self.connection
                _log.log(level, words, connection.address, connection.transport, error)
                return False
        return False

    def _go_to(self, other: ClientConnection, awaited: int) -> None:
        """Resume the session over another connection; if that fails, close it and raise."""
        try:
            resume = m.Resume(self.session_id, self.key, awaited)
            moved = self._handshake(m.Open(self._client, resume), self._options.timeout, other)
        except BaseException:
            other.close()
            raise
        self.key = moved.resume_key or self.key
        left = self.connection
        self._use(other)
        left.close()

    def _use(self, connection: ClientConnection) -> None:
        _IN_USE.add(connection)
        self.release()
        self.connection = connection

    def release(self) -> ClientConnection:
        """Return the connection, which the caller closes, or has closed already."""
        _IN_USE.discard(self.connection)
        return self.connection

    def _handshake(self, body: m.Open, timeout: float, over: ClientConnection) -> m.Opened:
        frame = self._codec.write_request(m.Request(0, body))
        _, reply = self._codec.read_reply(over.exchange(frame, timeout))
        address = self.connection.address
        if isinstance(reply, m.Failure):
            self._raise(reply, address)
        if not isinstance(reply, m.Opened):
            raise CodecError(f"expected an open, got {kind_of(reply)}", rule="H-6")
        check_version(SPEC_VERSION, reply.server.spec_version, address)
        able = self._client.capabilities & reply.server.capabilities
        self.aligned = aligned_from(over.shares_memory(), Capability.ALIGNED_SLABS in able)
        return reply
