"""The request Close, sent outside of a session's calls."""

from __future__ import annotations

import contextlib

from rlmesh._buffers import Frame
from rlmesh._messages import env as m
from rlmesh._session.client_connection import ClientConnection
from rlmesh._session.wire_codec import ClientWireCodec
from rlmesh.backends import Buffer

__all__ = ["CLOSE_TIMEOUT", "end_after", "end_deleted", "send_close"]

CLOSE_TIMEOUT = 5.0
"""Seconds to wait for the answer to Close."""


def send_close(
    transport: ClientConnection, codec: ClientWireCodec, number: int, timeout: float
) -> None:
    """Send the request Close, and wait for its answer, which is not read."""
    frame = codec.write_request(m.Request(number, m.Close()))
    transport.exchange(frame, timeout)


def end_deleted(
    transport: ClientConnection, codec: ClientWireCodec, close: int | None, timeout: float
) -> None:
    """End the session of a client that was deleted without `close`.

    Args:
        transport: Its connection.
        codec: Codec of its frames.
        close: Number of the request Close; None: an interrupted call is in its way.
        timeout: Seconds to wait for the answer to Close.
    """
    with contextlib.suppress(Exception):
        if close is not None:
            send_close(transport, codec, close, timeout)
    with contextlib.suppress(Exception):
        transport.close()


def end_after(
    transport: ClientConnection, codec: ClientWireCodec, frame: Frame | None, number: int
) -> None:
    """End the session of a client that was closed in a callback of a call.

    The wait for the answer to the call has no limit but the end of the connection, because the
    server takes Close only after it (Q-1).

    Args:
        transport: Its connection.
        codec: Codec of its frames.
        frame: Request that is to be sent again for its answer; None: it was sent on this
            connection. Empty: the server has not received it, and Close takes its number.
        number: Number of the request Close.
    """
    with contextlib.suppress(Exception):
        if frame is None:
            while _is_report(transport.receive(), codec):
                pass
        elif frame:
            data = transport.exchange(frame)
            while _is_report(data, codec):
                data = transport.receive()
        send_close(transport, codec, number, CLOSE_TIMEOUT)
    with contextlib.suppress(Exception):
        transport.close()


def _is_report(data: Buffer, codec: ClientWireCodec) -> bool:
    """Return whether a frame has a report of progress."""
    return isinstance(codec.read_reply(data)[1], m.Progress)
