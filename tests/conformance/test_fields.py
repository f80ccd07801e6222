"""Every field of a message has its place in a dataclass, on the wire and in `rlmesh inspect`.

A new field of the schema fails `test_every_field_has_its_place` until its dataclass has it, then
`test_every_field_is_away_from_its_default` until it is in `FULL`, and then the tests that send
these objects and show them. The contract in `FULL` is that of an environment (`full_contract.py`),
so that a field which `describe_env` does not fill fails too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from typing import Any

import pytest
from rlmesh_proto.adapters.v1 import images_pb2, tags_pb2, view_pb2
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.eval.v1 import result_pb2
from rlmesh_proto.model.v1 import model_pb2, spec_pb2
from rlmesh_proto.session.v1 import error_pb2, handshake_pb2

from rlmesh import adapters as a
from rlmesh import results, spaces, specs
from rlmesh._cli.description import Description, ModelDescription
from rlmesh._messages import env as m
from rlmesh._wire.contract import contract_from_wire, contract_to_wire
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.journal_records import read_record, write_record
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.model_spec import model_spec_from_wire, model_spec_to_wire
from rlmesh._wire.results import (
    run_from_bytes,
    run_from_protojson,
    run_to_bytes,
    run_to_protojson,
)
from rlmesh.adapters._tags import ImageForm
from rlmesh.adapters._view import ImageView, ObservationView, ViewPart
from rlmesh.backends import NATIVE
from rlmesh.dtypes import dtype
from rlmesh.results._journal_header import ForcedResume, JournalHeader, RunNotice, RunStopped
from tests.conformance.full_contract import CONTRACT, DICT, FEATURE, IMAGE
from tests.conformance.inspected import inspected

ENCODER = DynamicEncoder(NATIVE)

OPENED_HEADER = tuple(
    {"received_sequence": "received"}.get(field.name, field.name)
    for field in handshake_pb2.OpenedHeader.DESCRIPTOR.fields
)

# Fields with another name in Python: message field -> fields of the dataclass.
PAIRS: list[tuple[Any, type[Any], dict[str, tuple[str, ...]]]] = [
    (
        contract_pb2.EnvContract,
        specs.EnvContract,
        {"render": ("render_mode", "render_modes", "render_fps")},
    ),
    (contract_pb2.Registration, specs.Registration, {}),
    (handshake_pb2.PeerInfo, specs.PeerInfo, {}),
    (
        handshake_pb2.SessionTerms,
        specs.SessionTerms,
        {"grace_period_ms": ("grace_period",), "idle_timeout_ms": ("idle_timeout",)},
    ),
    (handshake_pb2.TransportOffer, specs.TransportOffer, {}),
    (env_pb2.OpenResponse, m.Opened, {"header": OPENED_HEADER, "contract": ("served",)}),
    (model_pb2.OpenResponse, m.Opened, {"header": OPENED_HEADER, "spec": ("served",)}),
    (tags_pb2.EnvTags, a.EnvTags, {}),
    (tags_pb2.TaggedLeaf, a.TaggedLeaf, {}),
    (tags_pb2.Feature, a.Feature, {}),
    (spec_pb2.ModelSpec, a.ModelSpec, {}),
    (spec_pb2.ModelInput, a.ModelInput, {"any_shape": ()}),
    (spec_pb2.ModelOutput, a.ModelOutput, {"any_shape": ()}),
    (spec_pb2.InputPart, a.InputPart, {}),
    (
        images_pb2.ImageTransform,
        a.ImageTransform,
        {"height": ("size",), "width": (), "refuse_upscale": ("upscale",)},
    ),
    (spec_pb2.TextTransform, a.TextTransform, {}),
    (images_pb2.Orientation, a.Orientation, {}),
    (view_pb2.ObservationView, ObservationView, {}),
    (view_pb2.ViewPart, ViewPart, {}),
    (view_pb2.ImageView, ImageView, {}),
    (view_pb2.ImageForm, ImageForm, {}),
    (tags_pb2.Depth, a.Depth, {}),
    (tags_pb2.Gripper, a.Gripper, {}),
    (result_pb2.RunResult, results.RunResult, {"timing": ("timing", "seconds")}),
    (result_pb2.EpisodeResult, results.EpisodeResult, {"timing": ("timing", "seconds")}),
    (result_pb2.RunSettings, results.RunSettings, {}),
    (result_pb2.TaskSettings, results.TaskSettings, {}),
    (result_pb2.JournalHeader, JournalHeader, {}),
    (result_pb2.RunNotice, RunNotice, {}),
    (result_pb2.ForcedResume, ForcedResume, {}),
    (result_pb2.RunStopped, RunStopped, {}),
]


@pytest.mark.parametrize(
    ("message", "ours", "renamed"), PAIRS, ids=[pair[0].DESCRIPTOR.full_name for pair in PAIRS]
)
def test_every_field_has_its_place(
    message: Any, ours: type[Any], renamed: dict[str, tuple[str, ...]]
) -> None:
    listed = [renamed.get(field.name, (field.name,)) for field in message.DESCRIPTOR.fields]
    assert sorted(name for names in listed for name in names) == sorted(
        field.name for field in fields(ours)
    )


# Objects of each dataclass, with every field of one of them away from its default.

MEAN_STD = a.MeanStd((0.5,), (2.0,), 0.1, (True,))
MIN_MAX = a.MinMax((0.0,), (1.0,), 0.1, (True,), (0.0, 1.0))
INPUT = a.ModelInput(
    "state",
    FEATURE,
    dtype("float32"),
    (4, 2),
    MEAN_STD,
    optional=True,
    entrypoint="module:function",
    history=4,
    image=(IMAGE,),
    pad_to=9,
    pad_value=-1.0,
    history_stride=2,
    history_padding=a.HistoryPadding.ZEROS,
    history_joined=True,
    text=a.TextTransform("wait", "do {text}", lower=True),
)
VECTOR = replace(
    INPUT,
    name="vector",
    image=(),
    parts=(
        a.InputPart(FEATURE, offset=1, length=2, normalization=MIN_MAX),
        a.InputPart(constant=(1.0, 2.0)),
        a.InputPart(previous_output="arm"),
    ),
)
SPEC = a.ModelSpec(
    id="policy",
    inputs=(INPUT, VECTOR),
    outputs=(
        a.ModelOutput(
            "arm",
            FEATURE,
            dtype("float32"),
            (2,),
            MIN_MAX,
            offset=1,
            length=2,
            clip=(-2.0, 2.0),
            scale=0.5,
            shift=0.25,
            threshold=0.75,
            relative_to="state/arm",
            relative_local=True,
            clip_to_space=True,
        ),
        a.ModelOutput("", replace(FEATURE, role="hold"), constant=(3.0,)),
        a.ModelOutput(
            "grip", replace(FEATURE, role="grip"), dtype("int8"), (2,), a.MeanStd((1.0,), (3.0,))
        ),
    ),
    predict_forms=(a.PredictForm.CHUNK,),
    chunk_length=8,
    adaptation=a.Adaptation.NONE,
    observation_space=DICT,
    action_space=DICT,
    metadata={"parameters": 7},
    stateful=True,
    spec_version="1.0.7",
)
OPENED = m.Opened(
    specs.PeerInfo(
        "1.0.7",
        "abc",
        "rlmesh 7",
        frozenset({specs.Capability.RESUME}),
        "arm server",
        {"python": "3.11.9"},
        ("example.com/tactile/1",),
    ),
    "session",
    CONTRACT,
    specs.SessionTerms(1.5, 4096, 2.5),
    b"key",
    3,
    (specs.TransportOffer(specs.TransportKind.FRAMES_TCP, ":5556"),),
)
FAILURE = results.EpisodeFailure(
    "it broke",
    "builtins.ValueError",
    error_pb2.ERROR_CODE_INVALID_VALUE,
    "Traceback",
    "action['arm']",
    "3 numbers",
    "2",
    -9,
)
SETTINGS = results.RunSettings(
    execution_horizon=4,
    max_batch_size=8,
    max_episode_steps=100,
    max_episode_seconds=9.5,
    seeded=True,
    validation=("strict",),
    run_id="step 2000",
    load_arguments={"path": "'a.pt'"},
    success="any",
    success_key="lifted",
    until="three episodes",
    acting="Latency(steps=2)",
    model_digest="aa",
    spaces_digest="bb",
    tags_digest="cc",
    adapter_plan="observation -> inputs",
    versions={"python": "3.11.9"},
    env_servers=("rlmesh 7",),
    model_server="rlmesh 8",
    hosts=("desk",),
    env_hosts=("robot",),
    adapter_advisories=("caution: inputs['x']: left out",),
    model_hosts=("cluster",),
    tasks=(results.TaskSettings("lift", "Arm-v1", 1, "dd", "ee", "ff", "observation -> inputs"),),
    command=("rlmesh", "eval"),
)
EPISODE = results.EpisodeResult(
    1,
    7,
    -2.5,
    11,
    results.EpisodeEnd.ERROR,
    success=True,
    env_id="Arm-v1",
    timing=results.Timing(4.0, 1.0, 2.0, 0.5),
    endpoint="tcp://127.0.0.1:5555",
    error=FAILURE,
    final_info={"is_success": True},
    started_at=1.5e9,
    task="lift",
    instruction="lift the cube",
    options={"state": 3},
    warnings={"episode_retried": 2},
)
RUN = results.RunResult(
    (EPISODE,),
    env_id="Arm-v1",
    model_id="policy",
    timing=results.Timing(5.0, 1.5, 2.5, 1.0),
    instruction="lift it",
    started_at=1.5e9,
    metadata={"note": "first"},
    settings=SETTINGS,
    warnings={"episode_retried": 2, "endpoint_left_out": 1},
    resume_differences=("episodes: expected 6, got 5",),
    stopping=results.Stopping(results.StopDecision.BETTER, results.Interval(0.5, 0.75), 3),
    findings=(a.Finding("observation['q']", "unit", "9 m", "unit of the tag", "info", "lift"),),
)
HEADER = JournalHeader("policy", ("Arm-v1",), (7, 8), 2, "lift it", "1.0.7", SETTINGS)


VIEW = ObservationView(
    (
        ViewPart(
            ("arm", 1),
            ImageView(
                ImageForm(a.ImageLayout.CHW, a.ColorSpace.BGR, a.Orientation(2, mirrored=True)),
                ImageForm(a.ImageLayout.HWC, a.ColorSpace.RGB, a.Orientation(1)),
                (IMAGE,),
            ),
        ),
    )
)


def _view(view: ObservationView) -> Any:
    codec = EnvWireCodec(NATIVE)
    body: Any = codec.read_request(codec.write_request(m.Request(1, m.SetView(view)))).body
    return body.view


def _contract(contract: specs.EnvContract) -> Any:
    message = contract_pb2.EnvContract()
    contract_to_wire(contract, message, ENCODER)
    return contract_from_wire(message, NATIVE)


def _spec(spec: a.ModelSpec) -> Any:
    message = spec_pb2.ModelSpec()
    model_spec_to_wire(spec, message, ENCODER)
    return model_spec_from_wire(message, NATIVE)


def _opened(codec: Any) -> Callable[[m.Opened], Any]:
    return lambda opened: codec.read_reply(codec.write_reply(1, opened))[1]


def _record(entry: Any) -> Any:
    return read_record(write_record(entry, NATIVE), NATIVE)


FULL: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "contract": (CONTRACT, _contract),
    "spec": (SPEC, _spec),
    "view": (VIEW, _view),
    "env-opened": (OPENED, _opened(EnvWireCodec(NATIVE))),
    "model-opened": (replace(OPENED, served=SPEC), _opened(ModelWireCodec(NATIVE))),
    "run": (RUN, lambda run: run_from_bytes(run_to_bytes(run, NATIVE), NATIVE)),
    "run-protojson": (
        RUN,
        lambda run: run_from_protojson(run_to_protojson(run, NATIVE, None), NATIVE),
    ),
    "run-json": (RUN, lambda run: results.RunResult.from_json(run.to_json())),
    "journal": (HEADER, _record),
    "notice": (RunNotice("endpoint_left_out", 2), _record),
    "stopped": (RunStopped(7, RUN.stopping), _record),  # type: ignore[arg-type]
    "finding": (RUN.findings[0], _record),
    "forced-resume": (ForcedResume(("episodes: expected 6, got 5",)), _record),
}
"""Objects, each with the function that writes it to the wire and reads it again."""


# Dataclasses within these objects have pairs of their own, or none: their fields are checked too.
_FIXED = {(results.RunResult, "spec_version")}
"""Fields that the writer fills in, whatever the object has."""


def _within(value: Any) -> Iterator[Any]:
    """Yield every dataclass of ours in a value, itself included."""
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in fields(value):
            yield from _within(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _within(item)


def _is_default(owner: Any, field: Any) -> bool:
    value = getattr(owner, field.name)
    if isinstance(value, Enum) and value.value == "unspecified":
        return True
    if field.default_factory is not MISSING:
        return bool(value == field.default_factory())
    if field.default is not MISSING:
        return bool(value == field.default)
    return value is None or value in ("", 0, ())


@pytest.mark.parametrize("name", FULL)
def test_every_field_is_away_from_its_default(name: str) -> None:
    owners: dict[type[Any], list[Any]] = {}
    for owner in _within(FULL[name][0]):
        owners.setdefault(type(owner), []).append(owner)
    for kind, own in owners.items():
        # Some fields exclude others, so that several objects have them.
        unchanged = {
            field.name
            for field in fields(kind)
            if all(_is_default(owner, field) for owner in own) and (kind, field.name) not in _FIXED
        }
        assert unchanged == set(), kind


def test_every_pair_has_an_object_that_is_sent() -> None:
    sent = {type(part) for given, _ in FULL.values() for part in _within(given)}
    assert {ours for _, ours, _ in PAIRS} <= sent


@pytest.mark.parametrize("name", FULL)
def test_every_field_crosses_the_wire(name: str) -> None:
    given, sent_and_read = FULL[name]
    assert sent_and_read(given) == given


@pytest.mark.parametrize("name", [field.name for field in fields(specs.EnvContract)])
def test_every_field_of_a_contract_is_inspected(name: str) -> None:
    default = specs.EnvContract("", spaces.Discrete(1), spaces.Discrete(1))
    changed = replace(CONTRACT, **{name: getattr(default, name)})
    shown = [
        inspected(Description("", OPENED.server, c, OPENED.terms)) for c in (CONTRACT, changed)
    ]
    assert shown[0][0] != shown[1][0], "the tree does not show it"
    assert shown[0][1] != shown[1][1], "the facts do not have it"


@pytest.mark.parametrize("name", [field.name for field in fields(a.ModelSpec)])
def test_every_field_of_a_model_is_inspected(name: str) -> None:
    changed = replace(SPEC, **{name: getattr(a.ModelSpec(), name)})
    shown = [
        inspected(ModelDescription("", OPENED.server, s, OPENED.terms)) for s in (SPEC, changed)
    ]
    assert shown[0][0] != shown[1][0], "the tree does not show it"
    assert shown[0][1] != shown[1][1], "the facts do not have it"
