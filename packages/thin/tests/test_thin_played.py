"""The bundled file as a process, played by the real clients."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlmesh import TLS, errors
from rlmesh._transport.socket.unix import SUPPORTED
from rlmesh.numpy import RemoteEnv
from tests.certificates import issued, new_authority
from tests.faults import Proxy
from tests.faults.test_cuts import Saboteur, play
from tests.integration.raw_frames import hello
from tests.processes import ROOT, finished
from tests.size import LONG

from .thin_envs import Walk
from .thin_hosts import hosted

ENVS = "packages.thin.tests.thin_envs"
CART_POLE = ("gymnasium:make", "--args", '{"id": "CartPole-v1", "render_mode": "rgb_array"}')
HERE = {"PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="it needs Linux")


def episode(env: Any, seed: int, steps: int = 500) -> list[Any]:
    """What an episode of seeded actions shows, bit for bit."""
    draws = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    seen: list[Any] = [observation.tobytes(), str(observation.dtype), info]
    for _ in range(steps):
        observation, *rest = env.step(draws.integers(2))
        seen.append((observation.tobytes(), *rest))
        if rest[1] or rest[2]:
            break
    return seen


def test_it_plays_as_the_local_environment_does(tmp_path: Path) -> None:
    local = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    with hosted(tmp_path, *CART_POLE) as (address, process), RemoteEnv(address) as remote:
        for seed in range(20):
            assert episode(remote, seed) == episode(local, seed)
        pytest.importorskip("pygame")
        assert np.array_equal(remote.render(), local.render())
        assert remote.observation_space == local.observation_space
        assert remote.action_space == local.action_space
        assert process.output == ""


def test_the_command_inspect_shows_it(tmp_path: Path) -> None:
    pytest.importorskip("typer")
    pytest.importorskip("rich")
    with hosted(tmp_path, f"{ENVS}:New", **HERE) as (address, _):
        shown = finished(["-m", "rlmesh", "inspect", address])
        assert shown.returncode == 0, shown
        assert "New" in shown.stdout and "image" in shown.stdout


@pytest.mark.parametrize("mutual", [False, True])
def test_tls_and_the_token(mutual: bool, tmp_path: Path) -> None:
    authority = new_authority()
    own = issued(authority)
    files = {
        "certificate": own.certificate,
        "key": own.key,
        "authority": authority.cert_pem.bytes(),
    }
    arguments = ["--address", "framess://localhost:0", "--token-file", str(tmp_path / "token")]
    (tmp_path / "token").write_text("s3cret\n")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)  # type: ignore[arg-type]
        if mutual or name != "authority":
            arguments += [f"--tls-{name}", str(tmp_path / name)]
    with hosted(tmp_path, *CART_POLE, *arguments) as (address, process):
        tls = TLS(authority=files["authority"], certificate=own.certificate, key=own.key)
        with RemoteEnv(address, tls=tls, token="s3cret") as remote:
            assert len(episode(remote, 1)) > 3
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(address, tls=tls, token="wrong")
        if mutual:
            with pytest.raises((errors.ConnectError, errors.ConnectionLostError)):
                RemoteEnv(address, tls=TLS(authority=files["authority"]), token="s3cret")
        with RemoteEnv(address, tls=tls, token="s3cret") as remote:
            remote.reset(seed=0)
            assert process.stop() == 0
            with pytest.raises(errors.ShuttingDownError):
                remote.step(0)


def test_a_unix_socket_and_the_variable_of_the_token(tmp_path: Path) -> None:
    address = f"frames+unix://{tmp_path}/s"
    arguments = [f"{ENVS}:Walk", "--address", address]
    with hosted(tmp_path, *arguments, RLMESH_TOKEN="s3cret", **HERE) as (found, process):
        assert found == address
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(address)
        with RemoteEnv(address, token="s3cret") as remote:
            assert remote.reset(seed=3)[0] == Walk().reset(seed=3)[0]
        assert process.stop() == 0
        assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_call_end(number: int, tmp_path: Path) -> None:
    arguments = [f"{ENVS}:Walk", "--args", '{"delay": 0.5}']
    with hosted(tmp_path, *arguments, **HERE) as (address, process):
        remote = RemoteEnv(address)
        remote.reset(seed=0)
        timer = threading.Timer(0.2, process.process.send_signal, (number,))
        timer.start()
        assert remote.step(1)[4] == {"applied": 1}
        assert process.process.wait(20) == 0
        with pytest.raises(errors.ShuttingDownError):
            remote.step(1)
        remote.close()


def test_workers_have_an_environment_each_and_survive_a_crash(tmp_path: Path) -> None:
    with hosted(tmp_path, f"{ENVS}:Crashing", "--instances", "2", **HERE) as (address, process):
        with RemoteEnv(address) as one, RemoteEnv(address) as two:
            one.reset(seed=1)
            two.reset(seed=1)
            pids = {remote.step(3)[4]["pid"] for remote in (one, two)}
            assert len(pids | {process.process.pid}) == 3
            for _ in range(2):
                with pytest.raises(errors.EnvCrashedError, match="reset makes a new one") as crash:
                    one.step(999)
            assert crash.value.exit_code is None  # Of the first one it is 3.
            one.reset(seed=1)
            assert one.step(3)[4]["pid"] not in pids and two.step(3)[4]["pid"] in pids
        assert process.stop() == 0


def test_an_environment_that_is_not_there_is_named(tmp_path: Path) -> None:
    wrong = {"nowhere:Env": "nowhere", f"{ENVS}:Missing": "Missing", "json": "MODULE:CALLABLE"}
    for name, reason in wrong.items():
        for more in ((), ("--instances", "2")):
            with pytest.raises(AssertionError, match=reason), hosted(tmp_path, name, *more, **HERE):
                pass


def test_bytes_of_strangers_cost_their_connections_alone(tmp_path: Path) -> None:
    draws = np.random.default_rng(7)
    with hosted(tmp_path, f"{ENVS}:Walk", **HERE) as (address, process):
        host, port = address.removeprefix("frames://").split(":")
        with RemoteEnv(address) as remote:
            first = remote.reset(seed=1)[0]
            for size in range(40):
                with socket.create_connection((host, int(port)), 10) as stranger:
                    head = hello() if size % 2 else b""
                    stranger.sendall(head + draws.bytes(size))
            assert remote.step(1)[4] == {"applied": 1}
            assert first == Walk().reset(seed=1)[0]
        assert "Traceback" not in process.errors


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("instances", [1, 2])
def test_cuts_change_nothing(
    instances: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmesh._client.transport_choice.TRANSPORTS", ())
    cuts, steps = (1000, 20_000) if LONG else (40, 800)
    local = play(Walk(), steps, lambda _: None)
    arguments = [f"{ENVS}:Walk", "--instances", str(instances)]
    with hosted(tmp_path, *arguments, **HERE) as (address, _), Proxy(address) as proxy:
        remote = RemoteEnv(proxy.address)
        saboteur = Saboteur(proxy, steps, cuts)
        try:
            seen = play(remote, steps, saboteur.tick)
        finally:
            saboteur.stop()
            remote.close()
        assert seen == local
        assert sum(saboteur.kinds.values()) >= 0.9 * cuts


def test_a_shutdown_refuses_the_client_in_line(tmp_path: Path) -> None:
    with hosted(tmp_path, f"{ENVS}:Walk", **HERE) as (address, process), RemoteEnv(address) as held:
        held.reset(seed=0)
        refused: list[Exception] = []

        def wait() -> None:
            try:
                RemoteEnv(address, wait=60.0)
            except errors.RLMeshError as error:
                refused.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive() and process.stop() == 0
        waiting.join(20)
        assert isinstance(refused[0], errors.ShuttingDownError), refused


@pytest.mark.parametrize("instances", ["1", "2"])
def test_the_main_thread_makes_and_calls_the_environment(instances: str, tmp_path: Path) -> None:
    arguments = [f"{ENVS}:OnMainThread", "--instances", instances]
    with hosted(tmp_path, *arguments, **HERE) as (address, _):
        for _ in range(2):  # The second session has a connection of its own.
            with RemoteEnv(address) as remote:
                assert remote.reset(seed=3)[0] == Walk().reset(seed=3)[0]
                assert remote.step(1)[4]["applied"] > 0
                assert remote.render().shape == (2, 2, 3)


def test_the_options_of_the_environment(tmp_path: Path) -> None:
    arguments = ["--args", '{"length": 1}', "--done", "truncated", "--expose", "instruction"]
    with (
        hosted(tmp_path, f"{ENVS}:Old", *arguments, **HERE) as (address, _),
        RemoteEnv(address) as remote,
    ):
        remote.reset(seed=7)
        assert remote.step(1)[2:4] == (False, True)
        assert remote.call("instruction", style="short") == "pick (short)"
        with pytest.raises(errors.NotExposedError):
            remote.call("length")
        remote.reset()
        many = remote.step_many(np.array([0, 0]))
        assert len(many) == 1


def test_spaces_of_an_environment_that_has_none(tmp_path: Path) -> None:
    spaces = ["--spaces", f"{ENVS}:spaces_of_bare"]
    for arguments, bounds, guessed in (([], np.inf, True), (spaces, 10.0, False)):
        with (
            hosted(tmp_path, f"{ENVS}:Bare", *arguments, **HERE) as (address, process),
            RemoteEnv(address) as remote,
        ):
            assert remote.observation_space["position"].high == bounds
            assert remote.action_space == gymnasium.spaces.Box(
                np.array([-1.0, -2.0]), np.array([1.0, 2.0]), dtype=np.float64
            )
            observation = remote.reset()[0]
            assert observation["image"].shape == (2, 2, 3) and observation["count"] == 3
            assert ("float64 of shape (1,)" in process.errors) is guessed
