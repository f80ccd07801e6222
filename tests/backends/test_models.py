"""Models of every array library: batches as single predictions, adapters, devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, spaces
from rlmesh.adapters import EnvTags, Feature, ModelInput, ModelOutput, ModelSpec, TaggedLeaf
from rlmesh.errors import AdapterError
from rlmesh.results import EpisodeEnd
from tests.backends.libraries import Library
from tests.integration.walks import WalkEnv, told

pytest.importorskip("gymnasium")

SEEDS = list(range(8))


class Linear:
    """Adds and multiplies in float32; each row by itself."""

    def __init__(self, library: Library, forms: tuple[str, ...]) -> None:
        self.library = library
        self.sizes: list[int] = []
        for form in forms:
            setattr(self, form, getattr(self, f"_{form}"))

    def _predict(self, observation: Any) -> int:
        assert isinstance(observation, self.library.array_type)
        place, push, _ = (float(x) for x in observation)
        return 2 if place + push > 0 else 0 if push < -0.5 else 1

    def _predict_batch(self, observations: Any) -> Any:
        assert isinstance(observations, self.library.array_type)
        self.sizes.append(len(observations))
        if not self.library.has_arithmetic:
            return [self._predict(row) for row in observations]
        place, push = observations[:, 0], observations[:, 1]
        return (place + push > 0) * 2 + ((place + push <= 0) & (push >= -0.5)) * 1

    def _predict_chunk_batch(self, observations: Any) -> Any:
        single = self._predict_batch(observations)
        return [[int(action)] for action in single]


@pytest.mark.parametrize("form", ["predict", "predict_batch", "predict_chunk_batch"])
def test_every_form_plays_alike(library: Library, form: str) -> None:
    source = Linear(library, (form,))
    wanted = told(rlmesh.Model(lambda o: Linear._predict(_plain, o)).run(WalkEnv(), seeds=SEEDS))
    with EnvServer(WalkEnv()) as one, EnvServer(WalkEnv(0.002)) as two:
        envs = [one.address, two.address, WalkEnv()]
        assert told(rlmesh.evaluate(library.model(source), envs, seeds=SEEDS)) == wanted
    assert (form == "predict") is not bool(source.sizes)


_plain = Linear(Library("native", rlmesh.backends.NATIVE, rlmesh.Tensor, rlmesh.Model), ())


class CameraEnv:
    """An image and a joint; the action has to lead the joint home."""

    observation_space = spaces.Dict(
        {"camera": spaces.Box(0, 255, (4, 6, 3), "uint8"), "joint": spaces.Box(-2, 2, (1,))}
    )
    action_space = spaces.Box(-1.0, 1.0, (1,))
    tags = EnvTags(
        observation=(
            TaggedLeaf(("camera",), Feature("image/front")),
            TaggedLeaf(("joint",), Feature("state/joint")),
        ),
        action=(TaggedLeaf((), Feature("action/joint")),),
    )

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.place, self.count = (seed % 5 - 2) / 2, 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.place += float(action[0])
        self.count += 1
        return self._seen(), -abs(self.place), abs(self.place) < 0.05, self.count == 30, {}

    def _seen(self) -> Any:
        image = rlmesh.Tensor(bytes([self.count]) * 72, "uint8", (4, 6, 3))
        return {"camera": image, "joint": rlmesh.Tensor.of([self.place], "float32")}

    def close(self) -> None: ...


SPEC = ModelSpec(
    "homing",
    inputs=(
        ModelInput("picture", Feature("image/front"), shape=(2, 4, 6, 3), history=2),
        ModelInput("where", Feature("state/joint")),
    ),
    outputs=(ModelOutput("move", Feature("action/joint")),),
)


class Homing:
    def predict_batch(self, inputs: Any, contexts: Any) -> Any:
        for pair, context in zip(inputs["picture"], contexts):
            latest = [int(picture[0][0][0]) for picture in pair]
            assert latest == [max(context.step - 1, 0), context.step]
        return {"move": inputs["where"] * -0.5}


class HomingByChunk(Homing):
    """Three equal actions; the pictures between them are seen all the same."""

    def predict_chunk(self, inputs: Any, context: Any) -> Any:
        pair = [int(picture[0][0][0]) for picture in inputs["picture"]]
        assert pair == [max(context.step - 1, 0), context.step]
        return {"move": [[float(inputs["where"][0]) * -0.25]] * 3}


def served_camera() -> EnvServer:
    return EnvServer(CameraEnv(), tags=CameraEnv.tags)


@pytest.mark.parametrize("horizon", [None, 3])
def test_a_spec_is_resolved_for_each_environment(library: Library, horizon: int | None) -> None:
    if not library.has_arithmetic:
        pytest.skip("adapters need arithmetic")
    source = HomingByChunk() if horizon else Homing()
    model = library.model(source, spec=SPEC)
    with served_camera() as one, served_camera() as two:
        result = rlmesh.evaluate(
            model, [one.address, two.address], seeds=SEEDS, execution_horizon=horizon
        )
        single = model.run(one.address, seeds=SEEDS, execution_horizon=horizon)
    assert result.model_id == "homing"
    assert set(result.ends) == {EpisodeEnd.TERMINATED}
    assert told(result) == told(single)


def test_a_spec_that_does_not_fit_is_refused_before(library: Library) -> None:
    if not library.has_arithmetic:
        pytest.skip("adapters need arithmetic")
    spec = replace(SPEC, inputs=(ModelInput("picture", Feature("image/wrist")),))
    with served_camera() as server, pytest.raises(AdapterError, match="image/wrist"):
        library.model(Homing(), spec=spec).run(server.address)
    with pytest.raises(AdapterError):  # A local environment has no tags.
        library.model(Homing(), spec=SPEC).run(CameraEnv())


@pytest.mark.parametrize(
    ("library", "device"),
    [("torch", "cpu"), ("torch", "meta"), ("jax", "cpu")],
    indirect=["library"],
)
def test_observations_are_on_the_device(library: Library, device: str) -> None:
    seen: list[Any] = []

    def predict(observation: Any) -> int:
        seen.append(observation)
        return 1

    # PyTorch's meta device stands for one that is not the CPU.
    model = library.model(predict, device=device)
    with EnvServer(WalkEnv()) as server:
        rlmesh.evaluate(model, [server.address, WalkEnv()], seeds=SEEDS)
    assert all(isinstance(x, library.array_type) for x in seen)
    assert {str(x.device) for x in seen} == {str(model.device)}
