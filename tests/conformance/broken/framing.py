"""Servers that break rules of frames: B-12, B-13, and what they share with others."""

from __future__ import annotations

from typing import Any

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


class Impatient(RightEnv):
    """Reads a frame in one piece."""

    def loop(self, connection: Any) -> None:
        def exactly(size: int) -> bytes:
            data: bytes = connection._peer.recv(size)
            if len(data) < size:
                raise ConnectionError
            return data

        connection.exactly = exactly
        super().loop(connection)


broken("B-12", "reads a frame in one piece", base=Impatient)


class WaitsForAll(RightEnv):
    def check_length(self, size: int, most: int) -> None:
        if most <= self.MAX_FIRST_BYTES:
            super().check_length(size, most)


broken(
    "B-12",
    "waits for the content of a frame of any length",
    base=WaitsForAll,
    first="long-frame-is-refused-by-its-length",
)


class EndsAtPulses(RightEnv):
    def on_pulse(self, connection: Any) -> None:
        raise ConnectionError


broken(
    "B-13", "ends the connection at an empty frame", base=EndsAtPulses, first="pulses-are-ignored"
)


class AnswersLate(RightEnv):
    pulses = 0

    def on_pulse(self, connection: Any) -> None:
        self.pulses += 1
        if self.pulses == 4:
            error = failure("MALFORMED", "an empty request")
            connection.send(self.response(error=error))


broken("B-13", "answers an empty frame", base=AnswersLate, first="pulses-are-not-answered")


class ReadsHalf(RightEnv):
    """Handles the beginning of a frame that never ends."""

    def loop(self, connection: Any) -> None:
        def exactly(size: int) -> bytes:
            data = b""
            while len(data) < size:
                more = connection._peer.recv(size - len(data))
                if not more:
                    break
                data += more
            if not data:
                raise ConnectionError
            return data

        connection.exactly = exactly
        super().loop(connection)


broken(
    "R-1",
    "handles the beginning of a frame that never ends",
    base=ReadsHalf,
    first="half-a-frame-is-no-request",
)


class Few(RightEnv):
    held = 0

    def greet(self, connection: Any) -> bool:
        self.held += 1
        if self.held > 32:
            raise ConnectionError
        return super().greet(connection)

    def lost(self, connection: Any) -> None:
        self.held -= 1
        super().lost(connection)


broken("B-16", "takes 32 connections", base=Few, first="many-connections-are-taken")


class Shared(RightEnv):
    """Ends every connection if one of them sends what it cannot read."""

    def check_length(self, size: int, most: int) -> None:
        if size > most and size > 1 << 30:
            for session in list(self.sessions.values()):
                self.end_session(session)
                if session.connection is not None:
                    session.connection.cut()
        super().check_length(size, most)


broken("Y-8", "ends its sessions if a stranger sends a long length", base=Shared)
