"""A check that no other project is installed over this one.

The distribution `rlmesh` on PyPI is another project's, with the same import name and command. If it
is installed as well as rlmesh-core, the files of both lie in one folder, and those of the one that
was installed last have replaced those of the other.
"""

from __future__ import annotations

import os

__all__ = ["check_installation"]

_checked = False


def check_installation() -> None:
    """Warn once if the distribution `rlmesh` is installed in the folder of this package.

    It takes one listing of that folder, because `importlib.metadata` would double the time that
    importing this package takes.
    """
    global _checked
    if _checked:
        return
    _checked = True
    other = _find_other(os.path.dirname(os.path.dirname(__file__)))
    if not other:
        return
    from rlmesh._logs import warn

    warn(
        f"two projects are installed in one folder and have replaced files of each other: "
        f"rlmesh-core, and {other}, which is another project with the same import name. To use "
        f"this one, run: pip uninstall rlmesh; then: pip install --force-reinstall --no-deps "
        f"rlmesh-core",
        RuntimeWarning,
        stacklevel=3,
    )


def _find_other(folder: str) -> str:
    """Return name and version of the distribution `rlmesh` of a folder; empty if there is none."""
    try:
        names = os.listdir(folder)
    except OSError:  # The package may be in an archive.
        return ""
    for name in names:
        # The distributions of this project have an underscore: rlmesh_core-1.0.0.dist-info.
        if name.startswith("rlmesh-") and name.endswith((".dist-info", ".egg-info")):
            return name.rpartition(".")[0].replace("-", " ")
    return ""
