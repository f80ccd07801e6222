"""The checks of the spec; each returns its faults, one text for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..codegen.buf import buf, digest, image
from ..codegen.environment import CodegenError
from ..versions.changelogs import has_entry
from .releases import image_path, released, spec_version

__all__ = ["CHECKS", "breaking", "changelog", "formatted", "lint", "unchanged"]


def lint(root: Path) -> list[str]:
    """Check the rules STANDARD and COMMENTS, as configured in buf.yaml."""
    return _faults("lint", root=root)


def formatted(root: Path) -> list[str]:
    """Check that the layout of the files is that of `buf format`."""
    return _faults("format", "--diff", "--exit-code", root=root)


def breaking(root: Path, *, own: bool = True) -> list[str]:
    """Check that nothing was removed that a released peer relies on.

    HEAD is compared with the image of VERSION and with every sealed version of the same major.
    Earlier candidates are left out, because a new one may break them.

    Args:
        root: Folder that holds spec/ and buf.yaml.
        own: Whether to compare with the image of VERSION.
    """
    version = spec_version(root)
    faults: list[str] = []
    for other in released(root):
        if own if other == version else (other.final and other.major == version.major):
            against = image_path(root, other)
            found = _faults("breaking", ".", "--against", str(against), root=root)
            faults += [f"breaks {other}: {fault}" for fault in found]
    return faults


def unchanged(root: Path) -> list[str]:
    """Check that HEAD's image is that of VERSION, and VERSION is the newest that has one."""
    version, versions = spec_version(root), released(root)
    if versions and versions[-1] > version:
        return [f"spec/VERSION is {version}, but spec/releases has {versions[-1]}"]
    path = image_path(root, version)
    if not path.is_file():
        return [f"spec/releases/{version}.binpb is missing; run: python3 -m tools.spec release"]
    head, sealed = image(root), path.read_bytes()
    if head == sealed:
        return []
    images = f"image {digest(head)[:12]}, released {digest(sealed)[:12]}"
    fault = (
        f"the spec is not that of spec/releases/{version}.binpb ({images}): raise the version "
        "(python3 -m tools.versions bump), add a line to spec/CHANGELOG.md, then "
        "python3 -m tools.spec release"
    )
    return [fault]


def changelog(root: Path) -> list[str]:
    """Check that spec/CHANGELOG.md has a heading for VERSION, with text below it."""
    version = spec_version(root)
    if has_entry(root / "spec" / "CHANGELOG.md", version):
        return []
    return [f"spec/CHANGELOG.md has no entry under a heading '## {version}'"]


CHECKS: dict[str, Callable[[Path], list[str]]] = {
    "lint": lint,
    "format": formatted,
    "breaking": breaking,
    "unchanged": unchanged,
    "changelog": changelog,
}


def _faults(*arguments: str, root: Path) -> list[str]:
    """Return the faults that buf reports; it prints them and exits with a status of its own."""
    try:
        buf(*arguments, root=root)
    except CodegenError as error:
        return [str(error)]
    return []
