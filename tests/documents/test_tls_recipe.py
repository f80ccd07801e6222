"""The section TLS of docs/deploying.md: servers and clients use what its commands make."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions, errors
from tests.documents.blocks import labelled
from tests.integration.cli_processes import COMMAND
from tests.integration.envs import CounterEnv
from tests.processes import finished, running

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

RECIPE, COMMANDS = labelled("tls-recipe"), labelled("tls-commands")
CLIENT = labelled("tls-client")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the recipe was run."""
    path = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        ["sh", "-euc", RECIPE], cwd=path, capture_output=True, text=True, timeout=120
    )
    assert made.returncode == 0, made.stderr
    return path


def placed(text: str, folder: Path, address: str) -> str:
    """Return a text with the paths of files, and another address."""
    text = re.sub(r"\b([\w-]+\.pem)\b", lambda match: str(folder / match[1]), text)
    assert "grpcs://127.0.0.1:5555" in text
    return text.replace("grpcs://127.0.0.1:5555", address)


def test_the_recipe_runs_as_it_stands(folder: Path) -> None:
    pytest.importorskip("gymnasium")
    pytest.importorskip("rich")
    pytest.importorskip("typer")
    serve, inspect = COMMANDS.splitlines()
    words = shlex.split(placed(serve, folder, "grpcs://127.0.0.1:0"))
    assert words[0] == "rlmesh"
    with running([*COMMAND, *words[1:]], fresh=True) as server:
        address = server.wait_for(r"serving CartPole-v1 on (grpcs://\S+)\n").group(1)
        looked = finished([*COMMAND, *shlex.split(placed(inspect, folder, address))[1:]])
        assert looked.returncode == 0, looked.stderr
        assert "CartPole-v1" in looked.stdout
        played = finished(["-c", placed(CLIENT, folder, address)], fresh=True)
        assert (played.returncode, played.stderr) == (0, "")
        assert server.stop() == 0


@pytest.mark.parametrize("transport", ["grpc", "frames"])
def test_its_certificates_serve_each_transport(folder: Path, transport: str) -> None:
    authority = folder / "ca.pem"
    own = TLS(folder / "server.pem", folder / "server-key.pem", authority)
    options = ServeOptions(frames=False, frames_port=0)
    client = TLS(folder / "client.pem", folder / "client-key.pem", authority)
    with EnvServer(CounterEnv(), "grpcs://127.0.0.1:0", tls=own, options=options) as server:
        for host in ("127.0.0.1", "localhost"):
            address = server.address.replace("127.0.0.1", host)
            with RemoteEnv(address, tls=client, transport=transport) as remote:  # type: ignore[arg-type]
                assert remote.transport == transport
                assert remote.reset()[0] == 0
        with pytest.raises(errors.ConnectError, match="mutual TLS"):
            RemoteEnv(server.address, tls=TLS(authority=authority), connect_timeout=5)
