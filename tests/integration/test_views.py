"""Views: servers send the parts of observations that are read (CONTRACT.md, N-18)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import gymnasium
import numpy as np
import pytest

import rlmesh
from rlmesh import EnvServer, errors
from rlmesh import RemoteEnv as NativeRemoteEnv
from rlmesh._client.env_stub import EnvStub
from rlmesh.adapters import Action, ImageLayout, ImageTransform, ModelSpec, State, feature, tags
from rlmesh.adapters._tags import ImageForm
from rlmesh.adapters._view import ImageView, ObservationView, ViewPart
from rlmesh.adapters._view_for import view_for
from rlmesh.adapters.roles import ACTION_GRIPPER, EEF_ROTATION
from rlmesh.numpy import Model, RemoteEnv, RemoteVectorEnv
from rlmesh.specs import Capability
from tests.faults import Proxy, between
from tests.inside import session_of
from tests.integration.camera_env import SPEC, CameraEnv, make_camera_env
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


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the slabs of each observation that clients of this process receive."""
    sizes: list[int] = []
    decode = EnvStub._decode

    def counting(self: EnvStub, value: Any) -> Any:
        sizes.append(sum(map(len, value.slabs)))
        return decode(self, value)

    monkeypatch.setattr(EnvStub, "_decode", counting)
    return sizes


class Seen:
    """A model that keeps its inputs."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def __call__(self, inputs: Any) -> Any:
        self.inputs.append({key: np.array(value) for key, value in inputs.items()})
        return np.zeros(2, np.float32)

    def play(self, envs: Any, episodes: int = 2, **arguments: Any) -> Any:
        self.inputs.clear()
        run = rlmesh.evaluate(Model(self, spec=SPEC), envs, seeds=range(episodes), **arguments)
        assert [episode.steps for episode in run.episodes] == [3] * episodes
        return run, list(self.inputs)


@pytest.mark.every_transport
def test_evaluate_has_images_shrunk_by_the_server_and_equal_inputs(sent: list[int]) -> None:
    model = Seen()
    with EnvServer(CameraEnv((1080, 1920))) as server:
        whole = model.play(server.address, observe="all")
        sizes = sent.copy()
        sent.clear()
        read = model.play(server.address)
    assert min(sizes) > 40 * max(sent), "forty-fold fewer bytes"
    equal(tuple(read[1]), tuple(whole[1]))
    assert read[0].settings == whole[0].settings


def test_a_vector_and_a_served_model_read_the_same(sent: list[int]) -> None:
    model = Seen()
    with EnvServer(CameraEnv()) as server:
        inputs = model.play(server.address, observe="all")[1]
        whole = max(sent)
    sent.clear()
    with EnvServer([CameraEnv(), CameraEnv()]) as server:
        lanes = model.play(server.address)[1]
    assert max(sent) < 2 * whole / 10
    order = sorted(lanes, key=lambda one: [float(x) for x in one["arm"]])
    equal(tuple(order), tuple(sorted(inputs, key=lambda one: [float(x) for x in one["arm"]])))
    sent.clear()
    served = Seen()
    with (
        rlmesh.ModelServer(Model(served, spec=SPEC), "127.0.0.1:0") as model_server,
        EnvServer(CameraEnv()) as server,
    ):
        rlmesh.evaluate(model_server.address, server.address, seeds=range(2))
    assert max(sent) < whole / 10
    equal(tuple(served.inputs), tuple(inputs))


class Watcher:
    """A hook that receives observations."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()

    def on_step(self, event: Any) -> None:
        self.shapes.add(event.next_observation["front"].shape)


def test_a_hook_gets_whole_observations() -> None:
    watcher = Watcher()
    with EnvServer(CameraEnv()) as server:
        Seen().play(server.address, hooks=watcher)
    assert watcher.shapes == {(48, 64, 3)}


def without_views(server: Any) -> Any:
    """Have a server not list the capability."""
    manager = server._manager
    listed = manager._server.capabilities - {Capability.OBSERVATION_VIEW}
    manager._server = replace(manager._server, capabilities=listed)
    return server


