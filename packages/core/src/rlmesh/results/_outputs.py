"""The forms in which a run is written and read: files, tables and reports.

Functions import the packages that do the work when they are called, because those import this one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from rlmesh._version import __version__
from rlmesh.errors import CodecError

if TYPE_CHECKING:
    from rlmesh.backends import ArrayBackend
    from rlmesh.results._run import RunResult

__all__ = ["Outputs", "check_written_with"]


class Outputs:
    """The methods by which a `RunResult` is written and read."""

    def to_bytes(self, *, backend: ArrayBackend | None = None) -> bytes:
        """Return the run as a serialised `rlmesh.proto.eval.v1.RunResult`.

        The conversion is lossless, including NaN payloads and the sign of zero, except for values
        in infos and metadata that no wire type can hold: each is replaced by its repr, with one
        warning for each key.

        Args:
            backend: Backend that encodes the arrays of infos and metadata, such as
                `rlmesh.jax.BACKEND`; None: the native one, which also reads numbers of NumPy and
                PyTorch.

        Raises:
            ValueError: If a seed, index or number of steps is not within 0 and 2**64 - 1, or a key
                of metadata begins with "rlmesh.".
        """
        from rlmesh._wire.results import run_to_bytes

        return run_to_bytes(self._run, _or_native(backend))

    @classmethod
    def from_bytes(cls, data: bytes, *, backend: ArrayBackend | None = None) -> RunResult:
        """Return the run in a serialised `rlmesh.proto.eval.v1.RunResult`.

        Args:
            data: The message.
            backend: Backend that makes the arrays of infos and metadata, such as
                `rlmesh.numpy.BACKEND`; None: they become `rlmesh.Tensor`, and NumPy's scalars
                become Python numbers.

        Raises:
            CodecError: If `data` is not such a message, breaks a rule of the contract, or was
                written with an incompatible spec version.
        """
        from rlmesh._wire.results import run_from_bytes

        return _readable(run_from_bytes(data, _or_native(backend)))

    def to_json(self, *, indent: int | None = None, backend: ArrayBackend | None = None) -> str:
        """Return the run as a `rlmesh.proto.eval.v1.RunResult` in protobuf's JSON.

        The conversion is lossless like `to_bytes`, except for NaN payloads, which JSON does not
        have: a NaN is "NaN".

        Args:
            indent: Number of spaces by which each level is indented; None: all on one line.
            backend: As for `to_bytes`.

        Raises:
            ValueError: As for `to_bytes`.
        """
        from rlmesh._wire.results import run_to_json

        return run_to_json(self._run, _or_native(backend), indent)

    @classmethod
    def from_json(cls, text: str | bytes, *, backend: ArrayBackend | None = None) -> RunResult:
        """Return the run in a `rlmesh.proto.eval.v1.RunResult` in protobuf's JSON.

        Fields that this version does not know are ignored.

        Args:
            text: The JSON; bytes are UTF-8.
            backend: As for `from_bytes`.

        Raises:
            CodecError: As for `from_bytes`.
        """
        from rlmesh._wire.results import run_from_json

        return _readable(run_from_json(text, _or_native(backend)))

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` with one row for each episode, in order.

        Columns: index, seed (nullable UInt64), reward, steps, end (text), success (nullable
        boolean), seconds, predict_seconds, step_seconds, wait_seconds, endpoint, env_id, error and
        error_type (text; None without an error), started_at (Unix time in seconds), final_info.

        Raises:
            ImportError: If pandas is not installed.
        """
        from rlmesh._reporting.dataframe import dataframe

        return dataframe(self._run)

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        compare: RunResult | None = None,
    ) -> str:
        """Return a report as one HTML page without scripts that loads nothing from the network.

        Args:
            path: File to which the page is written as UTF-8; None: it is not written.
            title: Heading of the page; None: made from the model's and the environment's names.
            compare: Another run of the same seeds, for a comparison by pairs (see `compare`).

        Returns:
            The page.

        Raises:
            ValueError: If the runs' seeds do not pair; see `compare`.
            OSError: If the file cannot be written.
        """
        from rlmesh._reporting.page import page

        html = page(self._run, title, compare)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(html)
        return html

    def print(self) -> None:
        """Print the run's figures and episodes, with rich if it is installed, else as text."""
        from rlmesh._reporting.table import show

        show(self._run)

    def __str__(self) -> str:
        from rlmesh._reporting.table import text

        return text(self._run)

    def __rich__(self) -> Any:
        from rlmesh._reporting.table import rich_table

        return rich_table(self._run)

    def _repr_html_(self) -> str:
        from rlmesh._reporting.page import fragment

        return fragment(self._run)

    @property
    def _run(self) -> RunResult:
        return cast("RunResult", self)


def _or_native(backend: ArrayBackend | None) -> ArrayBackend:
    if backend is not None:
        return backend
    from rlmesh.backends import NATIVE

    return NATIVE


def _readable(run: RunResult) -> RunResult:
    check_written_with(run.spec_version)
    return run


def check_written_with(version: str) -> None:
    """Check that the spec version of a stored run or journal can be read by this one.

    E-8: stored messages are compatible if their major versions are equal; release candidates only
    if they are the same.

    Raises:
        CodecError: If the versions are incompatible.
    """
    from rlmesh._session.versions import compatible

    if not compatible(__version__, version):
        raise CodecError(
            f"expected a version compatible with {__version__}, got {version!r}; read it with the "
            f"rlmesh that wrote it",
            path="spec_version",
        )
