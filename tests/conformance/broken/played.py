"""Servers that break rules of requests, errors and the end of sessions: §7, §8 and §10."""

from __future__ import annotations

import threading
import time
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import progress_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


def changed(method: str, **fields: Any) -> Any:
    """Return a request's method whose answer has other fields; None leaves one out."""
    right = getattr(own, method)

    def made(self: Any, session: Any, asked: Any) -> Any:
        answer = right(self, session, asked)
        if not isinstance(answer, dict):
            return answer
        found = {**answer, **fields}
        return {name: value for name, value in found.items() if value is not None}

    return made


def refusing(code: str, when: Any = lambda asked: True, **fields: Any) -> Any:
    """Return a method of requests that are all refused."""

    def made(self: Any, session: Any, asked: Any) -> Any:
        return failure(code, "refused", **fields)

    return made


broken("N-1", "does not reset", do_reset=refusing("INTERNAL"), first="reset-is-answered")
broken("N-1", "does not step", do_step=refusing("INTERNAL"), first="step-is-answered")
broken(
    "U-4",
    "resets without an observation",
    reset=changed("reset", observation=None),
    first="reset-has-an-observation",
)
broken(
    "U-4",
    "steps without an observation",
    step=changed("step", observation=None),
    first="step-has-an-observation",
)
broken("N-6", "steps with lanes", step=changed("step", lanes={"rewards": bytes(8)}))


class Batched(RightEnv):
    def observation(self, session: Any) -> Any:
        found = super().observation(session)
        found.batch_size = 1
        return found


