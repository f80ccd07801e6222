"""`Doorkeeper`: admission to a frames listener, by the first message of a connection (B-16)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._transport.socket.framing import (
    FirstFrameTooLong,
    FramesEnded,
    FrameSocket,
)
from rlmesh._transport.token import WRONG_TOKEN, check_token, log_wrong_token
from rlmesh._wire.frames_alone import MAX_HELLO_BYTES, read_hello, write_connection_error
from rlmesh._wire.services import MODEL_SERVICE
from rlmesh.errors import CodecError

__all__ = ["Doorkeeper"]

_log = logger("rlmesh.server")


@dataclass(frozen=True)
class Doorkeeper:
    """Admits clients that name a service of the server and have its token.

    Args:
        service: Full name of the service.
        token: Bearer token that clients must send; empty: none.
        resumes: Whether connections only accept sessions that are resumed.
        refused: Called after a client was refused for its token; None: nothing is.

    Raises:
        ValueError: If the token cannot travel.
    """

    service: str
    token: str
    resumes: bool = False
    refused: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        check_token(self.token)

    def admit(self, frames: FrameSocket, peer: str) -> None:
        """Read a client's first message; refuse the client if it may not enter.

        Args:
            frames: Frames of its connection.
            peer: Network peer, for the log.

        Raises:
            FramesEnded: If the client is refused, or has ended the connection.
            OSError: If the message does not come in time.
        """
        failure = self._refusal(frames, peer)
        if failure is not None:
            frames.refuse(write_connection_error(failure))
            raise FramesEnded(failure.message)
        if self.service == MODEL_SERVICE and not self.resumes:
            frames.max_first_bytes = MAX_MESSAGE_BYTES  # It has the contract of an environment.

    def _refusal(self, frames: FrameSocket, peer: str) -> m.Failure | None:
        try:
            service, token = read_hello(frames.receive_short(MAX_HELLO_BYTES))
        except FirstFrameTooLong as error:
            message = f"B-16: expected a FramesHello of at most {MAX_HELLO_BYTES} bytes: {error}"
            return m.Failure(m.ErrorCode.MALFORMED, message)
        except CodecError as error:
            return m.Failure(m.ErrorCode.MALFORMED, error.message)
        if self.token and not hmac.compare_digest(token.encode(), self.token.encode()):
            log_wrong_token(peer)
            if self.refused is not None:
                self.refused()
            return m.Failure(m.ErrorCode.UNAUTHENTICATED, WRONG_TOKEN)
        if service != self.service:
            return m.Failure(
                m.ErrorCode.UNSUPPORTED,
                f"B-16: this server has {self.service}, and not "
                f"{service or 'a service without a name'}",
                path="service",
                choices=(self.service,),
            )
        return None
