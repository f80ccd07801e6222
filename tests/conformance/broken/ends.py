"""Servers that break rules of the end of sessions, and of the queue: §7."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


class NeverFrees(RightEnv):
    def end_closed(self, connection: Any) -> None:
        connection.receive()


broken("K-1", "leaves the stream open after close", base=NeverFrees, first="close-ends-the-stream")


def nobody(self: Any) -> Any:
    return failure("BUSY", "every instance is held")


broken("K-4", "does not name the holder", busy=nobody)


class OtherBusy(RightEnv):
    def busy(self) -> Any:
        connections = [session.connection for session in self.sessions.values()]
        if any(c is not None and not c.has_ended() for c in connections):
            return failure("LIMIT_EXCEEDED", "every instance is held")
        return super().busy()


broken(
    "K-4",
    "answers a held instance with LIMIT_EXCEEDED",
    base=OtherBusy,
    first="held-instance-is-busy",
)


class NoQueue(RightEnv):
    def take_turn(self, connection: Any, wait: float) -> bool:
        return super().take_turn(connection, 0.0)


class ShortQueue(RightEnv):
    def take_turn(self, connection: Any, wait: float) -> bool:
        return super().take_turn(connection, min(wait, 0.05) if wait < 1 else wait)


class OtherEnd(RightEnv):
    def new_session(self, connection: Any, asked: Any, header: Any) -> Any:
        refused = super().new_session(connection, asked, header)
        if refused is not None and 0 < header.wait_ms < 1000:
            return failure("TIMEOUT", "the wait is over")
        return refused


class LateQueue(RightEnv):
    def take_turn(self, connection: Any, wait: float) -> bool:
        if wait > 1:
            time.sleep(0)
            deadline = time.monotonic() + wait
            while time.monotonic() < deadline and not connection.has_ended():
                self.changed.wait(0.02)
            return False
        return super().take_turn(connection, wait)


broken("K-5", "has no queue", base=NoQueue, first="queue-waits")
broken("K-5", "ends the wait too early", base=ShortQueue, first="queue-ends-with-busy")
broken("K-5", "ends the wait with TIMEOUT", base=OtherEnd, first="queue-ends-with-busy")
broken(
    "K-5",
    "gives no free instance to those who wait",
    base=LateQueue,
    first="queue-gives-a-free-instance",
)


class WaitingResume(RightEnv):
    def resume(self, connection: Any, resume: Any) -> Any:
        if self.line:
            time.sleep(5)
        return super().resume(connection, resume)


class DeadQueue(RightEnv):
    """Leaves clients in the queue that have gone."""

    def take_turn(self, connection: Any, wait: float) -> bool:
        connection.has_ended = lambda: False
        return super().take_turn(connection, wait)


class WrongClose(RightEnv):
    def deliver(self, connection: Any, answer: Any) -> None:
        if answer.WhichOneof("response") == "close":
            answer = self.response(sequence=answer.sequence, reset={})
        super().deliver(connection, answer)


class SlowToFree(RightEnv):
    def end_session(self, session: Any) -> None:
        threading.Timer(0.2, super().end_session, [session]).start()
        session.over, session.key = True, b""


broken(
    "K-5",
    "keeps clients in the queue that have gone",
    base=DeadQueue,
    first="client-leaves-the-queue",
)
broken("K-1", "answers close with another member", base=WrongClose, first="close-is-answered")
broken(
    "K-1",
    "frees the instance later than it says",
    base=SlowToFree,
    first="close-frees-the-instance",
)
broken("K-6", "lets a resume wait for the queue", base=WaitingResume)


class Generous(RightEnv):
    """Gives the instance of a lost session to another one."""

    def take_turn(self, connection: Any, wait: float) -> bool:
        if any(s.connection is None for s in self.sessions.values()):
            return True
        return super().take_turn(connection, wait)


broken("K-3", "lends the instance of a lost session", base=Generous)
