"""Servers of `count` with wrong answers: exactly-once, options and errors."""

from __future__ import annotations

import struct
import time
from typing import Any

from rlmesh_proto.env.v1 import env_pb2

from tests.conformance.broken.env_service import RightEcho, RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.played import changed
from tests.conformance.broken.registry import broken

own = RightEnv


def wrong(rule: str, words: str, first: str, base: Any = RightEnv, **changes: Any) -> None:
    broken(rule, words, base=base, first=first, **changes)


wrong("N-6", "sends no reward", "step-is-applied", step=changed("step", reward=0.0))
wrong("N-6", "does not end episodes", "step-is-applied", step=changed("step", terminated=False))


class NoZero(RightEnv):
    def reset(self, session: Any, asked: Any) -> Any:
        if asked.HasField("seed") and not asked.seed:
            asked.ClearField("seed")
        return super().reset(session, asked)


class NoOptions(RightEnv):
    def reset(self, session: Any, asked: Any) -> Any:
        asked.ClearField("options")
        return super().reset(session, asked)


class KeepsOptions(RightEnv):
    def reset(self, session: Any, asked: Any) -> Any:
        names = [entry.name for entry in asked.options.entries]
        if "start" in names:
            session.start = asked.options
        elif not names and hasattr(session, "start"):
            asked.options.CopyFrom(session.start)
        return super().reset(session, asked)


wrong("N-4", "takes the seed 0 as none", "seed-0-is-a-seed", NoZero)
wrong("N-4", "drops options", "options-are-passed", NoOptions)
wrong("N-4", "keeps the options of the last reset", "options-are-passed", KeepsOptions)
INFO = {"entries": [{"name": "", "value": {"null_value": {}}}]}
wrong(
    "N-7",
    "sends an entry in an empty info",
    "absent-info-is-empty",
    step=changed("step", info=INFO),
)


class EndsAtExceptions(RightEnv):
    def step(self, session: Any, action: Any) -> Any:
        answer = super().step(session, action)
        if hasattr(answer, "code"):
            session.play["count"] = 0
        return answer


class Typeless(RightEnv):
    def step(self, session: Any, action: Any) -> Any:
        answer = super().step(session, action)
        if hasattr(answer, "code"):
            answer.exception_type = ""
        return answer


wrong("X-1", "starts again after an exception", "exception-leaves-the-session", EndsAtExceptions)
wrong("X-4", "does not name exceptions", "exception-has-its-type", Typeless)


class TwiceStepped(RightEnv):
    """Handles the second step of a session twice."""

    def do_step(self, session: Any, asked: Any) -> Any:
        if session.last == 2 and session.play["count"] == 0:
            answer = super().do_step(session, asked)
            if isinstance(answer, dict) and answer["reward"] == 1.0:
                session.play["count"] += 1
            return answer
        return super().do_step(session, asked)


wrong("Q-3", "handles a step twice", "request-is-handled-once", TwiceStepped)


class Reapplies(RightEnv):
    """Sends the kept answer, and applies the step again."""

    def repeat(self, session: Any, request: Any) -> Any:
        if request.WhichOneof("request") == "step":
            self.handle(session, request)
        return super().repeat(session, request)


wrong(
    "Q-4",
    "applies a repetition although it sends the kept answer",
    "repetition-is-not-applied",
    Reapplies,
)


class DropsTheLast(RightEnv):
    """Handles no request that comes after many resumes."""

    def resumed(self, session: Any) -> Any:
        session.resumes = getattr(session, "resumes", 0) + 1
        if session.resumes == 30:
            session.play["count"] -= 1
        return super().resumed(session)


wrong("Q-4", "loses a step after many resumes", "forty-cuts-lose-nothing", DropsTheLast)


class Aborts(RightEnv):
    """Forgets a call that runs when the connection is lost."""

    def step(self, session: Any, action: Any) -> Any:
        if session.play.get("step_s") and session.connection is not None:
            connection = session.connection
            deadline = time.monotonic() + session.play["step_s"]
            while time.monotonic() < deadline:
                if connection.has_ended():
                    session.last -= 1
                    raise ConnectionError
                time.sleep(0.005)
            session.play["step_s"] = 0
        return super().step(session, action)


wrong("R-2", "forgets a call when the connection is lost", "running-call-is-kept", Aborts)


class AtOnce(RightEnv):
    """Handles steps that have come together at the same time."""

    def step(self, session: Any, action: Any) -> Any:
        answer = super().step(session, action)
        session.play["step_s"] = 0
        return answer


wrong("Q-1", "handles requests at the same time", "requests-are-handled-one-by-one", AtOnce)


