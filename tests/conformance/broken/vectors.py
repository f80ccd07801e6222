"""Servers that break rules of vectors: §9."""

from __future__ import annotations

import struct
from typing import Any

from tests.conformance.broken.lanes_service import RightDisabled, RightLanes, RightSameStep
from tests.conformance.broken.registry import broken


def stepping(change: Any, base: Any = RightLanes) -> Any:
    """Return a `step` with another answer."""

    def made(self: Any, session: Any, action: Any) -> Any:
        answer = base.step(self, session, action)
        change(answer)
        return answer

    return made


def lanes_with(**fields: Any) -> Any:
    return lambda answer: answer["lanes"].update(fields)


def wrong(rule: str, words: str, first: str, base: Any = RightLanes, **changes: Any) -> None:
    broken(rule, words, base=base, first=first, **changes)


wrong(
    "G-5",
    "sends a flag 2",
    "flags-of-lanes-are-masks",
    step=stepping(lanes_with(truncated=b"\2\0")),
)
wrong(
    "G-5",
    "sends flags of one lane",
    "flags-of-lanes-are-masks",
    step=stepping(lanes_with(truncated=b"\0")),
)
wrong(
    "L-3",
    "sends rewards of 4 bytes",
    "steps-have-lanes",
    step=stepping(lanes_with(rewards=bytes(8))),
)
wrong(
    "L-3",
    "sends the rewards of lanes in reverse",
    "lanes-have-their-own-outcomes",
    step=stepping(
        lambda a: a["lanes"].update(rewards=a["lanes"]["rewards"][8:] + a["lanes"]["rewards"][:8])
    ),
)


class Unbatched(RightLanes):
    def observation(self, session: Any) -> Any:
        found = super().observation(session)
        found.ClearField("batch_size")
        return found


class AnyBatch(RightLanes):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        if self.takes(value):
            value.batch_size = 2
        return super().bad_action(value, batch, root)

    def takes(self, value: Any) -> bool:
        return not value.HasField("batch_size")


wrong("L-1", "sends observations of lanes as one", "vector-observation-is-a-batch", Unbatched)
wrong("L-1", "takes an action without batch_size", "single-action-is-invalid", AnyBatch)
wrong(
    "L-1",
    "takes an action of three lanes",
    "action-of-another-batch-is-invalid",
    AnyBatch,
    takes=lambda self, value: value.batch_size == 3,
)
wrong(
    "L-4",
    "takes any lane_seeds",
    "lane-seeds-of-another-length-are-malformed",
    bad_seeds=lambda self, asked: (
        None if not asked.HasField("seed") else RightLanes.bad_seeds(self, asked)
    ),
)
wrong(
    "L-4",
    "refuses lane_seeds",
    "lane-seeds-are-taken",
    bad_seeds=lambda self, asked: (
        (RightLanes.bad_mask(self, b"") if asked.lane_seeds.seeds[:1] == [0] else None)
        or RightLanes.bad_seeds(self, asked)
    ),
)
wrong(
    "L-8",
    "takes a mask of any length",
    "mask-of-another-length-is-malformed",
    RightDisabled,
    bad_mask=lambda self, mask: None,
)
wrong(
    "L-8",
    "lists PARTIAL_RESET for NEXT_STEP",
    "partial-reset-needs-disabled",
    capabilities=("RESUME", "QUEUE", "PARTIAL_RESET"),
)


class AnyLanes(RightLanes):
    def do_render(self, session: Any, asked: Any) -> Any:
        asked.ClearField("lanes")
        return super().do_render(session, asked)


wrong("L-11", "draws lanes that are not there", "lanes-that-are-not-there-are-malformed", AnyLanes)


class LongFinal(RightSameStep):
    def final(self, counts: Any, terminated: Any) -> Any:
        found = super().final(counts, terminated)
        found["mask"] = b"\1\1"
        return found


wrong(
    "L-6",
    "marks a final observation that there is not",
    "final-observations-are-of-lanes-that-ended",
    LongFinal,
)


class Late(RightLanes):
    """Resets a lane and applies the action in one step."""

    def step(self, session: Any, action: Any) -> Any:
        for lane in (0, 1):
            if session.play["ended"][lane]:
                session.play["counts"][lane], session.play["ended"][lane] = 0, False
        return super().step(session, action)


wrong("L-5", "applies the action of the step that resets", "next-step-resets-a-step-later", Late)


class NewFinal(RightSameStep):
    def final(self, counts: Any, terminated: Any) -> Any:
        found = super().final(counts, terminated)
        found["observations"]["slabs"] = [struct.pack("<q", 0)]
        return found


wrong("L-6", "sends the first observation as the last", "same-step-resets-at-once", NewFinal)


class AlwaysFinal(RightSameStep):
    def step(self, session: Any, action: Any) -> Any:
        answer = super().step(session, action)
        empty = {"slabs": [b""], "batch_size": 0}
        answer.setdefault("final_observations", {"mask": bytes(2), "observations": empty})
        return answer


wrong(
    "L-6",
    "sends final observations of no lane",
    "no-final-observations-without-an-end",
    AlwaysFinal,
)


class FinalInfo(RightSameStep):
    def step(self, session: Any, action: Any) -> Any:
        answer = super().step(session, action)
        if "final_observations" in answer:
            entry = {"name": "final_obs", "value": {"list_value": {}}}
            answer["info"] = {"entries": [entry]}
        return answer


wrong("L-7", "leaves final_obs in the info", "same-step-has-no-final-info", FinalInfo)


class ResetsAll(RightDisabled):
    def reset(self, session: Any, asked: Any) -> Any:
        asked.ClearField("lane_mask")
        return super().reset(session, asked)


wrong("L-8", "resets all lanes for a mask", "mask-resets-its-lanes-alone", ResetsAll)
