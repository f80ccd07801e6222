"""Unix sockets that only their owner reaches, from their first moment on."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from rlmesh._transport.address import Address
from rlmesh._transport.probe import nobody_listens
from rlmesh.errors import AddressError

__all__ = ["OwnedSocket"]

_LONGEST = 107
"""Bytes of a path that the kernel takes (Linux; macOS has 103)."""

_PREFIX = ".r-"


class OwnedSocket:
    """The file of a listening socket.

    The socket is bound in a new directory of mode 0700 beside its path, given mode 0600, and then
    linked to its path: no other user can connect in between, whatever the process's umask, and of
    two servers that start at the same time only one gets the path.

    Args:
        where: Address with the path that clients use. Missing directories above are made, of mode
            0700, and are removed again with the socket, if nothing else is in them.
        listen: Binds a socket to the path that it is given.

    Raises:
        AddressError: If a server listens there, something else is there, or the path is too long.
        OSError: If the directory cannot be written.
    """

    def __init__(self, where: Address, listen: Callable[[str], object]) -> None:
        self._where = where
        self._path = Path(where.path)
        self._made: list[Path] = []
        try:
            _make_private(self._path.parent, self._made)
            self._bind(listen)
        except BaseException:
            self._remove_made()
            raise

    def _bind(self, listen: Callable[[str], object]) -> None:
        private = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._path.parent))
        try:
            self._reclaim(private / "stale")
            bound = private / "s"
            self._check_length(bound)
            listen(str(bound))
            bound.chmod(0o600)
            self._identity = _identity(bound)
            self._link(bound)
        finally:
            shutil.rmtree(private, ignore_errors=True)

    def remove(self) -> None:
        """Remove the file, unless another server has put its own there."""
        if _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)
        self._remove_made()

    def _remove_made(self) -> None:
        """Remove the directories that were made for the socket, unless they are in use."""
        while self._made:
            with contextlib.suppress(OSError):
                self._made.pop().rmdir()

    def _check_length(self, bound: Path) -> None:
        longest = max(len(os.fsencode(path)) for path in (bound, self._path))
        if longest > _LONGEST:
            raise AddressError(
                f"{self._where} is too long: sockets have paths of {_LONGEST} bytes, and "
                f"this one needs {longest} while it is made; choose a shorter directory"
            )

    def _link(self, bound: Path) -> None:
        try:
            os.link(bound, self._path)
        except FileExistsError:
            raise self._taken("something else is there already") from None

    def _reclaim(self, aside: Path) -> None:
        """Remove the file of a server that is gone."""
        stale = _identity(self._path)
        if stale is None:
            return
        if not stat.S_ISSOCK(self._path.lstat().st_mode):
            raise self._taken("something that is no socket is there already")
        if not nobody_listens(self._where):
            raise self._taken("another server is listening there")
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(aside)
            if _identity(aside) != stale:
                # Another server has taken the place meanwhile: it gets it back.
                os.link(aside, self._path)
                raise self._taken("another server is just starting there")

    def _taken(self, why: str) -> AddressError:
        return AddressError(f"cannot listen on {self._where}: {why}")


def _make_private(folder: Path, made: list[Path]) -> None:
    """Make a directory and those above it that are missing, of mode 0700.

    Args:
        folder: The directory.
        made: List that gets each directory that was made, the deepest last.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(0o700)
        except FileExistsError:  # Another server makes it at the same time.
            continue
        made.append(path)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the identity of a file, independent of its name; None if there is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
