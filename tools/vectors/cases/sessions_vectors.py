"""Transcripts of sessions with a vector of two lanes, `lanes`, in each autoreset mode."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2

from ..transcripts import (
    RESUME,
    Step,
    Transcript,
    client,
    contract,
    integers,
    opened_header,
    opens,
    server,
)
from .sessions_env import answer, close, error, request

__all__ = ["MODES"]

NEXT_STEP = contract_pb2.AUTORESET_MODE_NEXT_STEP
SAME_STEP = contract_pb2.AUTORESET_MODE_SAME_STEP
DISABLED = contract_pb2.AUTORESET_MODE_DISABLED
PARTIAL_RESET = handshake_pb2.CAPABILITY_PARTIAL_RESET


def begin(mode: int) -> list[Step]:
    """Return the handshake and a reset with the seed 7 for lane 0 and none for lane 1."""
    can = [RESUME, PARTIAL_RESET] if mode == DISABLED else [RESUME]
    opened = env_pb2.OpenResponse(header=opened_header(*can))
    opened.contract.CopyFrom(contract("Lanes", 2, mode))
    seeds = env_pb2.LaneSeeds(seeds=[7, 0], present=b"\1\0")
    return [
        client(request(0, open=opens())),
        server(answer(0, open=opened)),
        client(request(1, reset=env_pb2.ResetRequest(lane_seeds=seeds))),
        server(reset_done(1, 0, 0)),
    ]


def reset_done(number: int, *counts: int) -> env_pb2.SessionResponse:
    return answer(number, reset=env_pb2.ResetResponse(observation=integers(*counts, batch=True)))


def step(
    number: int,
    actions: tuple[int, int],
    counts: tuple[int, int],
    rewards: tuple[float, float],
    terminated: bytes = b"\0\0",
    final: int | None = None,
) -> list[Step]:
    """Return a step and its answer; `final` is the last observation of lane 0's episode."""
    asked = env_pb2.StepRequest(action=integers(*actions, batch=True))
    done = env_pb2.StepResponse(observation=integers(*counts, batch=True))
    done.lanes.rewards = struct.pack("<2d", *rewards)
    done.lanes.terminated, done.lanes.truncated = terminated, b"\0\0"
    if final is not None:
        done.final_observations.mask = b"\1\0"
        done.final_observations.observations.CopyFrom(integers(final, batch=True))
    return [client(request(number, step=asked)), server(answer(number, step=done))]


def _modes() -> Iterator[Transcript]:
    one = step(2, (1, 0), (1, 0), (1.0, 0.0))
    next_step: list[Step] = [
        *begin(NEXT_STEP),
        *one,
        *step(3, (1, 1), (2, 1), (1.0, 1.0), b"\1\0"),
        *step(4, (1, 1), (0, 2), (0.0, 1.0), b"\0\1"),
        *step(5, (1, 1), (1, 0), (1.0, 0.0)),
    ]
    yield Transcript("autoreset in the next step", "lanes", [*next_step, *close(6)])
    same_step: list[Step] = [
        *begin(SAME_STEP),
        *one,
        *step(3, (1, 1), (0, 1), (1.0, 1.0), b"\1\0", final=2),
        *step(4, (1, 0), (1, 1), (1.0, 0.0)),
    ]
    yield Transcript("autoreset in the same step", "lanes", [*same_step, *close(5)])
    first, none = (env_pb2.ResetRequest(lane_mask=mask) for mask in (b"\1\0", b"\1"))
    disabled: list[Step] = [
        *begin(DISABLED),
        *one,
        *step(3, (1, 1), (2, 1), (1.0, 1.0), b"\1\0"),
        client(request(4, reset=first)),
        server(reset_done(4, 0, 1)),
        *step(5, (1, 0), (1, 1), (1.0, 0.0)),
    ]
    yield Transcript("lanes that the client resets", "lanes", [*disabled, *close(6)])
    short: list[Step] = [
        *begin(DISABLED),
        client(request(2, reset=none)),
        server(error(2, error_pb2.ERROR_CODE_MALFORMED, path="lane_mask")),
    ]
    yield Transcript("a mask of another length", "lanes", [*short, *close(3)], raw=True)


MODES = tuple(_modes())
