"""Frames come back as they were written; damaged ones are refused, or are other ones."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError
from rlmesh.specs import AutoresetMode, EnvContract, PeerInfo, SessionTerms
from tests.conformance.native_values import values_equal
from tests.property.strategies import info_trees, spaces_of

FRAMES = EnvWireCodec(NATIVE)
Draw = st.SearchStrategy[Any]

seeds = st.integers(0, 2**64 - 1)
slabs = st.lists(st.binary(max_size=8), max_size=3)
encoded: Draw = st.builds(m.Encoded, slabs, st.none() | st.integers(0, 5))
lane_seeds: Draw = st.lists(st.none() | seeds, min_size=1, max_size=3).map(tuple)
# One seed, or those of lanes: both are malformed.
seeded: Draw = st.tuples(st.none() | seeds, st.none()) | st.tuples(st.none(), lane_seeds)
resets: Draw = st.tuples(
    seeded, st.none() | info_trees(), st.lists(st.booleans(), max_size=3).map(bytes)
).map(lambda parts: m.Reset(*parts[0], *parts[1:]))
bodies: Draw = st.one_of(
    resets,
    st.builds(m.Step, encoded),
    st.builds(m.StepMany, encoded, st.integers(1, 5), st.booleans()),
    st.just(m.Render((1, 0))),
    st.just(m.Close()),
)
times = st.none() | st.floats(allow_nan=False)
single_steps: Draw = st.builds(
    lambda parts, seconds: m.StepDone(*parts, sim_time=seconds),
    st.tuples(encoded, st.floats(), st.booleans(), st.booleans(), info_trees()),
    times,
)
masks = st.lists(st.booleans(), min_size=1, max_size=3).map(bytes)
lane_steps: Draw = st.builds(
    lambda observation, info, lanes, mask, final, seconds: m.StepDone(
        observation,
        info=info,
        lanes=m.LaneOutcomes(*lanes),
        final_mask=b"" if final is None else mask,
        final=final,
        sim_time=seconds,
    ),
    encoded,
    info_trees(),
    st.tuples(*[st.binary(max_size=8)] * 3),
    masks,
    st.none() | encoded,
    times,
)
steps: Draw = single_steps | lane_steps
unseen: Draw = steps.map(lambda step: step._replace(observation=m.ABSENT))
failures: Draw = st.tuples(st.integers(1, 18), st.text(max_size=5)).map(
    lambda parts: m.Failure(*parts)
)
many_steps: Draw = st.builds(
    m.StepManyDone, st.lists(steps | unseen, max_size=3).map(tuple), st.none() | failures
)


@st.composite
def contracts(draw: st.DrawFn) -> EnvContract:
    single = EnvContract(
        draw(st.text(min_size=1, max_size=3)),
        draw(spaces_of()),
        draw(spaces_of()),
        render_modes=tuple(draw(st.lists(st.text(max_size=3), max_size=2))),
        render_fps=draw(st.none() | st.floats(1, 60)),
        metadata=draw(info_trees()),
    )
    if draw(st.booleans()):
        return single
    mode = draw(st.sampled_from(AutoresetMode))
    return replace(single, vector=True, num_envs=draw(st.integers(1, 9)), autoreset_mode=mode)


opened: Draw = contracts().map(
    lambda contract: m.Opened(PeerInfo("1.0.0"), "session", contract, SessionTerms())
)
replies: Draw = st.one_of(
    steps,
    st.builds(m.ResetDone, encoded, info_trees()),
    info_trees().map(m.Rendered),
    opened,
    failures,
    many_steps,
)
sequences = st.integers(0, 2**32)


@given(sequences, bodies)
def test_requests(sequence: int, body: Any) -> None:
    frame = FRAMES.write_request(m.Request(sequence, body))
    again = FRAMES.read_request(frame)
    assert again.sequence == sequence and type(again.body) is type(body)
    assert FRAMES.write_request(again) == frame
    if isinstance(body, m.Reset):
        facts = (body.seed, body.lane_seeds, body.options, body.lane_mask)
        back = again.body
        assert isinstance(back, m.Reset)
        assert values_equal((back.seed, back.lane_seeds, back.options, back.lane_mask), facts)


@given(sequences, replies)
def test_replies(sequence: int, reply: Any) -> None:
    frame = FRAMES.write_reply(sequence, reply)
    number, again = FRAMES.read_reply(frame)
    assert number == sequence and type(again) is type(reply)
    assert FRAMES.write_reply(number, again) == frame
    if isinstance(reply, m.StepDone):
        assert isinstance(again, m.StepDone)
        assert values_equal([*again._replace(info=dict(again.info))], [*reply])
    if isinstance(reply, m.StepManyDone):
        assert isinstance(again, m.StepManyDone) and again.failure == reply.failure
        for mine, theirs in zip(again.steps, reply.steps):
            assert (mine.observation is m.ABSENT) == (theirs.observation is m.ABSENT)
            assert values_equal([*mine._replace(info=dict(mine.info))], [*theirs])
    if isinstance(reply, m.Opened):
        assert isinstance(again, m.Opened) and again.served is not None
        assert reply.served is not None
        assert again.served.observation_space == reply.served.observation_space
        assert again.served.autoreset_mode is reply.served.autoreset_mode


@st.composite
def damaged(draw: st.DrawFn, frame: bytes) -> bytes:
    changed = bytearray(frame)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        how = draw(st.sampled_from(["flip", "cut", "insert", "delete"]))
        if how == "flip" and changed:
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "insert":
            changed[at:at] = draw(st.binary(max_size=4))
        elif how == "delete":
            del changed[at : at + draw(st.integers(1, 4))]
        else:
            del changed[at:]
    return bytes(changed)


@given(bodies, st.data())
def test_damaged_requests(body: Any, data: st.DataObject) -> None:
    frame = data.draw(damaged(FRAMES.write_request(m.Request(3, body))))
    with contextlib.suppress(CodecError):
        FRAMES.read_request(frame)


@given(replies, st.data())
def test_damaged_replies(reply: Any, data: st.DataObject) -> None:
    frame = data.draw(damaged(FRAMES.write_reply(3, reply)))
    with contextlib.suppress(CodecError):
        FRAMES.read_reply(frame)


@given(st.binary(max_size=200))
def test_noise(noise: bytes) -> None:
    for read in (FRAMES.read_request, FRAMES.read_reply, FRAMES.read_description):
        with contextlib.suppress(CodecError):
            read(noise)
