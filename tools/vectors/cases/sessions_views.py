"""Transcripts of views of observations (CONTRACT.md, N-18)."""

from __future__ import annotations

from collections.abc import Iterator

from rlmesh_proto.adapters.v1 import images_pb2, view_pb2
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from ..transcripts import Step, Transcript, client, opens, server
from .sessions_env import (
    CAPABLE,
    answer,
    ask_reset,
    ask_step,
    close,
    error,
    opened,
    request,
    reset_done,
    step_done,
)

__all__ = ["VIEWS"]


def ask_view(number: int, view: view_pb2.ObservationView | None) -> env_pb2.SessionRequest:
    """Return a request of a view."""
    return request(number, view=env_pb2.ViewRequest(view=view))


def view_set(number: int) -> env_pb2.SessionResponse:
    """Return the answer to it."""
    return answer(number, view=env_pb2.ViewResponse())


def _views() -> Iterator[Transcript]:
    made = opened()
    can = (*CAPABLE, handshake_pb2.CAPABILITY_OBSERVATION_VIEW)
    made.header.server.capabilities[:] = sorted(can)
    begun: list[Step] = [
        client(request(0, open=opens())),
        server(answer(0, open=made)),
    ]
    nothing = env_pb2.SessionResponse(sequence=2)
    nothing.reset.observation.CopyFrom(value_pb2.Value())
    stepped = step_done(4, 1, 1.0)
    steps: list[Step] = [
        *begun,
        client(ask_view(1, view_pb2.ObservationView())),
        server(view_set(1)),
        client(ask_reset(2)),
        server(nothing),
        client(ask_view(3, None)),
        server(view_set(3)),
        client(ask_step(4, 1)),
        server(stepped),
        *close(5),
    ]
    yield Transcript("no part of the observations, then all", "count", steps, raw=True)
    whole = view_pb2.ObservationView(parts=[view_pb2.ViewPart()])
    root: list[Step] = [
        *begun,
        client(ask_view(1, whole)),
        server(view_set(1)),
        client(ask_reset(2)),
        server(reset_done(2)),
        *close(3),
    ]
    yield Transcript("the root as the one part", "count", root, raw=True)
    hand = view_pb2.ViewPart()
    hand.path.add(name="hand")
    form = view_pb2.ImageForm(layout=images_pb2.IMAGE_LAYOUT_HWC)
    image = view_pb2.ViewPart(image=view_pb2.ImageView(source=form, target=form))
    shapeless = view_pb2.ViewPart(image=view_pb2.ImageView(source=form))
    invalid, malformed = error_pb2.ERROR_CODE_INVALID_VALUE, error_pb2.ERROR_CODE_MALFORMED
    wrong: tuple[tuple[str, view_pb2.ObservationView, error_pb2.ErrorCode.ValueType, str], ...] = (
        (
            "a path that leads nowhere",
            view_pb2.ObservationView(parts=[hand]),
            invalid,
            "observation",
        ),
        (
            "a part within another",
            view_pb2.ObservationView(parts=[view_pb2.ViewPart(), hand]),
            invalid,
            "observation",
        ),
        (
            "an image that is an integer",
            view_pb2.ObservationView(parts=[image]),
            invalid,
            "observation",
        ),
        (
            "an image of no form",
            view_pb2.ObservationView(parts=[shapeless]),
            malformed,
            "target",
        ),
    )
    for name, view, code, path in wrong:
        refused: list[Step] = [
            *begun,
            client(ask_view(1, view)),
            server(error(1, code, path=path)),
            client(ask_reset(2)),
            server(reset_done(2)),
            *close(3),
        ]
        yield Transcript(name, "count", refused, raw=True)


VIEWS = tuple(_views())
