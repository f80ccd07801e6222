"""Checks that all places state one version, and raises them together."""

from __future__ import annotations

from pathlib import Path

from .changelogs import add_heading, changelogs, has_entry
from .places import places
from .version import Version

__all__ = ["bump", "check"]


def check(root: Path) -> list[str]:
    """Return the places that disagree with spec/VERSION, one text for each."""
    version = _current(root)
    faults: list[str] = []
    for place in places(root):
        name = place.path.relative_to(root)
        if place.path.is_file():
            faults += [f"{name}: {fault}" for fault in place.faults(version)]
        else:
            faults.append(f"{name}: is missing")
    for path in changelogs(root):
        if not has_entry(path, version):
            faults.append(f"{path.relative_to(root)}: no entry under a heading '## {version}'")
    return faults + _unversioned(root)


def bump(root: Path, version: Version) -> list[Path]:
    """State a higher version everywhere but in gen/; return the files that were written.

    Raises:
        ValueError: If the version is not above that of spec/VERSION.
    """
    current = _current(root)
    if not version > current:
        raise ValueError(f"{version} is not above {current}, the version of spec/VERSION")
    written = [place for place in places(root) if not place.generated]
    for place in written:
        place.rewrite(version)
    for path in changelogs(root):
        add_heading(path, version)
    return sorted({place.path for place in written} | set(changelogs(root)))


def _current(root: Path) -> Version:
    """Return the version in spec/VERSION.

    Raises:
        ValueError: If the text is not a version.
    """
    return Version.parse((root / "spec" / "VERSION").read_text().strip())


def _unversioned(root: Path) -> list[str]:
    """Return the Python packages without a `_version.py`."""
    projects = sorted((root / "packages").glob("*/pyproject.toml"))
    return [
        f"{project.parent.relative_to(root)}: no src/*/_version.py"
        for project in projects
        if not any(project.parent.glob("src/*/_version.py"))
    ]
