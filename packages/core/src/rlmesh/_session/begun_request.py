"""`BegunRequest`: a request that was sent, with a reply that is looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from rlmesh._arrival import Arrival
from rlmesh._buffers import Frame
from rlmesh._session.client_connection import PendingAnswer
from rlmesh.errors import TransportError

__all__ = ["LATE_SECONDS", "BegunRequest"]

LATE_SECONDS = 2.0
"""Seconds after which a thread waits for an answer: it also finds out that a peer is gone."""

R = TypeVar("R")
S = TypeVar("S")


class BegunRequest(Generic[R]):
    """A request that was sent, with a reply that is looked for, among others.

    One thread can wait for the descriptors of many requests, and finish each one once its reply
    is here. A request with a large, late or lost reply is finished by a thread that may wait.

    Args:
        sequence: Number of the request.
        frame: The request.
        receive: Waits for the reply and sets `reply`; raises as `ClientSession.request`.

    Attributes:
        sequence: The argument.
        frame: The argument.
        answer: The answer to come; None: the request is not sent yet, or its connection is lost.
        is_here: Whether a look has found all of the answer.
        is_torn: Whether an interrupt came while the answer was read, a part of which may be lost.
        reply: The reply, of one element; empty: it is not here.
    """

    __slots__ = (
        *("_receive", "_then", "answer", "frame"),
        *("is_here", "is_torn", "reply", "sequence"),
    )

    def __init__(
        self, sequence: int, frame: Frame, receive: Callable[[BegunRequest[Any]], object]
    ) -> None:
        self.sequence = sequence
        self.frame = frame
        self.answer: PendingAnswer | None = None
        self.is_torn = False
        self.reply: tuple[Any, ...] = ()
        self._receive = receive
        self.is_here = False
        self._then: Callable[[Any], Any] | None = None

    @property
    def descriptor(self) -> int:
        """File descriptor that can be read from when more of the answer arrives; -1: none is."""
        return -1 if self.answer is None else self.answer.descriptor

    def then(self, convert: Callable[[R], S]) -> BegunRequest[S]:
        """Return the request with a function that converts its reply, in the finishing thread."""
        former = self._then
        self._then = convert if former is None else lambda reply: convert(former(reply))
        return cast(BegunRequest[Any], self)

    def look(self) -> Arrival:
        """Read what has arrived, and return whether `finish` would wait: not if it is WHOLE."""
        if self.is_here:
            return Arrival.WHOLE
        if self.answer is None or self.is_torn:
            return Arrival.LARGE
        self.is_torn = True
        try:
            arrival = self.answer.look()
        except TransportError:
            arrival = Arrival.LARGE  # `finish` finds the same, and resumes the session.
        self.is_torn = False
        self.is_here = arrival is Arrival.WHOLE
        return arrival

    def finish(self) -> R:
        """Wait for the reply and return it; may be called again after an interrupt.

        Raises:
            RLMeshError: If the request fails.
        """
        if not self.reply:
            self._receive(self)
        reply: R = self.reply[0] if self._then is None else self._then(self.reply[0])
        return reply
