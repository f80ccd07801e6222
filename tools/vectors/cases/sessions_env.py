"""Transcripts of sessions with one environment, `count`; see vectors/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2, progress_pb2

from ..transcripts import (
    RESUME,
    Event,
    Step,
    Transcript,
    client,
    contract,
    failure,
    info,
    integers,
    opened_header,
    opens,
    peer,
    server,
)

__all__ = ["ENDS", "EPISODES", "ORDER", "PROGRESS", "RESUMES"]

CAPABLE = (RESUME, handshake_pb2.CAPABILITY_STEP_MANY, handshake_pb2.CAPABILITY_ATTRIBUTES)
E = error_pb2


def request(number: int, **body: Any) -> env_pb2.SessionRequest:
    return env_pb2.SessionRequest(sequence=number, **body)


def answer(number: int, **body: Any) -> env_pb2.SessionResponse:
    return env_pb2.SessionResponse(sequence=number, **body)


def opened() -> env_pb2.OpenResponse:
    made = env_pb2.OpenResponse(header=opened_header(*CAPABLE))
    made.contract.CopyFrom(contract("Count"))
    made.contract.exposed.append("count")
    return made


def resumed(received: int) -> env_pb2.OpenResponse:
    return env_pb2.OpenResponse(header=opened_header(*CAPABLE, received=received))


def open_step(connection: int = 1) -> list[Step]:
    return [
        client(request(0, open=opens()), connection),
        server(answer(0, open=opened()), connection),
    ]


def resume_step(connection: int, awaited: int, received: int) -> list[Step]:
    return [
        client(request(0, open=opens(awaited)), connection),
        server(answer(0, open=resumed(received)), connection),
    ]


def ask_reset(number: int, **fields: Any) -> env_pb2.SessionRequest:
    return request(number, reset=env_pb2.ResetRequest(**fields))


def reset_done(number: int, count: int = 0, **entries: int) -> env_pb2.SessionResponse:
    made = env_pb2.ResetResponse(observation=integers(count))
    if entries:
        made.info.CopyFrom(info(**entries))
    return answer(number, reset=made)


def ask_step(number: int, action: int) -> env_pb2.SessionRequest:
    return request(number, step=env_pb2.StepRequest(action=integers(action)))


def done(count: int, reward: float, **fields: Any) -> env_pb2.StepResponse:
    return env_pb2.StepResponse(observation=integers(count), reward=reward, **fields)


def step_done(number: int, count: int, reward: float, **fields: Any) -> env_pb2.SessionResponse:
    return answer(number, step=done(count, reward, **fields))


def error(number: int, code: E.ErrorCode.ValueType, **facts: Any) -> env_pb2.SessionResponse:
    return answer(number, error=failure(code, **facts))


def close(number: int, connection: int = 1) -> list[Step]:
    return [
        client(request(number, close=env_pb2.CloseRequest()), connection),
        server(answer(number, close=env_pb2.CloseResponse()), connection),
        Event("ended", connection),
    ]


FIRST_RESET: list[Step] = [client(ask_reset(1, seed=7)), server(reset_done(1, seed=7))]
PLAYED: list[Step] = [*open_step(), *FIRST_RESET]


def _episodes() -> Iterator[Transcript]:
    episode: list[Step] = [
        *PLAYED,
        client(ask_step(2, 1)),
        server(step_done(2, 1, 1.0)),
        client(ask_step(3, 0)),
        server(step_done(3, 1, 0.0)),
        client(ask_reset(4, options=info(start=2))),
        server(reset_done(4, 2)),
        client(ask_step(5, 1)),
        server(step_done(5, 3, 1.0, terminated=True)),
    ]
    yield Transcript(
        "reset, steps, options, the end of an episode, close", "count", [*episode, *close(6)]
    )
    many = env_pb2.StepManyRequest(actions=integers(1, 0, 1, batch=True), count=3)
    results = env_pb2.StepManyResponse(
        steps=[env_pb2.StepResponse(reward=1.0), env_pb2.StepResponse(), done(2, 1.0)]
    )
    whole = env_pb2.StepManyRequest(
        actions=integers(1, 1, batch=True), count=2, all_observations=True
    )
    ended = env_pb2.StepManyResponse(steps=[done(3, 1.0, terminated=True)])
    steps: list[Step] = [
        client(request(2, step_many=many)),
        server(answer(2, step_many=results)),
        client(request(3, step_many=whole)),
        server(answer(3, step_many=ended)),
    ]
    yield Transcript("several steps in one request", "count", [*PLAYED, *steps, *close(4)])
    get = env_pb2.GetAttributeRequest(name="count")
    found = env_pb2.GetAttributeResponse()
    found.value.int_value = 0
    hidden = env_pb2.GetAttributeRequest(name="secret")
    refused = error(3, E.ERROR_CODE_NOT_EXPOSED, choices=["count"])
    attributes: list[Step] = [
        client(request(2, get_attribute=get)),
        server(answer(2, get_attribute=found)),
        client(request(3, get_attribute=hidden)),
        server(refused),
    ]
    yield Transcript("attributes", "count", [*PLAYED, *attributes, *close(4)])
    raised = error(2, E.ERROR_CODE_USER_EXCEPTION)
    faults: list[Step] = [
        client(ask_step(2, 2)),
        server(raised),
        client(ask_step(3, 3)),
        server(error(3, E.ERROR_CODE_INVALID_VALUE, path="action")),
        client(ask_step(4, 1)),
        server(step_done(4, 1, 1.0)),
    ]
    yield Transcript(
        "an exception, an invalid action, and on", "count", [*PLAYED, *faults, *close(5)]
    )


def _order() -> Iterator[Transcript]:
    two: list[Step] = [client(ask_step(2, 1)), server(step_done(2, 1, 1.0))]
    repeated: list[Step] = [
        *PLAYED,
        *two,
        *two,
        client(ask_step(3, 1)),
        server(step_done(3, 2, 1.0)),
    ]
    yield Transcript("a request is repeated", "count", [*repeated, *close(4)], raw=True)
    ahead: list[Step] = [
        client(ask_step(3, 1)),
        server(error(3, E.ERROR_CODE_OUT_OF_SEQUENCE)),
        *two,
    ]
    yield Transcript("a number is left out", "count", [*PLAYED, *ahead, *close(3)], raw=True)
    action = integers(1)
    action.padding.extend([bytes(3), b""])  # B-17: it has no meaning, and the server did not ask.
    padded: list[Step] = [
        *open_step(),
        client(ask_reset(1)),
        server(reset_done(1)),
        client(request(2, step=env_pb2.StepRequest(action=action))),
        server(step_done(2, 1, 1.0)),
    ]
    yield Transcript("padding in an action", "count", [*padded, *close(3)], raw=True)
    late: list[Step] = [
        client(request(1, open=opens())),
        server(error(1, E.ERROR_CODE_WRONG_STATE)),
        client(request(2)),
        server(error(2, E.ERROR_CODE_UNSUPPORTED)),
        client(request(3, step=env_pb2.StepRequest())),
        server(error(3, E.ERROR_CODE_MALFORMED, path="action")),
        client(ask_reset(4, lane_mask=b"\1")),
        server(error(4, E.ERROR_CODE_UNSUPPORTED, path="lane_mask")),
    ]
    yield Transcript("refused requests", "count", [*open_step(), *late, *close(5)], raw=True)
    for name, first, code, path in (
        ("the first request is no open", ask_reset(1), E.ERROR_CODE_WRONG_STATE, ""),
        ("an open has a number", request(1, open=opens()), E.ERROR_CODE_MALFORMED, ""),
        (
            "an open without a client",
            request(0, open=handshake_pb2.OpenHeader(wait_ms=1)),
            E.ERROR_CODE_MALFORMED,
            "client",
        ),
    ):
        refusal = error(first.sequence, code, session_closed=True, path=path)
        yield Transcript(
            name, "count", [client(first), server(refusal), Event("ended", 1)], raw=True
        )
    other = opens()
    other.client.spec_version = "9.0.0"
    refusal = error(
        0, E.ERROR_CODE_UNSUPPORTED_VERSION, session_closed=True, choices=[peer().spec_version]
    )
    strange: list[Step] = [client(request(0, open=other)), server(refusal), Event("ended", 1)]
    yield Transcript("another version", "count", strange, raw=True)


def _resumes() -> Iterator[Transcript]:
    lost_answer: list[Step] = [
        *PLAYED,
        client(ask_step(2, 1)),
        Event("lost", 1),
        *resume_step(2, awaited=2, received=2),
        client(ask_step(2, 1), 2),
        server(step_done(2, 1, 1.0), 2),
        client(ask_step(3, 1), 2),
        server(step_done(3, 2, 1.0), 2),
        *close(4, 2),
    ]
    yield Transcript("an answer is lost, and sent again after a resume", "count", lost_answer)
    between: list[Step] = [
        *PLAYED,
        Event("lost", 1),
        *resume_step(2, awaited=2, received=1),
        client(ask_step(2, 1), 2),
        server(step_done(2, 1, 1.0), 2),
        *close(3, 2),
    ]
    yield Transcript("the connection is lost between two requests", "count", between)
    taken: list[Step] = [
        *PLAYED,
        *resume_step(2, awaited=2, received=1),
        Event("ended", 1),
        client(ask_step(2, 1), 2),
        server(step_done(2, 1, 1.0), 2),
        *close(3, 2),
    ]
    yield Transcript("another connection takes the session over", "count", taken, raw=True)
    wrong = opens(2)
    wrong.resume.resume_key = bytes(16)
    for name, first, code in (
        ("a resume with a wrong key", wrong, E.ERROR_CODE_UNKNOWN_SESSION),
        ("a resume that awaits a later request", opens(9), E.ERROR_CODE_OUT_OF_SEQUENCE),
    ):
        refusal = error(0, code, session_closed=True)
        steps: list[Step] = [
            *PLAYED,
            client(request(0, open=first), 2),
            server(refusal, 2),
            Event("ended", 2),
            *close(2),
        ]
        yield Transcript(name, "count", steps, raw=True)


def _ends() -> Iterator[Transcript]:
    busy = error(0, E.ERROR_CODE_BUSY, session_closed=True)
    held: list[Step] = [
        *PLAYED,
        client(request(0, open=opens()), 2),
        server(busy, 2),
        Event("ended", 2),
        *close(2),
        *open_step(3),
        *close(1, 3),
    ]
    yield Transcript("the environment is held, then free", "count", held, raw=True)
    stopping = error(0, E.ERROR_CODE_SHUTTING_DOWN, session_closed=True)
    stopped: list[Step] = [*PLAYED, Event("stopped", 0), server(stopping), Event("ended", 1)]
    late: list[Step] = [
        client(request(0, open=opens()), 2),
        server(stopping, 2),
        Event("ended", 2),
    ]
    yield Transcript("the server is stopped", "count", [*stopped, *late], raw=True)


def _progress() -> Iterator[Transcript]:
    """Sessions with `drawn`, whose resets report their progress to a client that wants that."""
    can = (*CAPABLE, handshake_pb2.CAPABILITY_RENDER, handshake_pb2.CAPABILITY_PROGRESS)
    made = opened()
    made.header.server.CopyFrom(peer(*can))
    made.contract.id = "Drawn"
    made.contract.render.mode = "ansi"
    made.contract.exposed.clear()
    drawn = env_pb2.RenderResponse()
    drawn.frame.string_value = "count: 1"
    playing: list[Step] = [
        server(answer(0, open=made)),
        client(ask_reset(1)),
        server(answer(1, progress=progress_pb2.Progress(fraction=0.5, message="counting"))),
        server(reset_done(1)),
        client(ask_step(2, 1)),
        server(step_done(2, 1, 1.0)),
        client(request(3, render=env_pb2.RenderRequest())),
        server(answer(3, render=drawn)),
        *close(4),
    ]
    wants = client(request(0, open=opens(0, handshake_pb2.CAPABILITY_PROGRESS)))
    yield Transcript("the progress of a reset, and a render", "drawn", [wants, *playing])
    quiet = [step for step in playing if not _is_progress(step)]
    wants_none = client(request(0, open=opens()))
    yield Transcript("a client that wants no reports", "drawn", [wants_none, *quiet])
    vectors = error(2, E.ERROR_CODE_MALFORMED, path="lanes")
    lanes: list[Step] = [
        wants_none,
        *quiet[:3],
        client(request(2, render=env_pb2.RenderRequest(lanes=[0]))),
        server(vectors),
        *close(3),
    ]
    yield Transcript("a render of lanes that are none", "drawn", lanes, raw=True)


def _is_progress(step: Step) -> bool:
    return not isinstance(step, Event) and (
        isinstance(step.message, env_pb2.SessionResponse) and step.message.HasField("progress")
    )


EPISODES = tuple(_episodes())
PROGRESS = tuple(_progress())
ORDER = tuple(_order())
RESUMES = tuple(_resumes())
ENDS = tuple(_ends())
