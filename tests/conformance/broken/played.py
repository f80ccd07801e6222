"""Servers that break rules of requests, errors and the end of sessions: §7, §8 and §10."""

from __future__ import annotations

from typing import Any

from rlmesh_proto.session.v1 import progress_pb2

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


def changed(method: str, **fields: Any) -> Any:
    """Return a request's method that answers with other fields; None leaves one out."""
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
