"""`RightSum` and `RightRamp`: right servers of the models of spec/vectors/README.md."""

from __future__ import annotations

import struct
from typing import Any

from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.model.v1 import model_pb2, spec_pb2

from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue
from rlmesh._conformance.space_rules import space_problems
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.session_server import Session, SessionServer

__all__ = ["RightRamp", "RightSum"]

SINGLE, BATCH, CHUNK, CHUNK_BATCH = 1, 2, 3, 4


def numbers(slab: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(slab) // 8}q", slab))


class RightSum(SessionServer):
    """A stateful model that adds up observations, modulo 3."""

    service = "rlmesh.proto.model.v1.ModelService"
    request, response = model_pb2.SessionRequest, model_pb2.SessionResponse
    capabilities = ("RESUME", "BATCH", "EPISODE_STEPS", "OBSERVE")
    instances = 1_000
    name = "rlmesh.reference/sum"
    forms: tuple[int, ...] = (SINGLE, BATCH)
    stateful = True

    def spec(self) -> Any:
        """Return the spec."""
        found = spec_pb2.ModelSpec(
            id=self.name, spec_version=SPEC_VERSION, adaptation=1, stateful=self.stateful
        )
        found.predict_forms.extend(self.forms)
        return found

    def served(self) -> dict[str, Any]:
        return {"spec": self.spec()}

    def header_of(self, opened: Any) -> Any:
        return opened.header

    def begin(self, session: Session, opened: Any) -> Any:
        """Read the contract (P-3)."""
        contract = opened.contract
        if not opened.HasField("contract"):
            return failure("MALFORMED", "expected a contract", path="contract")
        for name in ("observation_space", "action_space"):
            for rule, path, words in self.problems(getattr(contract, name)):
                return failure("MALFORMED", f"{rule}: {words}", path=f"{name}{path}")
        session.play = {"contract": contract, "lanes": {}}
        return None

    def problems(self, space: Any) -> Any:
        """Return the rules that a space breaks."""
        return space_problems(space)

    def lanes_of(self, session: Session) -> dict[int, Any]:
        """Return the state of each running episode by its lane."""
        return session.play["lanes"]  # type: ignore[no-any-return]

    def do_start_episode(self, session: Session, asked: Any) -> Any:
        """Begin an episode (P-6)."""
        if asked.HasField("instruction"):
            return failure("UNSUPPORTED", "this model reads no text", path="instruction")
        self.lanes_of(session)[asked.lane] = 0
        return {}

    def do_end_episode(self, session: Session, asked: Any) -> Any:
        """End an episode (P-7)."""
        if asked.lane not in self.lanes_of(session):
            return failure("WRONG_STATE", f"lane {asked.lane} has no episode")
        self.forget(session, asked.lane)
        return {}

    def forget(self, session: Session, lane: int) -> None:
        """Drop the state of an episode that has ended."""
        del self.lanes_of(session)[lane]

    def do_predict(self, session: Session, asked: Any) -> Any:
        """Predict actions (P-8 to P-18)."""
        for fault in (self.bad_form, self.bad_lanes, self.bad_parts, self.bad_values):
            if (bad := fault(session, asked)) is not None:
                return bad
        if missing := [lane for lane in asked.lanes if lane not in self.lanes_of(session)]:
            return self.no_episode(session, asked, missing)
        return self.predicted(session, asked)

    def no_episode(self, session: Session, asked: Any, missing: list[int]) -> Any:
        """Return the error of lanes without an episode (P-7)."""
        return failure("WRONG_STATE", f"lanes {missing} have no episode")

    def bad_form(self, session: Session, asked: Any) -> Any:
        """Return the error of a form that the spec does not have, or None."""
        if asked.form in self.forms:
            return None
        return failure("UNSUPPORTED", f"form {asked.form} is not offered", path="form")

    def bad_lanes(self, session: Session, asked: Any) -> Any:
        """Return the error of wrong lanes, or None."""
        lanes = list(asked.lanes)
        one = asked.form in (SINGLE, CHUNK)
        if (one and len(lanes) != 1) or not lanes or len(set(lanes)) != len(lanes):
            return failure("MALFORMED", f"lanes {lanes} of form {asked.form}", path="lanes")
        return None

    def bad_parts(self, session: Session, asked: Any) -> Any:
        """Return the error of steps, observed and prefix, or None."""
        n = len(asked.lanes)
        if not asked.HasField("observation"):
            return failure("MALFORMED", "expected an observation", path="observation")
        if len(asked.steps) not in (0, n):
            return failure("MALFORMED", "expected a step for each lane", path="steps")
        return self.bad_observed(asked, n) or self.bad_prefix(asked, n)

    def bad_observed(self, asked: Any, n: int) -> Any:
        """Return the error of `observed` (P-15), or None."""
        counts = list(asked.observed_counts)
        has = asked.HasField("observed")
        if has != bool(counts) or (has and (len(counts) != n or not asked.steps)):
            return failure("MALFORMED", "observed, its counts and steps", path="observed")
        if has and asked.observed.batch_size != sum(counts):
            return failure("MALFORMED", "another number of observed", path="observed")
        return None

    def bad_prefix(self, asked: Any, n: int) -> Any:
        """Return the error of `prefix` (P-18), or None."""
        counts, committed = list(asked.prefix_counts), list(asked.committed_counts)
        has = asked.HasField("prefix")
        if not (has == bool(counts) == bool(committed)):
            return failure("MALFORMED", "prefix and its counts", path="prefix")
        if has and (len(counts) != n or any(c > p for c, p in zip(committed, counts))):
            return failure("MALFORMED", "counts of the prefix", path="prefix_counts")
        if has and asked.prefix.batch_size != sum(counts):
            return failure("MALFORMED", "another number of actions", path="prefix")
        return None

    def bad_values(self, session: Session, asked: Any) -> Any:
        """Return the error of a wrong observation (P-11), or None."""
        batch = len(asked.lanes) if asked.form in (BATCH, CHUNK_BATCH) else None
        space = session.play["contract"].observation_space
        try:
            check_value(space, asked.observation, batch)
        except BadValue as bad:
            return self.invalid(bad)
        return None

    def invalid(self, bad: BadValue) -> Any:
        """Return the error of a wrong observation."""
        shown = {"path": f"observation{bad.path}", "expected": "a value", "actual": str(bad)}
        return failure("INVALID_VALUE", str(bad), **shown)

    def predicted(self, session: Session, asked: Any) -> Any:
        """Return the actions of a right request."""
        states = self.lanes_of(session)
        observed = numbers(asked.observed.slabs[0]) if asked.observed.slabs else []
        for lane, count in zip(asked.lanes, asked.observed_counts):
            states[lane] += sum(observed[:count])
            del observed[:count]
        actions = []
        for lane, number in zip(asked.lanes, numbers(asked.observation.slabs[0])):
            states[lane] += number
            actions.append(states[lane] % 3)
        return {"actions": self.batch(asked, actions)}

    def batch(self, asked: Any, actions: list[int]) -> Any:
        """Return actions as a Value."""
        found: dict[str, Any] = {"slabs": [struct.pack(f"<{len(actions)}q", *actions)]}
        if asked.form != SINGLE:
            found["batch_size"] = len(actions)
        return found


class RightRamp(RightSum):
    """A model that predicts the observation and the two numbers after it, modulo 3."""

    capabilities = ("RESUME", "BATCH", "EPISODE_STEPS", "ACTION_PREFIX")
    name = "rlmesh.reference/ramp"
    forms = (SINGLE, BATCH, CHUNK, CHUNK_BATCH)
    stateful = False

    def predicted(self, session: Session, asked: Any) -> Any:
        size = self.chunk(asked)
        prefix = numbers(asked.prefix.slabs[0]) if asked.prefix.slabs else []
        actions: list[int] = []
        none = [0] * len(asked.lanes)
        observed = numbers(asked.observation.slabs[0])
        held = zip(asked.prefix_counts or none, asked.committed_counts or none)
        for number, (count, committed) in zip(observed, held):
            ramp = [*prefix[:committed], *((number + i) % 3 for i in range(committed, 3))]
            del prefix[:count]
            actions += ramp[:size]
        chunked = asked.form in (CHUNK, CHUNK_BATCH)
        return {"actions": self.batch(asked, actions), "chunk_length": size if chunked else 0}

    def chunk(self, asked: Any) -> int:
        """Return the number of actions for each lane (P-10)."""
        if asked.form in (SINGLE, BATCH):
            return 1
        return min(3, asked.max_chunk_length or 3)
