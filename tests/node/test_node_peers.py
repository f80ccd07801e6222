"""A Node client and a Node server, with the Python packages or each other at the other end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlmesh import TLS, EnvServer, Model, ModelServer, ServeOptions, errors
from rlmesh.numpy import RemoteEnv
from tests.certificates import issued, new_authority
from tests.faults import Proxy, cutting
from tests.node.programs import Episodes, build_or_skip, play, run, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]

ADDRESS = "frames://127.0.0.1:0"


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    build_or_skip()


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    return Episodes(range(4))


@contextmanager
def served(by: str, address: str, **options: Any) -> Iterator[str]:
    """Serve CartPole by Python or by Node; its address."""
    if by == "node":
        with serving(address, **options) as where:
            yield where
        return
    with EnvServer(gymnasium.make("CartPole-v1"), address, **options) as server:
        yield server.address


def test_a_node_client_plays_over_grpc_through_cuts(episodes: Episodes) -> None:
    with served("python", "tcp://127.0.0.1:0", token="s3cret") as where, Proxy(where) as proxy:
        with cutting(proxy, every=2000):
            play(proxy.address, episodes, {"token": "s3cret"})
        assert proxy.broken >= 5


def test_a_node_client_plays_over_grpc_with_tls(tmp_path: Path) -> None:
    short = Episodes([9])
    with served("python", f"unix://{tmp_path}/s") as where:
        play(where, short)
    authority = new_authority()
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    with served("python", "grpcs://127.0.0.1:0", tls=issued(authority)) as where:
        play(where, short, {"tls": {"authority": str(root)}})
        with pytest.raises(AssertionError, match="ConnectError"):
            play(where, short)


@pytest.mark.parametrize("token", ["", "other"])
def test_grpc_refuses_a_node_client_without_the_token(token: str) -> None:
    with (
        served("python", "tcp://127.0.0.1:0", token="s3cret") as where,
        pytest.raises(AssertionError, match=r"AuthenticationError(.|\n)*token"),
    ):
        play(where, Episodes([9]), {"token": token})


def test_grpc_has_no_environment_at_a_model() -> None:
    model = Model(lambda observation: 0)
    with (
        ModelServer(model, "tcp://127.0.0.1:0") as server,
        pytest.raises(AssertionError, match="WrongServiceError"),
    ):
        play(server.address, Episodes([9]))


def test_a_client_of_browsers_plays_through_cuts(episodes: Episodes) -> None:
    pytest.importorskip("websockets")
    options = ServeOptions(websocket_port=0)
    env = gymnasium.make("CartPole-v1")
    with EnvServer(env, "127.0.0.1:0", token="s3cret", options=options) as server:
        authority = str(server.websocket_address).split("/")[2]
        with Proxy(f"frames://{authority}") as proxy:
            with cutting(proxy, every=900):
                where = f"ws://{proxy.address.removeprefix('frames://')}/rlmesh"
                play(where, episodes, {"token": "s3cret"})
            assert proxy.broken >= 5


def test_a_node_server_refuses_what_is_wrong() -> None:
    with serving(ADDRESS, token="s3cret", gracePeriod=5) as where:
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(where, token="other")
        with RemoteEnv(where, token="s3cret", validation="off") as remote:
            with pytest.raises(errors.BusyError, match="is held by"):
                RemoteEnv(where, token="s3cret")
            with pytest.raises(errors.InvalidValueError):
                remote.step(2)
            with pytest.raises(errors.UnsupportedError):
                remote.render()
            remote.reset()
            assert len(remote.step_many([0, 1, 0])) == 3
        with RemoteEnv(where, token="s3cret") as again:
            again.reset()


MODES = gymnasium.vector.AutoresetMode


@pytest.mark.parametrize("mode", list(MODES), ids=lambda mode: mode.name)
def test_a_node_client_plays_a_vector(mode: MODES) -> None:
    steps, local = 60, vector(mode)
    lines = [shown(local.reset(seed=5)[0])]
    for at in range(steps):
        actions = np.array([(at * (lane + 1)) % 2 for lane in range(local.num_envs)])
        observation, rewards, terminated, truncated, info = local.step(actions)
        final = info.get("final_obs")
        flags = ["".join(str(int(x)) for x in mask) for mask in (terminated, truncated)]
        facts = (",".join(f"{x:g}" for x in rewards), *flags)
        lines.append(" ".join([shown(observation), *facts, "" if final is None else shown(final)]))
        ended = terminated | truncated
        if mode is MODES.DISABLED and ended.any():
            lines.append(shown(local.reset(options={"reset_mask": ended})[0]))
    with EnvServer(vector(mode), ADDRESS) as server:
        assert run("play_vector.js", server.address, "5", str(steps)) == lines
    assert any("1" in line.split(" ")[2] for line in lines if " " in line)


def vector(mode: MODES) -> Any:
    make = [lambda: gymnasium.make("CartPole-v1")] * 3
    return gymnasium.vector.SyncVectorEnv(make, autoreset_mode=mode)


def shown(lanes: Any) -> str:
    return "/".join("" if lane is None else lane.tobytes().hex() for lane in lanes)


@pytest.mark.parametrize("server", ["python", "node"])
def test_tls(server: str, tmp_path: Path) -> None:
    authority = new_authority()
    certificate = issued(authority)
    paths = {}
    for name, pem in (
        ("certificate", certificate.certificate),
        ("key", certificate.key),
        ("authority", authority.cert_pem.bytes()),
        ("stranger", new_authority().cert_pem.bytes()),
    ):
        (tmp_path / name).write_bytes(pem)
        paths[name] = str(tmp_path / name)
    own = {name: paths[name] for name in ("certificate", "key")}
    one = Episodes([7])
    options: Any = own if server == "node" else certificate
    with served(server, "framess://127.0.0.1:0", tls=options) as where:
        play(where, one, {"tls": {"authority": paths["authority"]}})
        with pytest.raises(AssertionError, match="ConnectError"):
            play(where, one, {"tls": {"authority": paths["stranger"]}})
        with RemoteEnv(where, tls=TLS(authority=authority.cert_pem.bytes())) as remote:
            remote.reset(seed=1)
            assert remote.step(1)[1] == 1.0
