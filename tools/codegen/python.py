"""Generates gen/python: the distribution rlmesh-proto."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .environment import REPOSITORY, codegen_venv, run
from .relocate import relocate
from .template import fill, put_license, values_of

__all__ = ["generate_python"]


def generate_python(out: Path, root: Path = REPOSITORY) -> None:
    """Write the whole distribution into an empty folder.

    Args:
        out: The empty folder.
        root: Folder that holds spec/ and buf.yaml.
    """
    package = out / "src" / "rlmesh_proto"
    with tempfile.TemporaryDirectory() as raw:
        _protoc(root / "spec" / "proto", Path(raw))
        _move(Path(raw) / "rlmesh" / "proto", package)
    values = values_of(root)
    fill("python/__init__.py.txt", package / "__init__.py", values)
    fill("python/pyproject.toml", out / "pyproject.toml", values)
    fill("python/README.md", out / "README.md", values)
    (package / "py.typed").write_text("")
    put_license(root, out)


def _protoc(protos: Path, out: Path) -> None:
    """Run protoc of grpcio-tools with the plugins of mypy-protobuf."""
    programs = codegen_venv()
    plugins = [
        f"--plugin={programs / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    kinds = ("python", "grpc_python", "mypy", "mypy_grpc")
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    outs = [f"--{kind}_out={out}" for kind in kinds]
    run([programs / "python", "-m", "grpc_tools.protoc", "-I", protos, *plugins, *outs, *files])


def _move(generated: Path, package: Path) -> None:
    """Relocate each module, leaving out `_pb2_grpc` without a service; add `__init__.py` files."""
    for source in sorted(path for path in generated.rglob("*") if path.is_file()):
        text = source.read_text()
        if "_pb2_grpc." in source.name and "Stub" not in text:
            continue
        relative = source.relative_to(generated)
        target = package / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(relocate(text, str(relative)))
    for folder in sorted(path for path in package.rglob("*") if path.is_dir()):
        name = ".".join(("rlmesh", "proto", *folder.relative_to(package).parts))
        (folder / "__init__.py").write_text(f'"""Generated from the protobuf package {name}."""\n')
