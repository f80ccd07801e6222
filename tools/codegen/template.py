"""Fills the templates of the files that are generated beside the schema's own code."""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template

from ..versions.version import Version
from .buf import digest, image
from .environment import pinned, pinned_npm

__all__ = ["fill", "put_license", "values_of"]

TEMPLATES = Path(__file__).parent / "templates"


def values_of(root: Path) -> dict[str, str]:
    """Return the values for templates: versions of the spec and of the generators, the digest."""
    version = Version.parse((root / "spec" / "VERSION").read_text().strip())
    generators = pinned() | pinned_npm()
    return {
        "version": str(version),
        "npm_version": version.npm,
        "digest": digest(image(root)),
        "grpcio_tools": generators["grpcio-tools"],
        "mypy_protobuf": generators["mypy-protobuf"],
        "protobuf_es": generators["@bufbuild/protobuf"],
        "protoc_gen_es": generators["@bufbuild/protoc-gen-es"],
    }


def fill(template: str, target: Path, values: dict[str, str]) -> None:
    """Write one template of templates/ to a file.

    Raises:
        KeyError: If the template names a value that is not among `values`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(Template((TEMPLATES / template).read_text()).substitute(values))


def put_license(root: Path, out: Path) -> None:
    """Copy the repository's licence into a package, because each is published on its own."""
    if (root / "LICENSE").is_file():
        shutil.copyfile(root / "LICENSE", out / "LICENSE")
