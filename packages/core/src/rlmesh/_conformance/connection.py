"""`Connection`: one stream of a check, with typed messages and a record of all bytes."""

from __future__ import annotations

import time
from typing import Any

from google.protobuf.message import DecodeError

from rlmesh._conformance.dialects import Dialect, code_name
from rlmesh._conformance.findings import Blocked, Failed, Unanswered
from rlmesh._conformance.streams import Ended, FramesStream, Silent, Stream
from rlmesh._wire.parts import too_many_parts

__all__ = ["Connection", "Record", "described_answer", "parsed", "refused_with"]

Record = list[tuple[int, str, bytes]]
"""Messages of a check: number of the connection, "kit" or "peer", bytes."""

QUIET_S = 0.15
"""How long silence is watched when a rule forbids a message, in seconds."""

MAX_REPORTS_BYTES = 1 << 20
"""Largest size of the reports of progress that are kept while an answer is due, in bytes."""


class Connection:
    """One connection to a server.

    Attributes:
        stream: The stream below, for faults of framing.
        progress: `progress` messages that have come instead of answers.
    """

    def __init__(
        self, stream: Stream, dialect: Dialect, timeout: float, record: Record, number: int
    ) -> None:
        self.stream = stream
        self.progress: list[Any] = []
        self._dialect = dialect
        self._timeout = timeout
        self._record = record
        self._number = number

    @property
    def frames(self) -> FramesStream:
        """The stream, of a connection over frames."""
        assert isinstance(self.stream, FramesStream)
        return self.stream

    def send(self, message: Any) -> None:
        """Send a message, or bytes as a message."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        self._record.append((self._number, "kit", data))
        try:
            self.stream.send(data)
        except Ended as end:
            raise Failed("that the server reads the request", end) from None

    def answer(self, timeout: float | None = None) -> Any:
        """Return the next answer; `progress` is no answer and is kept apart.

        Raises:
            Failed: If none comes, or what comes is not of the schema.
            Unanswered: If the other end ends the stream first.
        """
        waited = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + waited
        reports = 0
        while True:
            try:
                data = self.stream.receive(max(deadline - time.monotonic(), 0.0))
            except Ended as end:
                raise Unanswered("an answer", end) from None
            except Silent:
                seen = f"{reports} bytes of reports of progress alone" if reports else "nothing"
                raise Failed("an answer", f"{seen} for {waited:g} s") from None
            self._record.append((self._number, "peer", data))
            response = parsed(self._dialect.response, data)
            if response.WhichOneof("response") != "progress":
                return response
            self.progress.append(response)
            reports += len(data)
            if reports > MAX_REPORTS_BYTES:
                raise Failed("an answer", f"{reports} bytes of reports of progress")

    def exchange(self, message: Any) -> Any:
        """Send a message, and return the answer."""
        self.send(message)
        return self.answer()

    def end(self, timeout: float | None = None) -> str:
        """Wait until the server ends the stream, and return its status.

        Raises:
            Failed: If it does not end, or if another message comes.
        """
        waited = self._timeout if timeout is None else timeout
        try:
            data = self.stream.receive(waited)
        except Ended as end:
            return end.status
        except Silent:
            raise Failed("that the server ends the stream", f"nothing for {waited:g} s") from None
        self._record.append((self._number, "peer", data))
        answer = parsed(self._dialect.response, data)
        raise Failed("that the server ends the stream", described_answer(answer))

    def expect_quiet(self, expected: str) -> None:
        """Raise `Failed` if the server sends something within a short time.

        Raises:
            Blocked: If it ends the stream.
        """
        try:
            data = self.stream.receive(QUIET_S)
        except Silent:
            return
        except Ended as end:
            raise Blocked(str(end)) from None
        self._record.append((self._number, "peer", data))
        raise Failed(expected, described_answer(parsed(self._dialect.response, data)))

    def cut(self) -> None:
        """Lose the connection."""
        self.stream.cut()


def parsed(kind: Any, data: bytes) -> Any:
    """Return a message of the peer.

    Raises:
        Failed: If the bytes are none, or would take far more memory than they have bytes.
    """
    if reason := too_many_parts(data, kind.DESCRIPTOR):
        raise Failed("a message within the limits (M-9)", reason)
    try:
        return kind.FromString(data)
    except DecodeError:
        raise Failed(f"a {kind.DESCRIPTOR.name}", "bytes that are none") from None


def described_answer(response: Any) -> str:
    """Return an answer in a few words."""
    member = response.WhichOneof("response")
    if member != "error":
        return f"{member or 'an answer without a member'} with sequence {response.sequence}"
    error = response.error
    ends = ", session_closed" if error.session_closed else ""
    return f"error {code_name(error.code)} with sequence {response.sequence}{ends}: {error.message}"


def refused_with(response: Any, *codes: str, closed: bool | None = None) -> Any:
    """Return the Failure of an answer, which has to have one of some codes.

    Args:
        response: The answer.
        *codes: Names of the codes that the rule allows.
        closed: What `session_closed` has to be; None: either.

    Raises:
        Failed: If it is another answer.
    """
    ends = {None: "", True: ", session_closed", False: ", session open"}[closed]
    expected = f"error {' or '.join(codes)}{ends}"
    seen = described_answer(response)
    if response.WhichOneof("response") != "error" or code_name(response.error.code) not in codes:
        raise Failed(expected, seen)
    if closed is not None and response.error.session_closed != closed:
        raise Failed(expected, seen)
    return response.error
