"""Views: servers send the parts of observations that are read (CONTRACT.md, N-18)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from unittest import mock

import gymnasium
import numpy as np
import pytest

from rlmesh import EnvServer, errors
from rlmesh import RemoteEnv as NativeRemoteEnv
from rlmesh._client.env_stub import EnvStub
from rlmesh.adapters import ImageLayout, ImageTransform
from rlmesh.adapters._tags import ImageForm
from rlmesh.adapters._view import ImageView, ObservationView, ViewPart
from rlmesh.numpy import RemoteEnv, RemoteVectorEnv
from tests.faults import between
from tests.integration.camera_env import CameraEnv, make_camera_env
from tests.property.test_views import equal

pytest.importorskip("PIL")
pytest.importorskip("cv2")

HWC = ImageForm(ImageLayout.HWC)
SHRUNK = ImageView(HWC, HWC, (ImageTransform((6, 8)),))


def view(*parts: Any) -> ObservationView:
    return ObservationView(tuple(ViewPart(*part) for part in parts))


@pytest.mark.every_transport
def test_a_client_observes_the_parts_that_it_names() -> None:
    with EnvServer(CameraEnv()) as server:
        with RemoteEnv(server.address, observe=["state/arm", "note"]) as remote:
            space = remote.observation_space
            assert isinstance(space, gymnasium.spaces.Dict)
            assert list(space) == ["arm", "note"]
            seen = remote.reset(seed=3)[0]
            assert seen in space and len(seen["arm"]) == 1
            assert remote.step(np.zeros(2, np.float32))[0] in space
            assert [leaf.path for leaf in remote.env_contract.tags.observation] == [("arm", 0)]
        with RemoteEnv(server.address) as remote:  # The next session starts with whole ones.
            whole = remote.reset(seed=3)[0]
    equal(seen["arm"][0], whole["arm"][0])
    assert whole in CameraEnv().observation_space


@pytest.mark.parametrize("path", [("arm", 2), ("arm",), ()])
def test_a_part_may_be_a_leaf_a_space_or_all(path: tuple[str | int, ...]) -> None:
    with EnvServer(CameraEnv()) as server:
        with NativeRemoteEnv(server.address, observe=[path]) as remote:
            part = remote.reset(seed=0)[0]
            assert remote.observation_space.contains(part)
        with NativeRemoteEnv(server.address) as remote:
            whole = remote.reset(seed=0)[0]
    for key in path:  # The only position of a Tuple is the first one.
        part, whole = part[0 if key == 2 else key], whole[key]
    assert part == whole


def test_the_spec_of_a_client_makes_another_with_the_same_view() -> None:
    with EnvServer(factory=CameraEnv, max_sessions=2) as server:
        made = gymnasium.make("rlmesh/Remote-v0", address=server.address, observe=[("arm", 2)])
        assert made.spec is not None
        again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(made.spec.to_json()))
        assert again.observation_space == made.observation_space
        assert made.reset()[0] == {"arm": (1,)}
        made.close()
        again.close()


def test_more_parts_than_a_space_can_have_are_malformed() -> None:
    parts = view(*((("front",),) for _ in range(16_385)))
    deep = view((("arm",) + (0,) * 24,))
    with EnvServer(CameraEnv()) as server, RemoteEnv(server.address) as remote:
        for wanted in (parts, deep):
            with (
                mock.patch("rlmesh._client.env_stub.viewed_contract", lambda contract, _: contract),
                pytest.raises(errors.ProtocolError, match="at most 16384 parts, and 24 segments"),
            ):
                remote._stub.set_view(wanted)
        assert remote.reset()[0] in remote.observation_space


def test_a_client_may_observe_nothing() -> None:
    with EnvServer(CameraEnv()) as server, NativeRemoteEnv(server.address, observe=[]) as remote:
        assert remote.reset()[0] == ()
        assert remote.step([0.0, 0.0])[:4] == ((), 1.0, False, False)


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["fronk"], ValueError, "got 'fronk'; the nearest is 'front'"),
        ([("arm", 7)], errors.InvalidValueError, r"observation\['arm'\].*got 7 in a tuple"),
        ([("front", "x")], errors.InvalidValueError, r"observation\['front'\]"),
        (["arm", ("arm", 1)], errors.InvalidValueError, "none is within another"),
        ([(), "arm"], errors.InvalidValueError, "none is within another"),
        ("front", TypeError, "expected a list of names"),
        ([1.5], TypeError, "expected keys, roles and tuples of keys, got a float"),
        ([("arm", True)], TypeError, "expected keys, roles and tuples of keys, got a bool"),
        ([("arm", None)], TypeError, "expected keys, roles and tuples of keys, got a NoneType"),
    ],
)
def test_names_of_no_part_are_refused(names: Any, error: type[Exception], words: str) -> None:
    with EnvServer(CameraEnv()) as server:
        with pytest.raises(error, match=words):
            NativeRemoteEnv(server.address, observe=names)
        with NativeRemoteEnv(server.address, wait=5) as remote:  # Nothing was left behind.
            remote.reset()


REFUSED: list[tuple[str, ObservationView, str]] = [
    ("no such part", view((("hand",),)), "a path through Dict and Tuple"),
    ("within another", view((("arm",),), (("arm", 1),)), "none is within another"),
    ("no image", view((("note",), SHRUNK)), "a Box for an image"),
    ("a layout too few", view((("arm", 0), SHRUNK)), "an image of layout hwc"),
    (
        "a larger image",
        view((("front",), replace(SHRUNK, transforms=(ImageTransform((480, 640)),)))),
        "at most the 3072 pixels that the image has",
    ),
    (
        "too many changes",
        view((("front",), replace(SHRUNK, transforms=(ImageTransform((6, 8)),) * 9))),
        "at most 8 changes",
    ),
    *(
        (name, view((("front",), replace(SHRUNK, transforms=(changed,)))), words)
        for name, changed, words in [
            ("no width", ImageTransform((6, 0)), "a height and width from 1"),
            ("NaN of the area", ImageTransform((6, 8), crop_area=math.nan), "a crop_area above 0"),
            ("more than the area", ImageTransform((6, 8), crop_area=4.0), "a crop_area above 0"),
            ("a negative area", ImageTransform((6, 8), crop_area=-1.0), "a crop_area above 0"),
            ("a quality of 200", ImageTransform(jpeg_quality=200), "a whole jpeg_quality"),
            ("a fill of nothing", ImageTransform((6, 8), fill=(1.0,)), "with fit pad"),
        ]
    ),
]


@pytest.mark.parametrize(("wanted", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_view_that_does_not_fit_is_refused_and_changes_nothing(
    wanted: ObservationView, words: str
) -> None:
    with EnvServer(CameraEnv()) as server, RemoteEnv(server.address, observe=["note"]) as remote:
        stub: EnvStub = remote._stub
        # A client finds it by itself; a server must not rely on that.
        with mock.patch("rlmesh._client.env_stub.viewed_contract", lambda contract, _: contract):
            with pytest.raises(errors.InvalidValueError, match=words) as caught:
                stub.set_view(wanted)
            assert caught.value.path.startswith("observation")
        with pytest.raises(errors.InvalidValueError, match=words):
            stub.set_view(wanted)
        assert remote.reset()[0] == {"note": "step"}


def test_a_library_that_the_server_lacks_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_: Any) -> Any:
        raise ImportError("the resampler BILINEAR of Pillow needs Pillow")

    monkeypatch.setattr("rlmesh.adapters._image_libraries.resized", lack)
    with EnvServer(CameraEnv()) as server, RemoteEnv(server.address) as remote:
        with pytest.raises(errors.UnsupportedError, match="needs Pillow"):
            remote._stub.set_view(view((("front",), SHRUNK)))
        assert remote.reset()[0] in remote.observation_space


@pytest.mark.own_transport
@pytest.mark.parametrize("transport", ["grpc", "frames"])
def test_a_view_outlives_the_connection(transport: Any) -> None:
    with (
        EnvServer(CameraEnv(length=9)) as server,
        between(server.address, transport) as (address, proxy),
        RemoteEnv(address, observe=["note"], transport=transport) as remote,
    ):
        remote.reset()
        for _ in range(3):
            proxy.cut()
            assert remote.step(np.zeros(2, np.float32))[0] == {"note": "step"}


def test_a_view_outlives_the_process_of_the_environment() -> None:
    with (
        EnvServer(factory=make_camera_env, workers="process") as server,
        RemoteEnv(server.address, observe=["note"]) as remote,
    ):
        pid = remote.reset()[1]["pid"]
        with pytest.raises(errors.EnvCrashedError):
            remote.step(np.ones(2, np.float32))
        observation, info = remote.reset()
        assert observation == {"note": "step"} and info["pid"] != pid
        assert remote.step(np.zeros(2, np.float32))[0] == {"note": "step"}


def test_several_steps_and_lanes_have_the_view_too() -> None:
    parts = view((("front",), SHRUNK), (("arm", 0),))
    actions = np.zeros((4, 2), np.float32)
    single: list[list[Any]] = []
    with EnvServer(CameraEnv()) as server, RemoteEnv(server.address) as remote:
        remote._stub.set_view(parts)
        for seed in (5, 6):
            first = remote.reset(seed=seed)[0]
            results = remote.step_many(actions, all_observations=True)
            single.append([first, *(result[0] for result in results)])
    assert single[0][0]["front"].shape == (6, 8, 3)
    lanes = [CameraEnv(), CameraEnv(length=2)]
    with (
        EnvServer(lanes, autoreset_mode="SameStep") as server,
        RemoteVectorEnv(server.address) as remote_lanes,
    ):
        remote_lanes._stub.set_view(parts)
        first = remote_lanes.reset(seed=5)[0]
        steps = [remote_lanes.step(actions[:2]) for _ in range(2)]
    for lane in range(2):
        equal(first["front"][lane], single[lane][0]["front"])
    equal(steps[1][0]["front"][0], single[0][2]["front"])
    assert steps[1][0]["front"].shape == (2, 6, 8, 3)
    equal(steps[1][4]["final_obs"][1], single[1][2])
