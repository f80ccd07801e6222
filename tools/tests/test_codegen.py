"""Generated code works, and the check of gen/ finds every kind of difference."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.size import only_long
from tools.codegen import __main__ as command
from tools.codegen.buf import digest, image
from tools.codegen.environment import REPOSITORY, CodegenError, has_npm, pinned
from tools.codegen.python import generate_python
from tools.codegen.trees import differences, replace
from tools.codegen.typescript import generate_typescript
from tools.lock.__main__ import FILES as LOCKED

PACKAGE = Path("src/rlmesh_proto")
USE = """
import importlib, json, pathlib, pickle, sys
import rlmesh_proto
assert not [name for name in sys.modules if name.startswith(("google", "grpc", "rlmesh_proto."))]
package = pathlib.Path(rlmesh_proto.__file__).parent
for path in sorted(package.rglob("*.py")):
    parts = path.relative_to(package.parent).with_suffix("").parts
    importlib.import_module(".".join(parts).removesuffix(".__init__"))
from rlmesh_proto.env.v1 import env_pb2
message = env_pb2.ShutdownRequest(drain_ms=7)
again = pickle.loads(pickle.dumps(message))
assert again == message and type(again) is type(message)
assert not any(name == "rlmesh" or name.startswith("rlmesh.") for name in sys.modules)
service = env_pb2.DESCRIPTOR.services_by_name["EnvService"].full_name
print(json.dumps([rlmesh_proto.SPEC_VERSION, rlmesh_proto.SPEC_DIGEST, service]))
"""


@pytest.fixture(scope="module")
def generated_once(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the spec with its gen/python."""
    root = shutil.copytree(released, tmp_path_factory.mktemp("generated") / "tree")
    assert command.main(["--root", str(root), "--only", "python"]) == 0
    return Path(root)


@pytest.fixture
def generated(generated_once: Path, tmp_path: Path) -> Path:
    """Return a copy of that copy."""
    return Path(shutil.copytree(generated_once, tmp_path / "tree"))


def checked(tree: Path) -> int:
    return command.main(["--root", str(tree), "--only", "python", "--check"])


def without_projects(entries: list[str], repository: Path) -> list[str]:
    """Return the import path without the source folders of a checkout's own packages."""
    sources = {repository, repository / "gen" / "python" / "src"}
    sources |= {
        repository / "packages" / name / "src" for name in ("core", "numpy", "torch", "jax")
    }
    return [entry for entry in entries if Path(entry) not in sources]


@pytest.mark.parametrize("folder", ["rlmesh", "gen", "src", "a folder"])
def test_a_checkout_of_any_name_keeps_its_virtual_environment(folder: str) -> None:
    repository = Path("/") / folder / folder
    kept = ["/usr/lib/python3.11", str(repository / ".venv/lib/python3.11/site-packages")]
    ours = [
        str(repository),
        *(f"{repository}/{x}" for x in ("gen/python/src", "packages/core/src")),
    ]
    assert without_projects([*ours, *kept], repository) == kept


def test_the_python_package_works(generated: Path) -> None:
    src = generated / "gen" / "python" / "src"
    path = [str(src), *without_projects(sys.path, REPOSITORY)]
    program = f"import sys; sys.path[:] = {path!r}\n{USE}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = ["1.0.0rc1", digest(image(generated)), "rlmesh.proto.env.v1.EnvService"]
    assert json.loads(done.stdout) == expected


def test_only_services_have_grpc_modules(generated: Path) -> None:
    package = generated / "gen" / "python" / PACKAGE
    for module in package.rglob("*_pb2.py"):
        name = module.relative_to(package).with_suffix(".proto").as_posix().replace("_pb2", "")
        text = (generated / "spec" / "proto" / "rlmesh" / "proto" / name).read_text()
        has_service = "\nservice " in text
        for suffix in ("_pb2_grpc.py", "_pb2_grpc.pyi"):
            assert module.with_name(module.stem[: -len("_pb2")] + suffix).is_file() == has_service
        assert module.with_suffix(".pyi").is_file()
    assert (package / "py.typed").is_file()


