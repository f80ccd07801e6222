"""Compares a freshly generated folder with the committed one, and updates the latter."""

from __future__ import annotations

from pathlib import Path

__all__ = ["differences", "replace"]

# Files in gen/ that are not generated: build files written by hand, and leftovers of tools.
_FOREIGN_NAMES = {"BUILD", "BUILD.pants", "package-lock.json"}
_FOREIGN_FOLDERS = {"__pycache__", "node_modules", "build", "dist", ".mypy_cache", ".ruff_cache"}


def differences(fresh: Path, committed: Path) -> list[str]:
    """Return the differences of the committed folder, one line for each file.

    Args:
        fresh: Folder that was just generated.
        committed: Folder in the repository.
    """
    new, old = _files(fresh), _files(committed)
    faults = [(name, "missing") for name in new - old]
    faults += [(name, "stale: nothing generates it") for name in old - new]
    for name in new & old:
        if (fresh / name).read_bytes() != (committed / name).read_bytes():
            faults.append((name, "different"))
    return [f"{committed.name}/{name}: {fault}" for name, fault in sorted(faults)]


def replace(fresh: Path, committed: Path) -> int:
    """Make the committed folder equal the fresh one; return the number of changed files.

    Files that are equal keep their times, so that nothing is rebuilt without need.
    """
    new, old = _files(fresh), _files(committed)
    changed = old - new
    for name in changed:
        (committed / name).unlink()
        _prune((committed / name).parent, committed)
    for name in new:
        content, target = (fresh / name).read_bytes(), committed / name
        if name not in old or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            changed.add(name)
    return len(changed)


def _files(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not _foreign(path)}


def _foreign(path: Path) -> bool:
    folders = path.parts[:-1]
    return path.name in _FOREIGN_NAMES or any(
        name in _FOREIGN_FOLDERS or name.endswith(".egg-info") for name in folders
    )


def _prune(folder: Path, top: Path) -> None:
    """Remove a folder that has become empty, and empty folders above it below `top`."""
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
