"""`RightEnv`: a right server of an environment, with everything that the kit checks."""

from __future__ import annotations

import random
import time
from typing import Any

from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._conformance.dynamic_rules import map_problems
from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue, sample
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.session_server import Session, SessionServer

__all__ = ["EVERY", "RightEcho", "RightEnv"]


def discrete(n: int) -> Any:
    """Return a Discrete of int64."""
    return space_pb2.Space(discrete={"dtype": 5, "n": n})


class RightEnv(SessionServer):
    """The environment `count` of spec/vectors/README.md.

    Attributes:
        name: Id of the contract.
        actions: Action space.
        observations: Observation space.
    """

    service = "rlmesh.proto.env.v1.EnvService"
    request, response = env_pb2.SessionRequest, env_pb2.SessionResponse
    capabilities = ("RESUME", "QUEUE", "STEP_MANY", "RENDER", "ATTRIBUTES", "PROGRESS")
    name = "rlmesh.reference/count"
    actions, observations = discrete(3), discrete(100)
    exposed = ("count",)

    def contract(self) -> Any:
        """Return the contract."""
        return contract_pb2.EnvContract(
            id=self.name,
            spec_version=SPEC_VERSION,
            observation_space=self.observations,
            action_space=self.actions,
            num_envs=1,
            exposed=self.exposed,
            render={"mode": "ansi"},
        )

    def served(self) -> dict[str, Any]:
        return {"contract": self.contract()}

    def begin(self, session: Session, opened: Any) -> Any:
        session.play = {"count": 0}
        return None

    # Values.

    def observation(self, session: Session) -> Any:
        """Return the observation of a session."""
        return value_pb2.Value(slabs=[session.play["count"].to_bytes(8, "little")])

    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        """Return the error of an action that is no value of its space (V-14), or None."""
        try:
            check_value(self.actions, value, batch)
        except BadValue as bad:
            shown = {"path": f"{root}{bad.path}", "expected": "a value", "actual": str(bad)}
            return failure("INVALID_VALUE", f"expected an action: {bad}", **shown)
        return None

    # Requests.

    def do_reset(self, session: Session, asked: Any) -> Any:
        """Begin an episode."""
        if asked.HasField("lane_seeds"):
            return failure("MALFORMED", "this environment is no vector", path="lane_seeds")
        if asked.lane_mask:
            return failure("UNSUPPORTED", "PARTIAL_RESET is not listed", path="lane_mask")
        return self.bad_options(asked.options) or self.reset(session, asked)

    def bad_options(self, options: Any) -> Any:
        """Return the error of options that break a rule (D-10), or None."""
        for rule, path, words in map_problems(options, "options"):
            return failure("MALFORMED", f"{rule}: {words}", path=path)
        return None

    def reset(self, session: Session, asked: Any) -> Any:
        """Call the environment's reset."""
        options = {entry.name: entry.value for entry in asked.options.entries}
        session.play["step_s"] = options["step_ms"].int_value / 1000 if "step_ms" in options else 0
        session.play["count"] = options["start"].int_value if "start" in options else 0
        info: dict[str, Any] = {}
        if asked.HasField("seed"):
            info = {"entries": [{"name": "seed", "value": {"int_value": asked.seed}}]}
        return {"observation": self.observation(session), "info": info}

    def do_step(self, session: Session, asked: Any) -> Any:
        """Apply an action."""
        if not asked.HasField("action"):
            return failure("MALFORMED", "a step needs an action", path="action")
        return self.bad_action(asked.action, None) or self.step(session, asked.action)

    def step(self, session: Session, action: Any) -> Any:
        """Call the environment's step."""
        time.sleep(session.play.get("step_s", 0))
        number = int.from_bytes(action.slabs[0], "little")
        if number == 2:
            return failure("USER_EXCEPTION", "2 is no step", exception_type="builtins.RuntimeError")
        session.play["count"] += number
        return {
            "observation": self.observation(session),
            "reward": float(number),
            "terminated": session.play["count"] >= 3,
        }

    def do_step_many(self, session: Session, asked: Any) -> Any:
        """Apply actions until an episode ends (N-8, N-9)."""
        batch, count = asked.actions.batch_size, asked.count
        if not asked.HasField("actions") or not count or batch != count:
            return failure("MALFORMED", "expected as many actions as count", path="actions")
        if count > 65_536:
            return failure("LIMIT_EXCEEDED", "count is over 65536")
        if bad := self.bad_action(asked.actions, count, "actions"):
            return bad
        return self.steps(session, self.single_actions(asked.actions, count), asked)

    def single_actions(self, actions: Any, count: int) -> list[Any]:
        """Cut a batch of actions; all slabs have one size for each."""
        sizes = [len(slab) // count for slab in actions.slabs]
        return [
            value_pb2.Value(
                slabs=[slab[i * n : i * n + n] for slab, n in zip(actions.slabs, sizes)]
            )
            for i in range(count)
        ]

    def steps(self, session: Session, actions: list[Any], asked: Any) -> Any:
        """Apply checked actions one after another."""
        answer = env_pb2.StepManyResponse()
        for action in actions:
            done = self.step(session, action)
            if hasattr(done, "session_closed"):
                answer.error.CopyFrom(done)
                break
            answer.steps.append(env_pb2.StepResponse(**done))
            if done.get("terminated"):
                break
        if not asked.all_observations:
            for step in answer.steps[:-1]:
                step.ClearField("observation")
        return answer

    def do_render(self, session: Session, asked: Any) -> Any:
        """Draw the environment."""
        if asked.lanes:
            return failure("MALFORMED", "this environment is no vector", path="lanes")
        return {"frame": self.frame(session)}

    def frame(self, session: Session) -> Any:
        """Return what the environment's render returns."""
        return {"string_value": f"count: {session.play.get('count')}"}

    def reached(self, name: str) -> Any:
        """Return the error for a name that is not exposed, or None (N-11)."""
        if name in self.exposed:
            return None
        return failure("NOT_EXPOSED", f"{name} is not exposed", choices=self.exposed)

    def do_get_attribute(self, session: Session, asked: Any) -> Any:
        """Read an attribute."""
        return self.reached(asked.name) or {"value": {"int_value": session.play["count"]}}

    def do_set_attribute(self, session: Session, asked: Any) -> Any:
        """Write an attribute."""
        if (hidden := self.reached(asked.name)) is not None:
            return hidden
        session.play["count"] = asked.value.int_value
        return {}

    def do_call(self, session: Session, asked: Any) -> Any:
        """Call a method; `count` is none, so that its value is the result."""
        return self.reached(asked.name) or {"result": {"int_value": session.play["count"]}}


FLAG = space_pb2.Space(multi_binary={"shape": [3]})
TEXT = space_pb2.Space(text={"min_length": 0, "max_length": 8, "charset": "abé"})
DIGIT = space_pb2.Space(discrete={"dtype": 2, "n": 10})
EVERY = space_pb2.Space(
    tuple={
        "spaces": [
            {"discrete": {"dtype": 2, "n": 10, "start": b"\xff"}},
            FLAG,
            {"multi_discrete": {"dtype": 6, "shape": [2], "nvec": b"\2\3"}},
            {
                "box": {
                    "dtype": 12,
                    "shape": [2],
                    "low": {"uniform": b"\0\0\x80\xbf"},
                    "high": {"uniform": b"\0\0\x80\x3f"},
                }
            },
            {
                "box": {
                    "dtype": 1,
                    "shape": [1],
                    "low": {"uniform": b"\0"},
                    "high": {"uniform": b"\1"},
                }
            },
            TEXT,
            {"sequence": {"space": DIGIT}},
            {"sequence": {"space": {"tuple": {}}, "stacked": True}},
            {"graph": {"node_space": FLAG, "edge_space": DIGIT}},
            {"one_of": {"spaces": [DIGIT, TEXT]}},
            {"dict": {"entries": [{"name": "a", "space": DIGIT}, {"index": 1, "space": FLAG}]}},
        ]
    }
)
"""A space with every family."""


class RightEcho(RightEnv):
    """An environment that observes its last action, in a space with every family."""

    name = "rlmesh.reference/echo"
    actions = observations = EVERY
    capabilities = ("RESUME", "QUEUE")
    exposed = ()

    def begin(self, session: Session, opened: Any) -> Any:
        session.play = {"last": sample(EVERY, None, random.Random(1))}
        return None

    def observation(self, session: Session) -> Any:
        return session.play["last"]

    def reset(self, session: Session, asked: Any) -> Any:
        return {"observation": self.observation(session)}

    def step(self, session: Session, action: Any) -> Any:
        session.play["last"] = action
        return {"observation": self.observation(session), "reward": 0.5}
