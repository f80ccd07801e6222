"""Adapters against the golden vectors, in NumPy, PyTorch and JAX."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack
from operator import attrgetter
from typing import Any

import pytest
from google.protobuf import json_format
from rlmesh_proto.adapters.v1 import tags_pb2

from rlmesh._codec import SpaceCodec
from rlmesh._codec.split_batch import split_batch
from rlmesh._wire.tags import tags_from_wire
from rlmesh.adapters import Adapter, EnvTags, ModelSpec, resolve, tag_problems
from rlmesh.backends import NATIVE, ArrayBackend, Leaf
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError, CodecError, InvalidValueError
from rlmesh.spaces import Space
from rlmesh.specs import EnvContract
from rlmesh.tensor import Tensor
from tests.backends.libraries import installed, open_library
from tests.cases import for_each
from tests.conformance.adapter_vectors import (
    AdapterCase,
    BadAdapterCase,
    Step,
    bad_cases,
    valid_cases,
)
from tests.conformance.contract import CONTRACT
from tests.size import LONG

np = pytest.importorskip("numpy")
CASES = valid_cases()
BAD_CASES = bad_cases()
FLOATS = {"numpy": 1.0, "torch": 4.0, "jax-x64": 4.0}
"""Factor of the tolerance for each library: those that fuse operations round otherwise."""


@pytest.fixture(scope="module", name="backends")
def _backends() -> Iterator[dict[str, ArrayBackend]]:
    with ExitStack() as stack:
        names = [name for name in FLOATS if installed(name)]
        yield {name: stack.enter_context(open_library(name)).backend for name in names}


def adapter_of(case: AdapterCase | BadAdapterCase, backend: ArrayBackend) -> Adapter:
    tags, spec = EnvTags.from_dict(case.tags), ModelSpec.from_dict(case.spec)
    contract = EnvContract("e", case.observation_space, case.action_space, tags=tags)
    return resolve(contract, spec, backend=backend)


def array_of(tagged: dict[str, Any], backend: ArrayBackend) -> Any:
    if "text" in tagged:
        return tagged["text"]
    facts = tagged["array"]
    leaf = Leaf("output", DTYPES[facts["dtype"]], tuple(facts["shape"]))
    return backend.from_bytes(base64.b64decode(facts["data"]), leaf, None, copy=True)


def as_numpy(value: Any, backend: ArrayBackend) -> Any:
    """An array of a library, or a native one, as NumPy's."""
    if isinstance(value, Tensor):
        return np.frombuffer(value.tobytes(), value.dtype.name).reshape(value.shape)
    name = str(value.dtype).rpartition(".")[2]
    leaf = Leaf("input", DTYPES[name], tuple(value.shape))
    data = backend.to_bytes(backend.as_leaf(value, leaf, None))
    return np.frombuffer(data, name).reshape(leaf.shape)


def is_chunked(case: AdapterCase) -> bool:
    return any(len(step.actions) > 1 for step in case.steps)


class Compared:
    """The comparison of a case in one library."""

    def __init__(self, case: AdapterCase, library: str, backend: ArrayBackend) -> None:
        self.backend = backend
        self.factor = FLOATS[library]
        self.tolerance = case.tolerance * self.factor
        if library != "numpy" and not case.tolerance:
            self.tolerance = 1e-6
        is_library = library == "numpy" or case.pixels is None
        self.shades = 0 if is_library or case.pixels is None else case.pixels.shades

    def same(self, found: Any, wanted: Any, where: str) -> None:
        """Check a value of the adapter against a native one."""
        if isinstance(wanted, (str, int)):
            assert found == wanted, where
        elif isinstance(wanted, dict):
            assert list(found) == list(wanted), where
            for key, part in wanted.items():
                self.same(found[key], part, f"{where}[{key!r}]")
        elif isinstance(wanted, tuple):
            assert len(found) == len(wanted), where
            for i, part in enumerate(wanted):
                self.same(found[i], part, f"{where}[{i}]")
        else:
            self.near(as_numpy(found, self.backend), as_numpy(wanted, NATIVE), where)

    def near(self, found: Any, wanted: Any, where: str) -> None:
        """Check an array against another one."""
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), where
        numbers = [np.nan_to_num(x.astype("f8"), nan=0.0) for x in (found, wanted)]
        difference = np.abs(numbers[0] - numbers[1])
        if wanted.dtype.kind != "f":
            assert difference.max(initial=0) <= self.shades, (where, found, wanted)
            return
        assert (np.isnan(found) == np.isnan(wanted)).all(), (where, found, wanted)
        limit = self.tolerance * np.maximum(1, np.abs(numbers[1]))
        assert (difference <= limit).all(), (where, found, wanted)


def native_array(tagged: dict[str, Any]) -> Any:
    if "text" in tagged:
        return tagged["text"]
    facts = tagged["array"]
    return Tensor(base64.b64decode(facts["data"]), facts["dtype"], facts["shape"])


def acted(adapter: Adapter, case: AdapterCase, step: Step, episode: Any, backend: Any) -> list[Any]:
    """What becomes of what the model returns, as native values."""
    assert step.outputs is not None
    codec = SpaceCodec(case.action_space, backend, validation="off")
    output: Any = {name: array_of(value, backend) for name, value in step.outputs.items()}
    output = output.get("", output)
    if len(step.actions) == 1:
        slabs = [codec.encode(adapter.act(output, episodes=(episode,)))]
    else:
        chunk, length = adapter.act_chunk(output, episodes=(episode,))
        slabs = split_batch(case.action_space, codec.encode_batch(chunk, length), [1] * length)
    return [native(case.action_space, one) for one in slabs]


