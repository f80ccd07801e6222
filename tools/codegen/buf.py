"""Finds and runs buf, and builds the spec's image with it."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from .environment import REPOSITORY, codegen_venv, pinned, run

__all__ = ["buf", "digest", "image"]


def buf(*arguments: str | Path, root: Path = REPOSITORY, plugins: Path | None = None) -> bytes:
    """Run the pinned buf and return what it printed.

    Args:
        *arguments: Arguments of buf.
        root: Folder that holds buf.yaml.
        plugins: Folder of plugins for `buf generate`.

    Raises:
        CodegenError: If buf failed, or found faults.
    """
    return run([_program(), *arguments], cwd=root, path=plugins)


def image(root: Path = REPOSITORY) -> bytes:
    """Return the image of the spec: all its descriptors, without comments and positions."""
    return buf("build", ".", "--exclude-source-info", "--output", "-#format=binpb", root=root)


def digest(content: bytes) -> str:
    """Return the SHA-256 of an image, as in `rlmesh_proto.SPEC_DIGEST`."""
    return hashlib.sha256(content).hexdigest()


@functools.cache
def _program() -> Path:
    """Return `.venv/bin/buf` if it is the pinned version, else the one of the codegen venv."""
    development = REPOSITORY / ".venv" / "bin" / "buf"
    if development.is_file() and _version(development) == pinned()["buf-bin"]:
        return development
    return codegen_venv() / "buf"


def _version(program: Path) -> str:
    return run([program, "--version"]).decode().strip()
