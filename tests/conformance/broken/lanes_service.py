"""`RightLanes`: the vector `lanes` of spec/vectors/README.md, in an autoreset mode."""

from __future__ import annotations

import struct
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.session_server import Session

__all__ = ["DISABLED", "NEXT_STEP", "SAME_STEP", "RightDisabled", "RightLanes", "RightSameStep"]

NEXT_STEP, SAME_STEP, DISABLED = 1, 2, 3


class RightLanes(RightEnv):
    """Two counts that end at 2."""

    name = "rlmesh.reference/lanes"
    capabilities = ("RESUME", "QUEUE", "RENDER")
    exposed = ()
    mode = NEXT_STEP

    def contract(self) -> Any:
        found = super().contract()
        found.num_envs, found.vector, found.autoreset_mode = 2, True, self.mode
        return found

    def begin(self, session: Session, opened: Any) -> Any:
        session.play = {"counts": [0, 0], "ended": [False, False]}
        return None

    def observation(self, session: Session) -> Any:
        slab = struct.pack("<2q", *session.play["counts"])
        return value_pb2.Value(slabs=[slab], batch_size=2)

    def do_reset(self, session: Session, asked: Any) -> Any:
        if asked.HasField("lane_seeds") and (bad := self.bad_seeds(asked)):
            return bad
        if asked.lane_mask and "PARTIAL_RESET" not in self.capabilities:
            return failure("UNSUPPORTED", "PARTIAL_RESET is not listed", path="lane_mask")
        if asked.lane_mask and (bad := self.bad_mask(asked.lane_mask)):
            return bad
        return self.bad_options(asked.options) or self.reset(session, asked)

    def bad_seeds(self, asked: Any) -> Any:
        """Return the error of wrong lane_seeds, or None (L-4)."""
        seeds = asked.lane_seeds
        right = len(seeds.seeds) == 2 and len(seeds.present) in (0, 2)
        if not right or any(b > 1 for b in seeds.present) or asked.HasField("seed"):
            return failure("MALFORMED", "expected seeds of two lanes", path="lane_seeds")
        return None

    def bad_mask(self, mask: bytes) -> Any:
        """Return the error of a wrong mask, or None (G-5)."""
        if len(mask) == 2 and not any(byte > 1 for byte in mask):
            return None
        return failure("MALFORMED", "expected a mask of two lanes", path="lane_mask")

    def reset(self, session: Session, asked: Any) -> Any:
        for lane in (0, 1):
            if not asked.lane_mask or asked.lane_mask[lane]:
                session.play["counts"][lane], session.play["ended"][lane] = 0, False
        return {"observation": self.observation(session)}

    def do_step(self, session: Session, asked: Any) -> Any:
        if not asked.HasField("action"):
            return failure("MALFORMED", "a step needs an action", path="action")
        return self.bad_action(asked.action, 2) or self.step(session, asked.action)

    def step(self, session: Session, action: Any) -> Any:
        counts, ended = session.play["counts"], session.play["ended"]
        rewards, terminated = [0.0, 0.0], [0, 0]
        for lane, number in enumerate(struct.unpack("<2q", action.slabs[0])):
            if self.mode == NEXT_STEP and ended[lane]:
                counts[lane], ended[lane] = 0, False
                continue
            counts[lane] += number
            rewards[lane], terminated[lane] = float(number), int(counts[lane] >= 2)
            ended[lane] = bool(terminated[lane])
        answer: dict[str, Any] = {
            "lanes": {
                "rewards": struct.pack("<2d", *rewards),
                "terminated": bytes(terminated),
                "truncated": bytes(2),
            }
        }
        if self.mode == SAME_STEP and any(terminated):
            answer["final_observations"] = self.final(counts, terminated)
            for lane in (0, 1):
                counts[lane] = 0 if terminated[lane] else counts[lane]
        return {**answer, "observation": self.observation(session)}

    def final(self, counts: list[int], terminated: list[int]) -> Any:
        """Return the last observations of the lanes that ended (L-6)."""
        last = [count for count, over in zip(counts, terminated) if over]
        value = {"slabs": [struct.pack(f"<{len(last)}q", *last)], "batch_size": len(last)}
        return {"mask": bytes(terminated), "observations": value}

    def do_render(self, session: Session, asked: Any) -> Any:
        lanes = list(asked.lanes)
        if len(set(lanes)) != len(lanes) or any(lane > 1 for lane in lanes):
            return failure("MALFORMED", "expected lanes of 0 and 1", path="lanes")
        elements = [{"string_value": "a lane"} for _ in lanes or (0, 1)]
        return {"frame": {"tuple_value": {"elements": elements}}}


class RightSameStep(RightLanes):
    """The same in SAME_STEP."""

    mode = SAME_STEP


class RightDisabled(RightLanes):
    """The same in DISABLED."""

    mode = DISABLED
    capabilities = ("RESUME", "QUEUE", "RENDER", "PARTIAL_RESET")
