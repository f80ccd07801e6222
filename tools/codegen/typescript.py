"""Generates gen/typescript: the npm package @rlmesh/proto."""

from __future__ import annotations

from pathlib import Path

from .buf import buf
from .environment import REPOSITORY, node_modules
from .template import fill, put_license, values_of

__all__ = ["generate_typescript"]


def generate_typescript(out: Path, root: Path = REPOSITORY) -> None:
    """Write the whole package into an empty folder.

    Args:
        out: The empty folder.
        root: Folder that holds spec/, buf.yaml and buf.gen.yaml.

    Raises:
        CodegenError: If Node or npm is missing.
    """
    buf("generate", "--output", out, root=root, plugins=node_modules() / ".bin")
    values = values_of(root)
    fill("typescript/package.json", out / "package.json", values)
    fill("typescript/README.md", out / "README.md", values)
    fill("typescript/index.js.txt", out / "src" / "index.js", values)
    fill("typescript/index.d.ts.txt", out / "src" / "index.d.ts", values)
    put_license(root, out)