class AnyBatch(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        if root == "action":
            value.ClearField("batch_size")
        return super().bad_action(value, batch, root)


broken("L-1", "sends observations as a batch of one", base=Batched)
broken(
    "L-1", "takes a batch as an action", base=AnyBatch, first="action-with-a-batch-size-is-invalid"
)


class NoAction(RightEnv):
    def do_step(self, session: Any, asked: Any) -> Any:
        if not asked.HasField("action"):
            asked.action.slabs.append(bytes(8))
        return super().do_step(session, asked)


broken(
    "G-8",
    "takes no action as the first one",
    base=NoAction,
    first="step-without-an-action-is-malformed",
)


class AnySeeds(RightEnv):
    def do_reset(self, session: Any, asked: Any) -> Any:
        if asked.HasField("seed"):
            asked.ClearField("lane_seeds")
        return super().do_reset(session, asked)


class LaneSeeds(RightEnv):
    def do_reset(self, session: Any, asked: Any) -> Any:
        if not asked.HasField("seed"):
            asked.ClearField("lane_seeds")
        return super().do_reset(session, asked)


class AnyMask(RightEnv):
    def do_reset(self, session: Any, asked: Any) -> Any:
        asked.ClearField("lane_mask")
        return super().do_reset(session, asked)


class NoSeeds(RightEnv):
    def reset(self, session: Any, asked: Any) -> Any:
        if asked.HasField("seed") and asked.seed == 0:
            return failure("UNSUPPORTED", "0 is no seed")
        return super().reset(session, asked)


class ShortNames(RightEnv):
    def reset(self, session: Any, asked: Any) -> Any:
        if len(asked.episode_id) > 256:
            return failure("LIMIT_EXCEEDED", "a long id")
        return super().reset(session, asked)


class AfterReset(RightEnv):
    def step(self, session: Any, action: Any) -> Any:
        if session.last == 1:
            return failure("WRONG_STATE", "reset first")
        return super().step(session, action)


broken("N-4", "takes seed and lane_seeds together", base=AnySeeds)
broken(
    "N-4",
    "takes lane_seeds without lanes",
    base=LaneSeeds,
    first="lane-seeds-without-a-vector-are-malformed",
)
broken("L-8", "takes a lane_mask without lanes", base=AnyMask)
broken("N-5", "refuses a seed", base=NoSeeds)
broken("N-15", "refuses a long episode_id", base=ShortNames)
broken("N-3", "wants a reset before a step", base=AfterReset)


class EndsAtErrors(RightEnv):
    def handle(self, session: Any, request: Any) -> Any:
        answer = super().handle(session, request)
        if answer.HasField("error") and request.WhichOneof("request") == "step":
            answer.error.session_closed = False
            session.failed = True
        elif getattr(session, "failed", False) and request.WhichOneof("request") != "close":
            error = failure("WRONG_STATE", "an error came before")
            return self.response(sequence=request.sequence, error=error)
        return answer


broken("X-1", "serves nothing after an error", base=EndsAtErrors)


class Wordless(RightEnv):
    def handle(self, session: Any, request: Any) -> Any:
        answer = super().handle(session, request)
        if answer.HasField("error"):
            answer.error.message = ""
        return answer


broken("X-3", "sends errors without a message", base=Wordless)


class Slow(RightEnv):
    def handle(self, session: Any, request: Any) -> Any:
        answer = super().handle(session, request)
        answer.call_us = 2**40
        return answer


broken("Q-11", "counts calls in the wrong unit", base=Slow, first="call-time-is-plausible")
broken("N-16", "sends no number as the time", step=changed("step", sim_time=float("nan")))


class Chatty(RightEnv):
    def handle(self, session: Any, request: Any) -> Any:
        if request.WhichOneof("request") == "reset" and session.connection is not None:
            report = progress_pb2.Progress(fraction=0.5)
            sequence = request.sequence + self.wrong
            session.connection.send(self.response(sequence=sequence, progress=report))
        return super().handle(session, request)

    wrong = 0


class WrongProgress(Chatty):
    wrong = 3

    def handle(self, session: Any, request: Any) -> Any:
        if 16 in session.client.capabilities:
            return super().handle(session, request)
        return RightEnv.handle(self, session, request)


broken(
    "N-17", "reports progress to every client", base=Chatty, first="no-progress-unless-both-list-it"
)
broken(
    "N-17", "reports progress of another request", base=WrongProgress, first="progress-is-no-answer"
)


class Unlisted(RightEnv):
    capabilities = ("RESUME", "QUEUE")

    def handle(self, session: Any, request: Any) -> Any:
        if request.WhichOneof("request") in ("render", "call"):
            error = failure("INVALID_RESULT", "nothing to draw")
            return self.response(sequence=request.sequence, error=error)
        return super().handle(session, request)


broken("H-9", "answers requests that it has not listed", base=Unlisted)

# Several steps.


class NoMany(RightEnv):
    def steps(self, session: Any, actions: Any, asked: Any) -> Any:
        return env_pb2.StepManyResponse()


class AnyCount(RightEnv):
    """Counts the actions of the batch alone."""

    def do_step_many(self, session: Any, asked: Any) -> Any:
        if asked.HasField("actions") and self.counts(asked):
            asked.count = asked.actions.batch_size
            if not asked.count:
                return env_pb2.StepManyResponse()
        return super().do_step_many(session, asked)

    def counts(self, asked: Any) -> bool:
        return bool(asked.count)


class CountsNone(AnyCount):
    def counts(self, asked: Any) -> bool:
        return not asked.count


class NoActions(RightEnv):
    def do_step_many(self, session: Any, asked: Any) -> Any:
        if not asked.HasField("actions"):
            return failure("INVALID_VALUE", "no actions", path="actions")
        return super().do_step_many(session, asked)


class AllShown(RightEnv):
    def steps(self, session: Any, actions: Any, asked: Any) -> Any:
        asked.all_observations = True
        return super().steps(session, actions, asked)


class LastShown(RightEnv):
    def steps(self, session: Any, actions: Any, asked: Any) -> Any:
        asked.all_observations = False
        return super().steps(session, actions, asked)


class NoLimit(RightEnv):
    def do_step_many(self, session: Any, asked: Any) -> Any:
        if asked.count > 65_536:
            return env_pb2.StepManyResponse(steps=[{"reward": 0.0}])
        return super().do_step_many(session, asked)


broken("N-8", "applies no action of several", base=NoMany, first="step-many-steps")
broken("N-8", "takes no action as several", base=CountsNone, first="step-many-of-none-is-malformed")
broken(
    "N-8",
    "answers absent actions with INVALID_VALUE",
    base=NoActions,
    first="step-many-without-actions-is-malformed",
)
broken(
    "N-8", "counts the batch alone", base=AnyCount, first="step-many-of-another-size-is-malformed"
)
broken("N-9", "sends all observations of several steps", base=AllShown)
broken("N-9", "sends the last observation although all are wanted", base=LastShown)
broken("M-1", "has no limit of actions", base=NoLimit)

# Drawing and attributes.
broken("N-10", "draws nothing", frame=lambda self, session: None)


def drawn(self: Any, session: Any, asked: Any) -> Any:
    return {"frame": self.frame(session)}


broken("N-10", "draws lanes that there are not", do_render=drawn)


class Exposes(RightEnv):
    def reached(self, name: str) -> Any:
        hidden = super().reached(name)
        return None if name in self.shown else hidden

    shown = ("__class__", "step")


class Dotted(RightEnv):
    def reached(self, name: str) -> Any:
        return super().reached(name.split(".")[0])


def hides(**fields: Any) -> Any:
    def made(self: Any, name: str) -> Any:
        found = own.reached(self, name)
        if found is not None:
            for key, value in fields.items():
                setattr(found, key, value)
            found.ClearField("choices")
        return found

    return made


broken("N-11", "exposes every name", base=Exposes, first="other-names-are-not-exposed")
broken("N-11", "follows dots in names", base=Dotted)
broken("N-11", "does not list what it exposes", reached=hides())


class Nameless(RightEnv):
    def reached(self, name: str) -> Any:
        return super().reached(name) if name else None


broken("U-4", "reads an attribute without a name", base=Nameless, first="attribute-needs-a-name")


class Tracebacks(RightEnv):
    def handle(self, session: Any, request: Any) -> Any:
        answer = super().handle(session, request)
        if answer.error.code == 2:
            answer.error.exception_type = "builtins.ValueError"
        return answer


broken("X-4", "names an exception with every error", base=Tracebacks)


# The end of sessions.


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
            time.sleep(1.5)
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

# Values that are received.


class Lenient(RightEnv):
    """Checks an action in its own way: `takes` returns a better action, or None."""

    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        better = self.takes(value) if root == "action" else None
        if better is not None:
            value.CopyFrom(better)
        return super().bad_action(value, batch, root)

    def takes(self, value: Any) -> Any:
        return None


def taking(when: Any) -> Any:
    """Return a `takes` that takes a wrong action as the first one."""

    def made(self: Any, value: Any) -> Any:
        return value_pb2.Value(slabs=[bytes(8)]) if when(value.slabs) else None

    return made


def number(slabs: Any) -> int:
    whole = len(slabs) == 1 and len(slabs[0]) == 8
    return int.from_bytes(slabs[0], "little", signed=True) if whole else 0


broken(
    "V-3",
    "takes an action without a slab",
    base=Lenient,
    takes=taking(lambda s: not s),
    first="missing-slab-is-invalid",
)
broken(
    "V-3",
    "takes more slabs",
    base=Lenient,
    takes=taking(lambda s: len(s) == 2),
    first="additional-slab-is-invalid",
)
broken(
    "V-4",
    "takes a short slab",
    base=Lenient,
    takes=taking(lambda s: len(s) == 1 and 0 < len(s[0]) < 8),
    first="short-slab-is-invalid",
)
broken(
    "V-4",
    "takes a long slab",
    base=Lenient,
    takes=taking(lambda s: len(s) == 1 and len(s[0]) > 8),
    first="long-slab-is-invalid",
)
broken(
    "V-4",
    "takes an empty slab",
    base=Lenient,
    takes=taking(lambda s: len(s) == 1 and not s[0]),
    first="empty-slab-is-invalid",
)
broken(
    "V-8",
    "takes an integer above its range",
    base=Lenient,
    takes=taking(lambda s: number(s) > 2),
    first="integer-above-its-range-is-invalid",
)
broken(
    "V-8",
    "takes an integer below its range",
    base=Lenient,
    takes=taking(lambda s: number(s) < 0),
    first="integer-below-its-range-is-invalid",
)


class NoPath(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        found = super().bad_action(value, batch, root)
        if found is not None:
            found.path = "Discrete"
        return found


class NoReason(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        found = super().bad_action(value, batch, root)
        if found is not None:
            found.expected = ""
        return found


class Unpadded(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        if value.padding:
            return failure("INVALID_VALUE", "padding", path=root, expected="none", actual="some")
        return super().bad_action(value, batch, root)


broken("X-6", "sends a path from no root", base=NoPath)
broken("V-14", "does not say what it expected", base=NoReason)
broken("B-17", "refuses padding", base=Unpadded)