def test_generation_repeats_itself(generated: Path, tmp_path: Path) -> None:
    generate_python(tmp_path / "again", generated)
    assert differences(tmp_path / "again", generated / "gen" / "python") == []
    assert replace(tmp_path / "again", generated / "gen" / "python") == 0
    assert checked(generated) == 0


def test_the_check_finds_a_stale_file(generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (generated / "gen" / "python" / PACKAGE / "env" / "v1" / "gone_pb2.py").write_text("")
    assert checked(generated) == 1
    assert "gen/python/src/rlmesh_proto/env/v1/gone_pb2.py: stale" in capsys.readouterr().err


def test_the_check_finds_a_missing_file(
    generated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (generated / "gen" / "python" / PACKAGE / "py.typed").unlink()
    assert checked(generated) == 1
    assert "gen/python/src/rlmesh_proto/py.typed: missing" in capsys.readouterr().err


def test_the_check_finds_an_edited_file(
    generated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (generated / "gen" / "python" / "pyproject.toml").open("a") as file:
        file.write("\n")
    assert checked(generated) == 1
    assert "gen/python/pyproject.toml: different" in capsys.readouterr().err


def test_the_check_finds_a_changed_spec(
    generated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proto = generated / "spec" / "proto" / "rlmesh" / "proto" / "env" / "v1" / "env.proto"
    proto.write_text(proto.read_text().replace("uint32 drain_ms = 1;", "uint64 drain_ms = 1;"))
    assert checked(generated) == 1
    said = capsys.readouterr().err
    assert "env/v1/env_pb2.py: different" in said
    assert "rlmesh_proto/__init__.py: different" in said


def test_generation_removes_what_is_stale_and_keeps_what_is_ours(generated: Path) -> None:
    python = generated / "gen" / "python"
    (python / PACKAGE / "old" / "v1").mkdir(parents=True)
    (python / PACKAGE / "old" / "v1" / "old_pb2.py").write_text("")
    (python / "BUILD").write_text("")
    (python / PACKAGE / "__pycache__").mkdir()
    (python / PACKAGE / "__pycache__" / "x.pyc").write_text("")
    assert checked(generated) == 1
    assert command.main(["--root", str(generated), "--only", "python"]) == 0
    assert checked(generated) == 0
    assert (python / "BUILD").is_file()
    assert not (python / PACKAGE / "old").exists()


def test_typescript_needs_npm(
    generated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.codegen.environment.has_npm", lambda: False)
    monkeypatch.setattr(command, "has_npm", lambda: False)
    with pytest.raises(CodegenError, match="install Node"):
        generate_typescript(generated / "out", generated)
    assert command.main(["--root", str(generated)]) == 1
    assert command.main(["--root", str(generated), "--check"]) == 0
    assert "gen/typescript: NOT CHECKED" in capsys.readouterr().err


@only_long
@pytest.mark.skipif(not has_npm(), reason="npm is missing")
def test_the_typescript_package(tree: Path) -> None:
    only = ["--root", str(tree), "--only", "typescript"]
    assert command.main(only) == 0
    assert command.main([*only, "--check"]) == 0
    package = tree / "gen" / "typescript"
    manifest = json.loads((package / "package.json").read_text())
    assert (manifest["name"], manifest["version"]) == ("@rlmesh/proto", "1.0.0-rc.1")
    code = (package / "src" / "rlmesh" / "proto" / "env" / "v1" / "env_pb.js").read_text()
    assert 'from "./contract_pb.js"' in code, "Node's ESM wants the extension"
    assert digest(image(tree)) in (package / "src" / "index.js").read_text()
    shutil.rmtree(package / "src" / "rlmesh" / "proto" / "eval")
    assert command.main([*only, "--check"]) == 1


def test_the_generators_are_the_oldest_useful_ones() -> None:
    assert pinned()["grpcio-tools"] == "1.62.3"
    assert pinned()["mypy-protobuf"] == "3.6.0"


@pytest.mark.parametrize("name", LOCKED)
def test_the_lock_names_no_machine(name: str) -> None:
    path = REPOSITORY / "requirements" / f"{name}.txt"
    lock = path.read_text()
    assert not [word for word in ("://", "file:", "--index", "--find-links") if word in lock]
    wheels = lock.count("--hash=sha256:")
    assert wheels >= len(pinned(path)) > 0
