"""A C++ server and a C++ client with the Python packages at the other end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from rlmesh import TLS, EnvServer, errors
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.numpy import RemoteEnv
from tests.certificates import new_authority
from tests.cpp.programs import CPP, FLAGS, compiled, serving
from tests.integration.cli_processes import COMMAND
from tests.processes import finished, until
from tests.size import LONG, only_long

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("cpp")]

ADDRESSES = ["frames://127.0.0.1:0", "frames+unix://{folder}/env.sock"]


def test_the_version_is_that_of_the_spec() -> None:
    assert f'spec_version = "{SPEC_VERSION}"' in (CPP / "include/rlmesh/session.hpp").read_text()


def test_the_headers_are_small() -> None:
    lines = [len(path.read_text().splitlines()) for path in (CPP / "include").rglob("*.hpp")]
    assert sum(lines) <= 3640


@only_long
def test_the_readme_compiles_and_serves(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```cpp\n(.*?)^```", (CPP / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) == 2
    counter = blocks[0].replace(
        'serve<Counter>("frames://127.0.0.1:5555")',
        f'serve<Counter>("frames+unix://{tmp_path}/counter.sock")',
    )
    source = tmp_path / "readme.cpp"
    source.write_text(f"{counter}\n{blocks[1]}")
    with subprocess.Popen([compiled(str(source))]) as process:
        try:
            where = f"frames+unix://{tmp_path}/counter.sock"
            until(lambda: (tmp_path / "counter.sock").exists(), 30)
            with RemoteEnv(where, connect_timeout=30) as remote:
                observation, _ = remote.reset()
                assert observation in remote.observation_space
                assert [float(remote.step(2)[0][0]) for _ in range(3)] == [2, 4, 6]
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_a_cpp_server_refuses_what_is_wrong() -> None:
    with serving(ADDRESSES[0], "s3cret") as where:
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
        with RemoteEnv(where, token="s3cret", wait=5) as again:
            again.reset()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_cpp_client_plays_a_python_server(address: str, tmp_path: Path) -> None:
    program = compiled("examples/play.cpp", *FLAGS)
    where = address.format(folder=tmp_path)
    with EnvServer(gymnasium.make("CartPole-v1"), where) as server:
        done = subprocess.run(
            [program, server.address, "7", "3"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        rewards = [float(line.split()[-1]) for line in done.stdout.splitlines()]
        assert rewards == [rewarded(seed) for seed in range(7, 10)]


def rewarded(seed: int) -> float:
    """The reward of an episode in which the pole is followed, as examples/play.cpp does it."""
    env = gymnasium.make("CartPole-v1")
    observation, total = env.reset(seed=seed)[0], 0.0
    while True:
        observation, reward, terminated, truncated, _ = env.step(int(observation[2] > 0))
        total += float(reward)
        if terminated or truncated:
            return total


@only_long
def test_tls_at_either_end(tmp_path: Path) -> None:
    if not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("OpenSSL's headers are not installed")
    program = compiled("tests/tls.cpp", *FLAGS, libraries=("ssl", "crypto"))
    authority, stranger = new_authority(), new_authority()
    issued = authority.issue_cert("127.0.0.1")
    files = {
        "certificate": issued.cert_chain_pems[0].bytes(),
        "key": issued.private_key_pem.bytes(),
        "authority": authority.cert_pem.bytes(),
        "stranger": stranger.cert_pem.bytes(),
    }
    paths = {name: tmp_path / f"{name}.pem" for name in files}
    for name, data in files.items():
        paths[name].write_bytes(data)
    command = [program, "serve", "framess://127.0.0.1:0", paths["certificate"], paths["key"]]

    def play(where: str, authority: Path) -> Any:
        client = [program, "play", where, authority]
        return subprocess.run(client, capture_output=True, text=True, timeout=60, check=False)

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = process.stdout.readline().strip()
            with RemoteEnv(where, tls=TLS(authority=files["authority"])) as remote:
                remote.reset(seed=1)
                assert remote.step(1)[1] == 1.0
            assert play(where, paths["authority"]).stdout == "1\n"
            refused = play(where, paths["stranger"])
            assert refused.returncode == 1 and "certificate is not trusted" in refused.stderr
            with pytest.raises(errors.RLMeshError):
                RemoteEnv(where, tls=TLS(authority=files["stranger"]))
            assert play(where, paths["authority"]).stdout == "1\n"  # It lives on.
        finally:
            process.terminate()
            assert process.wait(30) == 0
    server_tls = TLS(files["certificate"], files["key"])
    with EnvServer(
        gymnasium.make("CartPole-v1"), "framess://127.0.0.1:0", tls=server_tls
    ) as server:
        assert play(server.address, paths["authority"]).stdout == "1\n"


@only_long
def test_the_package_is_found_by_cmake(tmp_path: Path) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("CMake is not installed")

    def run(*arguments: str | Path) -> None:
        command = [cmake, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run("-S", CPP, "-B", tmp_path / "made", f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'prefix'}")
    run("--install", tmp_path / "made")
    user = tmp_path / "user"
    user.mkdir()
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(user CXX)\n"
        "find_package(rlmesh 1.0 REQUIRED)\nadd_executable(user user.cpp)\n"
        "target_link_libraries(user PRIVATE rlmesh::rlmesh)\n"
    )
    (user / "user.cpp").write_text(
        "#include <rlmesh/frames.hpp>\n"
        'int main() { return rlmesh::talks("1.0.0", "1.2.3") ? 0 : 1; }\n'
    )
    run("-S", user, "-B", user / "made", f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}")
    run("--build", user / "made")
    assert subprocess.run([user / "made" / "user"], timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("address", ADDRESSES if LONG else ADDRESSES[1:])
def test_the_kit_finds_no_broken_rule(address: str, tmp_path: Path) -> None:
    with serving(address.format(folder=tmp_path), "s3cret") as where:
        done = finished([*COMMAND, "check", where, "--json"], RLMESH_TOKEN="s3cret", timeout=120)
    assert done.returncode == 0, done.stdout
    checks = json.loads(done.stdout)
    assert checks, done.stdout


@only_long
def test_the_kit_finds_no_broken_rule_of_the_client() -> None:
    program = compiled("tests/kit_client.cpp", *FLAGS)
    done = finished([*COMMAND, "check", "--client", str(program), "--json"], timeout=120)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)
