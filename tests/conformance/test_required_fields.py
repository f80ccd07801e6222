"""U-4: a field is marked as required in the schema exactly if our peers refuse its absence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.model.v1 import model_pb2, spec_pb2
from rlmesh_proto.session.v1 import handshake_pb2
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._codec.lanes import LaneIO
from rlmesh._messages import env as m
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import check_version, this_peer
from rlmesh._wire.contract import contract_from_wire, contract_to_wire
from rlmesh._wire.dynamic import DynamicEncoder, dynamic_from_wire, map_from_wire
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.model_spec import model_spec_from_wire
from rlmesh._wire.spaces import space_from_wire
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError, RLMeshError
from rlmesh.spaces import Discrete
from rlmesh.specs import Capability, EnvContract
from tests.conformance.required import fields_of

MARKED = {
    name: fields
    for area in ("spaces", "env", "model", "session")
    for name, fields in fields_of(area).items()
}
ENV, MODEL = EnvWireCodec(NATIVE), ModelWireCodec(NATIVE)
UNREAD = {"FramesHello", "Resume", "PredictRequest"}
"""Messages whose required fields a server refuses with a code of its own; see the tests named in
`test_the_samples_are_those_of_every_message_with_a_required_field`."""

Read = Callable[[Any], object]


def _space(kind: str) -> Read:
    return lambda part: space_from_wire(space_pb2.Space(**{kind: part}), "space")


def _dynamic(kind: str) -> Read:
    return lambda part: dynamic_from_wire(value_pb2.DynamicValue(**{kind: part}), NATIVE)


def _map_entry(entry: Any) -> object:
    return map_from_wire(value_pb2.DynamicMap(entries=[entry]), NATIVE)


def _request(kind: str) -> Read:
    """Read a request of an environment as its server does: `Malformed` is a refusal."""

    def read(part: Any) -> None:
        frame = env_pb2.SessionRequest(sequence=1, **{kind: part})
        body = ENV.read_request(frame.SerializeToString()).body
        if isinstance(body, m.Malformed):
            raise CodecError(body.reason, path=body.path)

    return read


def _reply(kind: str) -> Read:
    return lambda part: ENV.read_reply(
        env_pb2.SessionResponse(sequence=1, **{kind: part}).SerializeToString()
    )


def _final(part: Any) -> object:
    step = env_pb2.StepResponse(observation=_value(2), final_observations=part)
    step.lanes.rewards = bytes(16)
    reply: Any = ENV.read_reply(env_pb2.SessionResponse(step=step).SerializeToString())[1]
    return LaneIO(NATIVE, 2).mask_array(reply.final_mask, "lane_mask")


def _lanes(part: Any) -> object:
    return LaneIO(NATIVE, 2).arrays(m.LaneOutcomes(part.rewards, part.terminated, part.truncated))


def _opened(codec: Any, response: type[Any], **served: Any) -> Read:
    """Read the answer to a new session's open as a client does."""

    class Connection:
        address, transport = "memory://", "memory"

        def __init__(self, part: Any) -> None:
            self.part = part

        def exchange(self, frame: Any, timeout: float | None) -> bytes:
            data: bytes = response(open=self.part).SerializeToString()
            return data

        def shares_memory(self) -> bool:
            return False

        def allocate(self, parts: Any, size: int) -> bytes:
            return b"".join(parts)

        def close(self) -> None:
            pass

    peer = this_peer("client", frozenset({Capability.RESUME}))
    options = ConnectOptions(10.0, 0.0, None)
    return lambda part: ClientSession(lambda: Connection(part), codec, peer, options, **served)


def _opened_header(header: Any) -> object:
    answer = env_pb2.OpenResponse(header=header, contract=_contract())
    return _opened(ENV, env_pb2.SessionResponse)(answer)


def _header(codec: Any, request: type[Any]) -> Read:
    def read(part: Any) -> None:
        body = codec.read_request(request(open=part).SerializeToString()).body
        if isinstance(body, m.Malformed):
            raise CodecError(body.reason, path=body.path)
        if body.fault is not None:
            raise CodecError(body.fault.message, path=body.fault.path)

    return read