def test_endpoints_that_send_whole_observations_play_along(sent: list[int]) -> None:
    model = Seen()
    inputs = model.play(CameraEnv(), 8)[1]
    with (
        EnvServer(CameraEnv()) as able,
        without_views(EnvServer(CameraEnv())) as unable,
        EnvServer(CameraEnv()) as third,
        RemoteEnv(third.address) as mine,
    ):
        mixed = model.play([able.address, unable.address, CameraEnv(), mine], 8)[1]
        assert mine.reset()[0] in CameraEnv().observation_space  # As its user made it.
    by_state: Callable[[Any], list[float]] = lambda one: [float(x) for x in one["arm"]]  # noqa: E731
    equal(tuple(sorted(mixed, key=by_state)), tuple(sorted(inputs, key=by_state)))
    sent.clear()
    with without_views(EnvServer(CameraEnv())) as unable:
        equal(tuple(model.play(unable.address, 8)[1]), tuple(inputs))


def test_a_view_is_set_again_when_an_endpoint_comes_back(sent: list[int]) -> None:
    model = Seen()
    with EnvServer(CameraEnv()) as server, Proxy(server.address) as proxy:
        inputs = model.play(server.address)[1]
        sent.clear()
        cut = iter([proxy.cut] * 2)

        class Cutting(Seen):
            def __call__(self, values: Any) -> Any:
                next(cut, int)()
                return super().__call__(values)

        again = Cutting().play(proxy.address)[1]
    assert len(set(sent)) == 1
    equal(tuple(again), tuple(inputs))


def test_a_server_without_the_capability_is_not_asked() -> None:
    with without_views(EnvServer(CameraEnv())) as server:
        with pytest.raises(errors.UnsupportedError, match="does not send parts of observations"):
            RemoteEnv(server.address, observe=["note"])
        with RemoteEnv(server.address, wait=5) as remote:
            session = session_of(remote)
            before = session._sequence
            with pytest.raises(errors.UnsupportedError):
                remote._stub.set_view(view_for(remote.env_contract, SPEC))
            assert session._sequence == before


def test_an_argument_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="observe='some'; expected 'read' or 'all'"):
        Seen().play(CameraEnv(), observe="some")


def test_a_role_of_several_parts_is_all_of_them() -> None:
    twice = tags(dict.fromkeys([(0,), (1,)], feature("state/arm")), [feature(ACTION_GRIPPER)])
    with (
        EnvServer(TupleEnv(), tags=twice) as server,
        RemoteEnv(server.address, observe=["state/arm"]) as remote,
    ):
        assert remote.observation_space == TupleEnv.observation_space


class TupleEnv(gymnasium.Env[Any, Any]):
    """An environment of which a model reads the second of two parts: no unit quaternion."""

    observation_space = gymnasium.spaces.Tuple(
        (gymnasium.spaces.Box(-1, 1, (9,)), gymnasium.spaces.Box(-1, 1, (4,)))
    )
    action_space = gymnasium.spaces.Box(-1, 1, (1,))
    rlmesh_tags = tags(
        {(1,): feature(EEF_ROTATION, rotation="quaternion_xyzw")}, [feature(ACTION_GRIPPER)]
    )

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return (np.zeros(9, np.float32), np.full(4, 0.1, np.float32)), {}

    def step(self, action: Any) -> Any:
        return self.reset()[0], 0.0, True, False, {}


@pytest.mark.filterwarnings("ignore:a declaration is probably wrong")
def test_findings_have_the_paths_of_whole_observations() -> None:
    turn = State("turn", EEF_ROTATION, rotation="axis_angle")
    model = Model(
        lambda seen: {"a": np.zeros(1)}, spec=ModelSpec("m", (turn,), Action("a", ACTION_GRIPPER))
    )
    found = []
    for observe in ("all", "read"):
        with EnvServer(TupleEnv()) as server:
            run = rlmesh.evaluate(model, server.address, seeds=[0], observe=observe)
        found.append(run.findings)
    assert "observation[1]" in [one.path for one in found[0]]
    assert found[0] == found[1]
