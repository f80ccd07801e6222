"""Evaluations of models that read a part of the observation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

import rlmesh
from rlmesh import EnvServer, errors
from rlmesh._client.env_stub import EnvStub
from rlmesh.adapters import Action, ModelSpec, State, feature, tags
from rlmesh.adapters._view_for import view_for
from rlmesh.adapters.roles import ACTION_GRIPPER, EEF_ROTATION
from rlmesh.numpy import Model, RemoteEnv
from rlmesh.specs import Capability
from tests.faults import Proxy
from tests.inside import session_of
from tests.integration.camera_env import SPEC, CameraEnv
from tests.property.test_views import equal

pytest.importorskip("PIL")
pytest.importorskip("cv2")


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