def _value(batch_size: int | None = None) -> value_pb2.Value:
    return value_pb2.Value(slabs=[bytes(8 * (batch_size or 1))], batch_size=batch_size)


def _contract() -> contract_pb2.EnvContract:
    message = contract_pb2.EnvContract()
    made = EnvContract("env", Discrete(2), Discrete(2))
    contract_to_wire(made, message, DynamicEncoder(NATIVE))
    return message


TWO = space_pb2.Space(discrete=space_pb2.Discrete(dtype=5, n=2))  # type: ignore[arg-type]
BOUND = space_pb2.Bounds(uniform=b"\1")
NULL = value_pb2.DynamicValue(bool_value=True)
PEER = handshake_pb2.PeerInfo(spec_version=SPEC_VERSION)
TERMS = handshake_pb2.SessionTerms(grace_period_ms=1)
HEADER = handshake_pb2.OpenHeader(client=PEER, wait_ms=1)
SPEC = spec_pb2.ModelSpec(id="m", predict_forms=[1])  # type: ignore[list-item]
OPENED = handshake_pb2.OpenedHeader(server=PEER, session_id="s", resume_key=b"k" * 16, terms=TERMS)
ROUTE = EnvContract("env", Discrete(2), Discrete(2))


def _normalized(normalization: Any) -> object:
    port = spec_pb2.ModelInput(name="x", any_shape=True, normalization=normalization)
    port.feature.role = "state"
    spec = spec_pb2.ModelSpec(predict_forms=[1], inputs=[port], adaptation=2)  # type: ignore[list-item,arg-type]
    return model_spec_from_wire(spec, NATIVE)


def _part(part: Any) -> object:
    port = spec_pb2.ModelInput(name="x", any_shape=True, parts=[part])
    spec = spec_pb2.ModelSpec(predict_forms=[1], inputs=[port], adaptation=2)  # type: ignore[list-item,arg-type]
    return model_spec_from_wire(spec, NATIVE)


