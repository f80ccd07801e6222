"""Adapters of PyTorch: tensors stay on their device."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    ColorSpace,
    EnvTags,
    Feature,
    FeatureKind,
    ImageLayout,
    MeanStd,
    ModelInput,
    ModelOutput,
    ModelSpec,
    RotationFormat,
    TaggedLeaf,
    resolve,
)
from rlmesh.dtypes import DTYPES
from rlmesh.specs import EnvContract

torch = pytest.importorskip("torch")
BACKEND = pytest.importorskip("rlmesh_torch").BACKEND

FLOAT32 = DTYPES["float32"]
OBSERVATIONS = spaces.Dict(
    {"cam": spaces.Box(0, 255, (4, 6, 3), "uint8"), "arm": spaces.Box(-1, 1, (4,))}
)
ACTIONS = spaces.Box([-1, -2, -3], [1, 2, 3])
CAMERA = Feature("cam", FeatureKind.IMAGE, ImageLayout.HWC, ColorSpace.RGB)
CONTRACT = EnvContract(
    "e",
    OBSERVATIONS,
    ACTIONS,
    tags=EnvTags(
        (
            TaggedLeaf(("cam",), CAMERA),
            TaggedLeaf(("arm",), Feature("arm", rotation=RotationFormat.QUATERNION_XYZW)),
        ),
        (TaggedLeaf((), Feature("move")),),
    ),
)
SPEC = ModelSpec(
    inputs=(
        ModelInput(
            "cam",
            Feature("cam", layout=ImageLayout.CHW, color=ColorSpace.BGR, range=(0, 1)),
            FLOAT32,
            (2, 3, 4, 6),
            MeanStd((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
            history=2,
        ),
        ModelInput("arm", Feature("arm", rotation=RotationFormat.MATRIX)),
    ),
    outputs=(ModelOutput("", Feature("move", range=(-1, 1))),),
)


def tensors(device: str, count: int) -> dict[str, Any]:
    return {
        "cam": torch.zeros((count, 4, 6, 3), dtype=torch.uint8, device=device),
        "arm": torch.ones((count, 4), device=device),
    }


# Tensors of "meta" have no numbers: whatever leaves the device, or reads one, fails.
@pytest.mark.parametrize(
    "device",
    [
        "meta",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
        ),
    ],
)
def test_tensors_stay_on_their_device(device: str) -> None:
    adapter = resolve(CONTRACT, SPEC, backend=BACKEND)
    for _ in range(2):  # The constants of the second time are those of the first.
        found = adapter.observe_batch(tensors(device, 3), [adapter.episode() for _ in range(3)])
        assert {x.device.type for x in found.values()} == {device}
        assert found["cam"].shape == (3, 2, 3, 4, 6) and found["arm"].shape == (3, 9)
        action = adapter.act(torch.zeros((3, 3), device=device), batch=3)
        assert action.device.type == device and action.dtype == torch.float32


def test_one_adapter_serves_tensors_of_two_devices() -> None:
    adapter = resolve(CONTRACT, SPEC, backend=BACKEND)
    for device in ("meta", "cpu", "meta"):
        assert adapter.act(torch.ones(3, device=device)).device.type == device
    assert adapter.act(torch.ones(3)).tolist() == [1, 2, 3]


def test_observations_of_numpy_become_tensors() -> None:
    np = pytest.importorskip("numpy")
    adapter = resolve(CONTRACT, SPEC, backend=BACKEND)
    observation = {"cam": np.zeros((4, 6, 3), "u1"), "arm": [0.0, 0, 0, 1]}
    found = adapter.episode().observe(observation)
    assert all(isinstance(x, torch.Tensor) for x in found.values())
    assert found["arm"].tolist() == torch.eye(3).reshape(-1).tolist()


def test_gradients_flow_through_actions() -> None:
    adapter = resolve(CONTRACT, SPEC, backend=BACKEND)
    output = torch.zeros(3, requires_grad=True)
    adapter.act(output).sum().backward()
    assert output.grad.tolist() == [1, 2, 3]
