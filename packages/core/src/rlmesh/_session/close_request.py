"""The request Close, sent outside of a session's calls."""

from __future__ import annotations

import contextlib

from rlmesh._messages import env as m
from rlmesh._session.client_connection import ClientConnection
from rlmesh._session.wire_codec import ClientWireCodec

__all__ = ["end_deleted", "send_close"]


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
