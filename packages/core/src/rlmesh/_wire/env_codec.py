"""Frames of an environment's session: bytes <-> requests and replies.

A frame is one serialised `SessionRequest` or `SessionResponse`. The same bytes travel over every
transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._logs import warn
from rlmesh._messages import env as m
from rlmesh._wire.attributes import (
    attribute_reply_readers,
    attribute_request_readers,
    write_attribute_reply,
    write_attribute_request,
)
from rlmesh._wire.contract import (
    contract_from_wire,
    contract_to_wire,
    peer_from_wire,
    peer_to_wire,
    terms_from_wire,
    terms_to_wire,
)
from rlmesh._wire.dynamic import DynamicEncoder, dynamic_from_wire, map_from_wire
from rlmesh._wire.failures import failure_from_wire, failure_to_wire
from rlmesh._wire.fast_path_reader import StepReader, read_reset_done, read_step
from rlmesh._wire.fast_path_writer import write_reset_done, write_step, write_step_done
from rlmesh._wire.handshake import read_open, read_opened, write_open, write_opened
from rlmesh._wire.many import (
    many_reader,
    many_steps_reader,
    read_value,
    required,
    step_reader,
    write_many,
    write_many_steps,
)
from rlmesh._wire.parsing import parse_message, request_of
from rlmesh._wire.parts import checked_frame, too_many_parts
from rlmesh._wire.progress import read_progress, write_progress
from rlmesh._wire.view import read_set_view, write_set_view
from rlmesh.backends import ArrayBackend, Buffer
from rlmesh.errors import CodecError
from rlmesh.specs import EnvContract, PeerInfo, SessionTerms

__all__ = ["EnvWireCodec"]

MAX_EPISODE_ID_BYTES = 256
"""Maximum size of the name of an episode, in bytes (N-15)."""


class EnvWireCodec:
    """Writes and reads the frames of one endpoint.

    Args:
        backend: Backend of the arrays in info, options and metadata.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        self._backend = backend
        self._encoder = DynamicEncoder(backend)
        # A value that is requested by itself is sent exactly, or not at all (N-10, N-11).
        self._exact_encoder = DynamicEncoder(backend, exact=True)
        self._steps = StepReader(self._read_info)

    # Requests: written by the client, read by the server.

    def write_request(
        self, request: m.Request, allocate: FrameAllocator = join_parts, *, aligned: int = 0
    ) -> Frame:
        """Return the frame of a request.

        Args:
            request: The request.
            allocate: Allocator of a large frame.
            aligned: Sum of the sizes of a value's slabs from which they are aligned (B-17), in
                bytes; 0: never.
        """
        body = request.body
        if isinstance(body, m.Step):
            return write_step(request.sequence, body, allocate, aligned)
        frame = env_pb2.SessionRequest()
        frame.sequence = request.sequence
        if isinstance(body, m.Reset):
            self._write_reset(body, frame.reset)
        elif isinstance(body, m.Render):
            frame.render.lanes.extend(body.lanes)
            frame.render.SetInParent()
        elif isinstance(body, m.StepMany):
            write_many(body, frame.step_many)
        elif isinstance(body, m.Open):
            write_open(body, frame.open)
        elif isinstance(body, m.Describe):
            frame.describe.SetInParent()
        elif isinstance(body, m.Close):
            frame.close.SetInParent()
        elif isinstance(body, (m.Call, m.GetAttribute, m.SetAttribute)):
            write_attribute_request(body, frame, self._exact_encoder)
        elif isinstance(body, m.SetView):
            write_set_view(body, frame.view)
        else:
            raise TypeError(f"a {type(body).__name__} cannot be sent")
        return checked_frame(frame)

    def _write_reset(self, reset: m.Reset, out: env_pb2.ResetRequest) -> None:
        out.SetInParent()
        if reset.seed is not None:
            out.seed = reset.seed
        if reset.lane_seeds is not None:
            out.lane_seeds.SetInParent()
            out.lane_seeds.seeds.extend(seed or 0 for seed in reset.lane_seeds)
            if None in reset.lane_seeds:
                out.lane_seeds.present = bytes(seed is not None for seed in reset.lane_seeds)
        if reset.options is not None:
            out.options.SetInParent()
            self._encoder.map(reset.options, out.options, "options")
        out.lane_mask = reset.lane_mask
        out.episode_id = reset.episode_id

    def read_request(self, data: Buffer) -> m.Request:
        """Return the request of a frame.

        A request that breaks a rule is `Malformed`: it has a number, and counts (Q-8).

        Raises:
            CodecError: If it is not a frame.
        """
        step = read_step(data)
        if step is not None:
            return step
        return request_of(env_pb2.SessionRequest(), data, self._request_readers())

    def _request_readers(self) -> dict[str, Callable[[Any], m.RequestBody]]:
        return {
            "open": read_open,
            "describe": lambda _: m.Describe(),
            "reset": self._read_reset,
            "step": _read_step_request,
            "step_many": many_reader,
            "render": lambda message: m.Render(tuple(message.lanes)),
            **attribute_request_readers(self._backend),
            "view": read_set_view,
            "close": lambda _: m.Close(),
        }

    def _read_reset(self, message: env_pb2.ResetRequest) -> m.Reset:
        if message.HasField("seed") and message.HasField("lane_seeds"):
            raise CodecError("a reset has a seed and seeds of lanes", path="lane_seeds", rule="N-4")
        _check_mask(message.lane_mask, "lane_mask")
        options = None
        if message.HasField("options"):
            options = map_from_wire(message.options, self._backend, "options")
        return m.Reset(
            seed=message.seed if message.HasField("seed") else None,
            lane_seeds=_read_lane_seeds(message.lane_seeds)
            if message.HasField("lane_seeds")
            else None,
            options=options,
            lane_mask=message.lane_mask,
            # N-15: a text of more bytes names no episode.
            episode_id=message.episode_id
            if len(message.episode_id.encode()) <= MAX_EPISODE_ID_BYTES
            else "",
        )

    # Replies: written by the server, read by the client.

    def write_reply(
        self,
        sequence: int,
        reply: m.Reply,
        call_us: int = 0,
        allocate: FrameAllocator = join_parts,
        *,
        aligned: int = 0,
    ) -> Frame:
        """Return the frame of the reply to request `sequence`; see `write_request`."""
        if isinstance(reply, m.StepDone):
            info = self.write_info(reply.info) if reply.info else b""
            return write_step_done(sequence, reply, call_us, info, allocate, aligned)
        if isinstance(reply, m.ResetDone):
            info = self.write_info(reply.info) if reply.info else b""
            return write_reset_done(sequence, reply, call_us, info, allocate, aligned)
        frame = env_pb2.SessionResponse()
        frame.sequence = sequence
        frame.call_us = call_us
        if isinstance(reply, m.Failure):
            failure_to_wire(reply, frame.error)
        elif isinstance(reply, m.StepManyDone):
            write_many_steps(reply, frame.step_many, self._encoder)
        elif isinstance(reply, m.Opened):
            self._write_opened(reply, frame.open)
        elif isinstance(reply, m.Rendered):
            self._exact_encoder.value(reply.frame, frame.render.frame, "frame")
        elif isinstance(reply, (m.Called, m.Attribute, m.AttributeSet)):
            write_attribute_reply(reply, frame, self._exact_encoder)
        elif isinstance(reply, m.Progress):
            write_progress(reply, frame.progress)
        elif isinstance(reply, m.ViewSet):
            frame.view.SetInParent()
        else:
            frame.close.SetInParent()
        return checked_frame(frame)

    def write_info(self, info: m.Info) -> bytes:
        """Return a serialised info."""
        message = value_pb2.DynamicMap()
        self._encoder.map(info, message, "info")
        data = message.SerializeToString()
        if reason := too_many_parts(data, message.DESCRIPTOR):
            return self._lightened(message, reason)
        return data

    def _lightened(self, message: value_pb2.DynamicMap, reason: str) -> bytes:
        """Return an info without its largest entries, so that no receiver refuses it (M-9)."""
        data = b""
        for entry in sorted(message.entries, key=lambda entry: -entry.ByteSize()):
            words = f"not sent: {reason}"
            warn(f"info[{entry.name[:200]!r}]: {words}", RuntimeWarning, stacklevel=2)
            entry.value.string_value = words
            data = message.SerializeToString()
            if not too_many_parts(data, message.DESCRIPTOR):
                break
        return data

    def _read_info(self, data: Buffer) -> m.Info:
        message = value_pb2.DynamicMap()
        parse_message(message, data)
        return map_from_wire(message, self._backend, "info")

    def _write_opened(self, opened: m.Opened, out: env_pb2.OpenResponse) -> None:
        write_opened(opened, out.header)
        if opened.served is not None:
            contract_to_wire(opened.served, out.contract, self._encoder)

    def read_reply(self, data: Buffer) -> tuple[int, m.Reply]:
        """Return sequence number and reply of a frame.

        Raises:
            CodecError: If it is not a frame, or one that breaks a rule.
        """
        read = self._steps.read(data) or read_reset_done(data, self._read_info)
        if read is not None:
            return read
        frame = env_pb2.SessionResponse()
        parse_message(frame, data)
        kind = frame.WhichOneof("response")
        if kind == "step":
            required(frame.step, "observation")
            return frame.sequence, step_reader(frame.step, self._backend)
        reader = self._reply_readers().get(kind or "")
        if reader is None:
            words = f"an answer of kind {kind or '(one of a newer spec)'} to no request"
            raise CodecError(words, rule="N-1")
        return frame.sequence, reader(getattr(frame, kind or ""))

    def _reply_readers(self) -> dict[str, Callable[[Any], m.Reply]]:
        return {
            "error": failure_from_wire,
            "open": self._read_opened,
            "reset": lambda r: m.ResetDone(
                read_value(required(r, "observation")),
                map_from_wire(r.info, self._backend, "info"),
                r.sim_time if r.HasField("sim_time") else None,
            ),
            "step_many": many_steps_reader(self._backend),
            "render": lambda r: m.Rendered(dynamic_from_wire(r.frame, self._backend, "frame")),
            **attribute_reply_readers(self._backend),
            "view": lambda _: m.ViewSet(),
            "close": lambda _: m.Closed(),
            "progress": read_progress,
        }

    def _read_opened(self, message: env_pb2.OpenResponse) -> m.Opened:
        contract = None
        if message.HasField("contract"):
            contract = contract_from_wire(message.contract, self._backend)
        return read_opened(message, contract)

    # Describe: unary, outside of sessions.

    def write_describe_request(self, client: PeerInfo) -> bytes:
        """Return the request of `Describe`."""
        message = env_pb2.DescribeRequest()
        peer_to_wire(client, message.client)
        return message.SerializeToString()

    def write_description(
        self, server: PeerInfo, contract: EnvContract, terms: SessionTerms
    ) -> bytes:
        """Return the answer of `Describe`; raises LimitError if its receiver would refuse it."""
        message = env_pb2.DescribeResponse()
        peer_to_wire(server, message.server)
        contract_to_wire(contract, message.contract, self._encoder)
        terms_to_wire(terms, message.terms)
        return checked_frame(message)

    def read_description(self, data: bytes) -> tuple[PeerInfo, EnvContract, SessionTerms]:
        """Return server, contract and terms of an answer of `Describe`.

        Raises:
            CodecError: If it is not one.
        """
        message = env_pb2.DescribeResponse()
        parse_message(message, data)
        server, terms = required(message, "server"), required(message, "terms")
        contract = contract_from_wire(required(message, "contract"), self._backend)
        return peer_from_wire(server), contract, terms_from_wire(terms)


def _read_step_request(message: env_pb2.StepRequest) -> m.Step:
    if not message.HasField("action"):
        raise CodecError("a step has no action", path="action", rule="G-8")
    return m.Step(read_value(message.action))


def _check_mask(mask: bytes, path: str) -> None:
    if mask.translate(None, b"\0\1"):
        raise CodecError("a mask has a byte that is neither 0 nor 1", path=path, rule="G-5")


def _read_lane_seeds(message: env_pb2.LaneSeeds) -> tuple[int | None, ...]:
    seeds = tuple(message.seeds)
    if not message.present:
        return seeds
    if len(message.present) != len(seeds):
        words = f"{len(seeds)} lane seeds with {len(message.present)} presence bytes"
        raise CodecError(words, path="lane_seeds", rule="L-4")
    _check_mask(message.present, "lane_seeds")
    return tuple(seed if here else None for seed, here in zip(seeds, message.present))