class TakesInvalid(RightEnv):
    """Applies an invalid action as 1, and reports it all the same."""

    def do_step(self, session: Any, asked: Any) -> Any:
        answer = super().do_step(session, asked)
        if getattr(answer, "code", 0) == 3:
            session.play["count"] += 1
        return answer


wrong(
    "V-14",
    "calls the environment with an invalid action",
    "invalid-action-is-not-applied",
    TakesInvalid,
)


class SomeOfMany(RightEnv):
    def do_step_many(self, session: Any, asked: Any) -> Any:
        answer = super().do_step_many(session, asked)
        if getattr(answer, "code", 0) == 3:
            session.play["count"] += 1
        return answer


class PlaysOn(RightEnv):
    def steps(self, session: Any, actions: Any, asked: Any) -> Any:
        answer = super().steps(session, actions, asked)
        while len(answer.steps) < len(actions) and not answer.HasField("error"):
            answer.steps.append(env_pb2.StepResponse(observation=answer.steps[-1].observation))
        return answer


class NoError(RightEnv):
    def steps(self, session: Any, actions: Any, asked: Any) -> Any:
        answer = super().steps(session, actions, asked)
        if answer.steps:
            answer.ClearField("error")
        return answer


class FirstFails(RightEnv):
    def steps(self, session: Any, actions: Any, asked: Any) -> Any:
        answer = super().steps(session, actions, asked)
        if not answer.steps:
            answer.steps.append(env_pb2.StepResponse())
        return answer


wrong(
    "N-8",
    "applies the actions before an invalid one",
    "invalid-action-among-several-applies-none",
    SomeOfMany,
)
wrong("N-8", "steps on after the end of an episode", "several-steps-end-with-the-episode", PlaysOn)
wrong("N-9", "hides the error of several steps", "several-steps-end-with-an-error", NoError)
wrong("N-9", "sends a step for the one that failed", "failed-first-step-has-no-steps", FirstFails)


class Unwritten(RightEnv):
    def do_set_attribute(self, session: Any, asked: Any) -> Any:
        return self.reached(asked.name) or {}


wrong("N-11", "does not write an attribute", "exposed-attribute-is-read-and-written", Unwritten)


def accepting(rule: str) -> Any:
    """Return a `bad_options` that does not know a rule."""

    def made(self: Any, options: Any) -> Any:
        found = own.bad_options(self, options)
        return None if found is not None and found.message.startswith(f"{rule}:") else found

    return made


for _rule in ("D-1", "D-2", "D-4", "D-5", "D-6", "D-7"):
    wrong(
        _rule,
        "takes options that break it",
        f"options-of-{_rule.lower()}",
        bad_options=accepting(_rule),
    )


def pathless(self: Any, options: Any) -> Any:
    found = own.bad_options(self, options)
    if found is not None:
        found.path = ""
    return found


wrong("D-10", "sends no path with an option", "bad-option-has-a-path", bad_options=pathless)


# Echoes, several sessions, and limits.


class FirstEcho(RightEcho):
    def step(self, session: Any, action: Any) -> Any:
        return {"observation": self.observation(session), "reward": 0.5}


class QuietNaN(RightEcho):
    def step(self, session: Any, action: Any) -> Any:
        if action.slabs[3] == struct.pack("<2I", 0x7F800001, 0x7F800001):
            action.slabs[3] = struct.pack("<2I", 0x7FC00001, 0x7FC00001)
        return super().step(session, action)


wrong("V-2", "echoes its first value", "values-come-back", FirstEcho)
wrong("V-6", "makes signalling NaNs quiet", "float-bits-come-back", QuietNaN)


class TwoInOne(RightEnv):
    instances = 2

    def begin(self, session: Any, opened: Any) -> Any:
        session.play = self.__dict__.setdefault("shared", {"count": 0})
        return None


class Ends(RightEnv):
    def do_step_many(self, session: Any, asked: Any) -> Any:
        answer = super().do_step_many(session, asked)
        if getattr(answer, "code", 0) == 13:
            session.over_limit = True
        return answer

    def do_reset(self, session: Any, asked: Any) -> Any:
        if getattr(session, "over_limit", False):
            return failure("LIMIT_EXCEEDED", "a limit was exceeded before")
        return super().do_reset(session, asked)


class Believes(RightEnv):
    def do_step_many(self, session: Any, asked: Any) -> Any:
        if asked.count == 2**32 - 1:
            raise ConnectionError
        return super().do_step_many(session, asked)


wrong("K-7", "has one instance for two sessions", "sessions-have-their-own-instance", TwoInOne)
wrong("M-2", "serves nothing after a limit", "session-goes-on-after-a-limit", Ends)
wrong("M-4", "ends the connection at a large count", "claimed-count-is-not-believed", Believes)