def samples() -> Iterator[tuple[Any, Read]]:
    """A valid message of each kind with its fields set, and what reads it."""
    s, v, e = space_pb2, value_pb2, env_pb2
    yield TWO, lambda space: space_from_wire(space, "space")
    yield s.Box(dtype=6, shape=[2], low=BOUND, high=BOUND), _space("box")  # type: ignore[arg-type]
    yield BOUND, lambda b: _space("box")(s.Box(dtype=6, shape=[2], low=b, high=BOUND))  # type: ignore[arg-type]
    yield TWO.discrete, _space("discrete")
    yield s.MultiBinary(shape=[2], flat=True), _space("multi_binary")
    nvec = s.MultiDiscrete(dtype=2, shape=[1], nvec=b"\2", start=b"\1")  # type: ignore[arg-type]
    yield nvec, _space("multi_discrete")
    yield s.Text(max_length=2, charset="ab"), _space("text")
    yield s.DictEntry(name="k", space=TWO), lambda entry: _space("dict")(s.Dict(entries=[entry]))
    yield s.Sequence(space=TWO, stacked=True), _space("sequence")
    yield s.Graph(node_space=TWO, edge_space=TWO), _space("graph")
    yield s.OneOf(spaces=[TWO]), _space("one_of")
    yield NULL, lambda value: dynamic_from_wire(value, NATIVE)
    yield v.Scalar(dtype=1, data=b"\1"), _dynamic("scalar_value")  # type: ignore[arg-type]
    yield v.Tensor(dtype=1, data=b"\1"), _dynamic("tensor_value")  # type: ignore[arg-type]
    yield v.ObjectArray(elements=[NULL]), _dynamic("object_array_value")
    yield v.DynamicList(elements=[NULL]), _dynamic("list_value")
    yield v.MapEntry(name="k", value=NULL), _map_entry
    yield _contract(), lambda contract: contract_from_wire(contract, NATIVE)
    yield PEER, lambda peer: check_version(SPEC_VERSION, peer.spec_version, "here")
    yield HEADER, _header(ENV, e.SessionRequest)
    described = e.DescribeResponse(server=PEER, contract=_contract(), terms=TERMS)
    yield described, lambda d: ENV.read_description(d.SerializeToString())
    opened = e.OpenResponse(header=OPENED, contract=_contract())
    yield opened, _opened(ENV, e.SessionResponse)
    yield OPENED, _opened_header
    yield e.ResetRequest(seed=1, options=v.DynamicMap()), _request("reset")
    yield e.ResetResponse(observation=_value(), info=v.DynamicMap()), _reply("reset")
    yield e.StepRequest(action=_value()), _request("step")
    yield e.StepResponse(observation=_value(), reward=1.0, terminated=True), _reply("step")
    lanes = e.LaneOutcomes(rewards=bytes(16), terminated=bytes(2), truncated=bytes(2))
    yield lanes, _lanes
    yield e.FinalObservations(mask=b"\0\1", observations=_value(1)), _final
    many = e.StepManyRequest(actions=_value(1), count=1, all_observations=True)
    yield many, _request("step_many")
    yield e.RenderRequest(lanes=[0]), _request("render")
    yield e.RenderResponse(frame=NULL), _reply("render")
    call = e.CallRequest(name="f", args=v.DynamicList(), kwargs=v.DynamicMap())
    yield call, _request("call")
    yield e.CallResponse(result=NULL), _reply("call")
    yield e.GetAttributeRequest(name="f"), _request("get_attribute")
    yield e.GetAttributeResponse(value=NULL), _reply("get_attribute")
    yield e.SetAttributeRequest(name="f", value=NULL), _request("set_attribute")
    yield SPEC, lambda spec: model_spec_from_wire(spec, NATIVE)
    mean_std, min_max = spec_pb2.MeanStd(mean=[0], std=[1]), spec_pb2.MinMax(low=[0], high=[1])
    yield spec_pb2.Normalization(mean_std=mean_std), _normalized
    yield mean_std, lambda part: _normalized(spec_pb2.Normalization(mean_std=part))
    yield min_max, lambda part: _normalized(spec_pb2.Normalization(min_max=part))
    yield spec_pb2.Constant(values=[1]), lambda part: _part(spec_pb2.InputPart(constant=part))
    yield spec_pb2.InputPart(constant=spec_pb2.Constant(values=[1])), _part
    told = model_pb2.DescribeResponse(server=PEER, spec=SPEC, terms=TERMS)
    yield told, lambda d: MODEL.read_description(d.SerializeToString())
    opens = model_pb2.OpenRequest(header=HEADER, contract=_contract())
    yield opens, _header(MODEL, model_pb2.SessionRequest)
    opened_model = model_pb2.OpenResponse(header=OPENED, spec=SPEC)
    yield opened_model, _opened(MODEL, model_pb2.SessionResponse, contract=ROUTE)
    predicted = model_pb2.PredictResponse(actions=_value(), info=v.DynamicMap())
    yield (
        predicted,
        lambda part: MODEL.read_reply(
            model_pb2.SessionResponse(sequence=1, predict=part).SerializeToString()
        ),
    )


SAMPLES = {sample.DESCRIPTOR.full_name: (sample, read) for sample, read in samples()}


def is_set(message: Any, name: str) -> bool:
    if name in message.DESCRIPTOR.oneofs_by_name:
        return message.WhichOneof(name) is not None
    return any(field.name == name for field, _ in message.ListFields())


@pytest.mark.parametrize("name", SAMPLES)
def test_the_absence_of_a_field_is_refused_exactly_if_it_is_marked(name: str) -> None:
    sample, read = SAMPLES[name]
    read(sample)
    for field, mark in MARKED[name]:
        if not is_set(sample, field):
            assert not mark, f"the sample of {name} lacks {field}"
            continue
        without = type(sample)()
        without.CopyFrom(sample)
        without.ClearField(field)
        if mark:
            with pytest.raises(RLMeshError):
                read(without)
        else:
            read(without)


def test_the_samples_are_those_of_every_message_with_a_required_field() -> None:
    """The others: `test_frames_hello.py`, `test_server_connection.py`, `fuzz/oracle.py`."""
    marked = {name for name, fields in MARKED.items() if any(field.mark for field in fields)}
    assert {name.rpartition(".")[2] for name in marked - SAMPLES.keys()} == UNREAD
    assert len(marked) > 30