def native(space: Space[Any], slabs: Any) -> Any:
    return SpaceCodec(space, NATIVE, validation="off").decode([bytes(slab) for slab in slabs])


@pytest.mark.parametrize("library", FLOATS)
@for_each("case", CASES, ids=attrgetter("name"))
def test_a_pair_has_the_inputs_and_actions_of_the_vectors(
    case: AdapterCase, library: str, backends: dict[str, ArrayBackend]
) -> None:
    pytest.importorskip("PIL")
    pytest.importorskip("cv2")
    if library not in backends:
        pytest.skip(f"{library} is not installed")
    if library == "jax-x64" and not LONG and CASES.index(case) % 8:
        pytest.skip("JAX compiles each step, which takes most of the time")
    if case.pixels is not None and library == "numpy":
        pytest.importorskip({"Pillow": "PIL", "OpenCV": "cv2"}[case.pixels.library])
    backend = backends[library]
    adapter = adapter_of(case, backend)
    compared = Compared(case, library, backend)
    observed = SpaceCodec(case.observation_space, backend, validation="off")
    episode = adapter.episode(case.instruction)
    for i, step in enumerate(case.steps):
        found = episode.observe(observed.decode(step.observation))
        assert set(found) == set(step.inputs)
        for name, value in step.inputs.items():
            compared.same(found[name], native_array(value), f"step {i}: {name}")
        if step.outputs is None:
            continue
        actions = acted(adapter, case, step, episode, backend)
        assert len(actions) == len(step.actions)
        for action, slabs in zip(actions, step.actions):
            compared.same(action, native(case.action_space, slabs), f"step {i}: action")


def stacked(values: list[Any]) -> Any:
    """Texts as a tuple, arrays on a new first axis."""
    return tuple(values) if isinstance(values[0], str) else np.stack(values)


@for_each("case", [case for case in CASES if not is_chunked(case)], ids=attrgetter("name"))
def test_lanes_have_what_a_single_episode_has(
    case: AdapterCase, backends: dict[str, ArrayBackend]
) -> None:
    pytest.importorskip("PIL")
    pytest.importorskip("cv2")
    backend = backends["numpy"]
    adapter, compared = adapter_of(case, backend), Compared(case, "numpy", backend)
    observed = SpaceCodec(case.observation_space, backend, validation="off")
    acting = SpaceCodec(case.action_space, backend, validation="off")
    episodes = [adapter.episode(case.instruction) for _ in range(2)]
    for i, step in enumerate(case.steps):
        one = observed.decode(step.observation)
        given = observed.decode_batch([bytes(s) for s in observed.encode_values([one, one])], 2)
        found = adapter.observe_batch(given, episodes)
        for episode in episodes:
            episode.step += 1
        for name, value in step.inputs.items():
            for lane in range(2):
                compared.same(found[name][lane], native_array(value), f"step {i}: {name}")
        if step.outputs is None:
            continue
        output: Any = {n: stacked([array_of(v, backend)] * 2) for n, v in step.outputs.items()}
        actions = adapter.act(output.get("", output), 2, episodes=episodes)
        slabs = split_batch(case.action_space, acting.encode_batch(actions, 2), [1, 1])
        for lane in slabs:
            found = native(case.action_space, lane)
            compared.same(found, native(case.action_space, step.actions[0]), f"step {i}: action")


def refusal_of(case: BadAdapterCase, backend: ArrayBackend) -> str:
    """The path of the first reason for which a case is refused."""
    if case.refused == "tags":
        message = json_format.ParseDict(case.tags, tags_pb2.EnvTags())
        tags = tags_from_wire(message)
        return tag_problems(tags, case.observation_space, case.action_space)[0].path
    if case.refused == "spec":
        with pytest.raises(CodecError) as broken:
            ModelSpec.from_dict(case.spec)
        return broken.value.path
    if case.refused == "pair":
        with pytest.raises(AdapterError) as misfit:
            adapter_of(case, backend)
        return misfit.value.problems[0].path
    adapter = adapter_of(case, backend)
    if case.refused == "episode":
        with pytest.raises(AdapterError) as lacking:
            adapter.episode(None)
        return lacking.value.problems[0].path
    with pytest.raises(InvalidValueError) as wrong:
        adapter.act({name: array_of(value, backend) for name, value in case.outputs.items()})
    return wrong.value.path


@for_each("case", BAD_CASES, ids=attrgetter("name"))
def test_what_does_not_fit_is_refused_with_its_path(
    case: BadAdapterCase, backends: dict[str, ArrayBackend]
) -> None:
    assert refusal_of(case, backends["numpy"]) == case.path


def test_the_cases_name_rules_of_the_contract() -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    rules = set(re.findall(r"^- \*\*([A-Z]-\d+)\*\*", text, flags=re.MULTILINE))
    proven = {rule for case in CASES for rule in case.rules}
    assert proven | {case.rule for case in BAD_CASES} <= rules
    of_adapters = {rule for rule in rules if rule.startswith("A-")}
    assert proven >= of_adapters
