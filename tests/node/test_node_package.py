"""The package as `npm pack` makes it, in an empty project with the examples of its README."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from rlmesh import EnvServer, ServeOptions
from rlmesh.numpy import RemoteEnv
from tests.node.programs import build_or_skip
from tests.size import only_long
from tools.node.package import PACKAGE, PROTO

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]

ADDRESS = "frames://127.0.0.1:5555"
# The declarations of other packages are not checked, which takes most of the compiler's time.
TSCONFIG = {"strict": True, "module": "nodenext", "target": "es2022", "skipLibCheck": True}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which both packages are installed as they would be published."""
    build_or_skip()
    folder = tmp_path_factory.mktemp("project")
    modules = folder / "node_modules"
    for source, name in ((PROTO, "proto"), (PACKAGE, "client")):
        # The script "prepack" would compile once more, under the feet of tests of other workers.
        options = ["--json", "--ignore-scripts", "--pack-destination", str(folder)]
        command = ["npm", "pack", *options, str(source)]
        packed = json.loads(_run(command, folder).stdout)[0]["filename"]
        with tarfile.open(folder / packed) as archive:
            archive.extractall(folder, filter="data")
        (modules / "@rlmesh").mkdir(parents=True, exist_ok=True)
        (folder / "package").rename(modules / "@rlmesh" / name)
    for name in ("@bufbuild", "@types", "undici-types"):
        (modules / name).symlink_to(PACKAGE / "node_modules" / name)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": {**TSCONFIG, "types": ["node"]}})
    )
    return folder


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_package_has_its_sources_and_nothing_else(project: Path) -> None:
    package = project / "node_modules" / "@rlmesh" / "client"
    found = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    modules = {path.stem for path in (PACKAGE / "src").glob("*.ts")}
    compiled = {f"dist/src/{name}{end}" for name in modules for end in (".js", ".d.ts")}
    assert found == {"package.json", "README.md", "LICENSE", *compiled}
    manifest = json.loads((package / "package.json").read_text())
    assert set(manifest["dependencies"]) == {"@bufbuild/protobuf", "@rlmesh/proto"}
    assert "private" not in manifest
    entries = {entry["default"] for entry in manifest["exports"].values() if type(entry) is dict}
    assert entries == {f"./dist/src/{name}.js" for name in ("index", "browser", "grpc")}


PROGRAM = """
const { RemoteEnv } = await import(process.argv[2]);
const env = await RemoteEnv.connect(process.argv[3]);
const { observation } = await env.reset({ seed: 3 });
console.log(observation.data.length);
await env.close();
"""


@only_long
def test_it_is_installed_without_grpc_and_used_with_it(project: Path, tmp_path: Path) -> None:
    """Install the packed files in an empty project by npm."""
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "play.js").write_text(PROGRAM)
    _run([*install, *sorted(str(path) for path in project.glob("*.tgz"))], tmp_path)
    assert not (tmp_path / "node_modules" / "@grpc").exists()
    env = gymnasium.make("CartPole-v1")
    with EnvServer(env, "frames://127.0.0.1:0") as served:
        assert _run(["node", "play.js", "@rlmesh/client", served.address], tmp_path).stdout == "4\n"
    options = ServeOptions(websocket_port=0)
    with EnvServer(gymnasium.make("CartPole-v1"), "127.0.0.1:0", options=options) as served:
        flag, entry = "--experimental-websocket", "@rlmesh/client/browser"
        play = ["node", flag, "play.js", entry, str(served.websocket_address)]
        assert _run(play, tmp_path).stdout == "4\n"
    with EnvServer(gymnasium.make("CartPole-v1"), "127.0.0.1:0") as served:
        play = ["node", "play.js", "@rlmesh/client/grpc", served.address]
        missing = subprocess.run(play, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert missing.returncode != 0 and "@grpc/grpc-js" in missing.stderr
        version = json.loads((PACKAGE / "package.json").read_text())["devDependencies"][
            "@grpc/grpc-js"
        ]
        _run([*install, f"@grpc/grpc-js@{version}"], tmp_path)
        assert _run(play, tmp_path).stdout == "4\n"


@only_long
def test_the_examples_of_the_readme_run(project: Path) -> None:
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    client, server, codec = re.findall(r"^```ts\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    with EnvServer(gymnasium.make("CartPole-v1"), "frames://127.0.0.1:0") as served:
        (project / "client.ts").write_text(client.replace(ADDRESS, served.address))
        (project / "server.ts").write_text(server.replace(ADDRESS, "frames://127.0.0.1:0"))
        declared = "declare const bytes: Uint8Array;\n"
        (project / "codec.ts").write_text(declared + codec)
        _run(["node", str(PACKAGE / "node_modules" / "typescript" / "bin" / "tsc")], project)
        printed = _run(["node", "client.js"], project).stdout
        assert "Float32Array(4)" in printed and printed.endswith("1 false\n")
    with _started(project / "server.js") as process:
        address = process.stdout.readline().strip()
        with RemoteEnv(address) as remote:
            remote.reset()
            assert [remote.step(1)[0] for _ in range(3)] == [1, 2, 3]
        process.terminate()


def _started(program: Path) -> Any:
    node = shutil.which("node")
    assert node is not None
    return subprocess.Popen([node, str(program)], stdout=subprocess.PIPE, text=True)
