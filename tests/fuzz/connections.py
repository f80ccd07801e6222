"""Frames of an input, sent over one connection after another."""

from __future__ import annotations

from dataclasses import replace

from rlmesh._messages import env as m
from tests.fuzz.oracle import THIS, Endpoint

__all__ = ["GRACE_SECONDS", "LOSE", "SWAP", "play"]

LOSE, SWAP = b"", b"\0"
"""Instead of a frame: the connection breaks; another one is made, or the older one used again."""

GRACE_SECONDS = 1000.0
"""Grace period of sessions that can be resumed: longer than any input takes."""


def play(endpoint: Endpoint, frames: list[bytes], new: m.Open) -> None:
    """Send frames over two connections, which are made again when they end; then end the session.

    Args:
        endpoint: The endpoint.
        frames: Frames, `LOSE` and `SWAP`.
        new: Request that opens a new session, to check that the only slot is free at the end.
    """
    endpoint.manager.unasked_seconds = GRACE_SECONDS
    current, other = endpoint.stream(endpoint), endpoint.stream(endpoint)
    for frame in frames:
        if frame == SWAP:
            current, other = other, current
        elif frame == LOSE or current.play(frame):
            current.lose()  # The transport reports every end of a stream this way.
            current = endpoint.stream(endpoint)
    current.lose()
    other.lose()
    _end(endpoint, new)


def _end(endpoint: Endpoint, new: m.Open) -> None:
    """End the session that may still be waiting, and check that another one can open."""
    if endpoint.held is not None:
        again = endpoint.stream(endpoint)
        number = endpoint.held.last + 1
        resume = replace(new, resume=m.Resume(THIS, THIS.encode(), number))
        again.play(again.client.write_request(m.Request(0, resume)))
        assert again.play(again.client.write_request(m.Request(number, m.Close())))
        again.lose()
    last = endpoint.stream(endpoint)
    assert not last.play(last.client.write_request(m.Request(0, new))), "the slot is still taken"
    last.lose()
