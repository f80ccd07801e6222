"""The released images: spec/releases/<version>.binpb."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..codegen.buf import image
from ..codegen.environment import CodegenError
from ..versions.version import Version

__all__ = ["image_path", "released", "spec_version", "write_release"]


def spec_version(root: Path) -> Version:
    """Return the version in spec/VERSION.

    Raises:
        CodegenError: If the text is not a version.
    """
    try:
        return Version.parse((root / "spec" / "VERSION").read_text().strip())
    except ValueError as error:
        raise CodegenError(f"spec/VERSION: {error}") from None


def image_path(root: Path, version: Version) -> Path:
    """Return the path of the image of a version."""
    return root / "spec" / "releases" / f"{version}.binpb"


def released(root: Path) -> list[Version]:
    """Return the versions that have an image, oldest first.

    Raises:
        CodegenError: If the name of an image is not a version.
    """
    files = (root / "spec" / "releases").glob("*.binpb")
    try:
        return sorted(Version.parse(path.stem) for path in files)
    except ValueError as error:
        raise CodegenError(f"spec/releases: {error}") from None


def write_release(root: Path, *, force_rc: bool = False) -> bool:
    """Write the image of spec/VERSION; return whether that changed a file.

    Args:
        root: Folder that holds spec/ and buf.yaml.
        force_rc: Whether to replace the image of a candidate that is not tagged yet.

    Raises:
        CodegenError: If there is a different image, which must stay.
    """
    version, head = spec_version(root), image(root)
    path = image_path(root, version)
    if path.exists() and path.read_bytes() == head:
        return False
    if path.exists():
        _assert_replaceable(root, version, force_rc)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head)
    return True


def _assert_replaceable(root: Path, version: Version, force_rc: bool) -> None:
    """Refuse to replace the image of a version that others may have used."""
    there = f"spec/releases/{version}.binpb is the image of another spec"
    raise_it = "raise the version (python3 -m tools.versions bump)"
    if version.final:
        raise CodegenError(f"{there}, and {version} is sealed: {raise_it}")
    if _tagged(root, version):
        raise CodegenError(f"{there}, and the tag v{version} marks it as released: {raise_it}")
    if not force_rc:
        raise CodegenError(f"{there}: {raise_it}, or pass --force-rc if {version} is unpublished")


def _tagged(root: Path, version: Version) -> bool:
    """Return whether git has the tag of a version; False without git."""
    command = ["git", "tag", "--list", f"v{version}"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
