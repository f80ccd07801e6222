"""`session.read`: features of an observation by the roles of the environment's tags."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("numpy")
pytest.importorskip("rlmesh_numpy")

import numpy as np

import rlmesh
from rlmesh import Tensor, spaces
from rlmesh.adapters import feature, tags
from rlmesh.adapters.roles import EEF_POSITION, EEF_ROTATION, GRIPPER, IMAGE_PRIMARY, INSTRUCTION
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.numpy import Model

PIXELS = np.arange(4 * 6 * 3, dtype="u1").reshape(4, 6, 3)


class Arm:
    observation_space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (4, 6, 3), "uint8"),
            "arm": spaces.Box(-9, 9, (8,)),
            "task": spaces.Text(20),
        }
    )
    action_space = spaces.Box(-1, 1, (2,))
    rlmesh_tags = tags(
        {
            "camera": feature(IMAGE_PRIMARY, layout="hwc", color="rgb", rotate=180),
            "arm": [
                feature(EEF_POSITION, unit="m"),
                feature(EEF_ROTATION, rotation="quaternion_wxyz"),
                GRIPPER,
            ],
            "task": INSTRUCTION,
        },
        "action/arm",
    )

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        arm = np.array([0.1, 0.2, 0.3, 0, 0, 0, 1, 0.5], "f4")
        return {"camera": PIXELS, "arm": arm, "task": "lift"}, {}

    def step(self, action: Any) -> Any:
        return self.reset()[0], 0.0, True, False, {}

    def close(self) -> None:
        pass


@pytest.fixture(params=["here", "served"])
def session(request: pytest.FixtureRequest) -> Any:
    model = Model(lambda seen: np.zeros(2, "f4"))
    if request.param == "here":
        with model.session(Arm()) as opened:
            yield opened
        return
    with (
        rlmesh.EnvServer(Arm(), "127.0.0.1:0") as server,
        model.session(server.address) as opened,
    ):
        yield opened


def test_a_role_reads_what_the_environment_has(session: Any) -> None:
    seen, _ = session.reset()
    np.testing.assert_array_equal(session.read(seen, EEF_POSITION), np.float32([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(session.read(seen, EEF_ROTATION), [0, 0, 0, 1])
    np.testing.assert_array_equal(session.read(seen, IMAGE_PRIMARY), PIXELS)
    assert session.read(seen, GRIPPER).shape == (1,)
    assert session.read(seen, INSTRUCTION) == "lift"


def test_a_feature_reads_what_a_model_would_get(session: Any) -> None:
    seen, _ = session.reset()
    turn = session.read(seen, feature(EEF_ROTATION, rotation="axis_angle"))
    np.testing.assert_allclose(turn, [0, 0, np.pi], atol=1e-6)
    place = session.read(seen, feature(EEF_POSITION, unit="cm"))
    np.testing.assert_allclose(place, [10, 20, 30], rtol=1e-6)
    image = session.read(seen, feature(IMAGE_PRIMARY, layout="chw", color="bgr"))
    np.testing.assert_array_equal(image, PIXELS[::-1, ::-1, ::-1].transpose(2, 0, 1))
    assert session.read(seen, feature(INSTRUCTION)) == "lift"


def test_a_role_that_is_missing_names_the_nearest(session: Any) -> None:
    seen, _ = session.reset()
    with pytest.raises(AdapterError, match=r"the nearest is 'state/eef_position'"):
        session.read(seen, "state/eef_positon")
    with pytest.raises(AdapterError, match="role: expected a feature of the observation"):
        session.read(seen, "action/arm")
    with pytest.raises(AdapterError, match="state/eef_position"):
        session.read(seen, feature(EEF_POSITION, unit="kg"))
    with pytest.raises(InvalidValueError, match=r"observation\['arm'\]"):
        session.read({}, EEF_POSITION)


def test_an_environment_without_tags_has_no_roles() -> None:
    class Bare(Arm):
        rlmesh_tags = None

    with Model(lambda seen: np.zeros(2, "f4")).session(Bare()) as session:
        seen, _ = session.reset()
        with pytest.raises(AdapterError, match="no tags of the observation space"):
            session.read(seen, EEF_POSITION)


def test_a_native_model_reads_whole_leaves() -> None:
    model = rlmesh.Model(lambda seen: Tensor.of([0.0, 0.0], "float32"))
    with model.session(Arm()) as session:
        seen, _ = session.reset()
        assert session.read(seen, INSTRUCTION) == "lift"
        assert session.read(seen, IMAGE_PRIMARY).shape == (4, 6, 3)
        with pytest.raises(AdapterError, match=r"rlmesh\.numpy"):
            session.read(seen, EEF_POSITION)
