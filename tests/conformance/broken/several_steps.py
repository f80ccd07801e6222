"""Servers that break rules of several steps, drawing and attributes: §8."""

from __future__ import annotations

from typing import Any

from rlmesh_proto.env.v1 import env_pb2

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


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
