"""What a run is written as: files, tables and reports.

`rlmesh.results._formats` has the conversions, which import protobuf, pandas or rich when called.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from rlmesh._compatibility import compatible
from rlmesh._version import __version__
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.results._formats import formats

__all__ = ["Outputs", "check_written_with"]


Self = TypeVar("Self", bound="Outputs")


class Outputs:
    """The ways in which a `RunResult` is written, and read."""

    def to_bytes(self, *, backend: ArrayBackend | None = None) -> bytes:
        """The run as a serialised `rlmesh.proto.eval.v1.RunResult`.

        Everything comes back from it, NaN payloads and the sign of zero included, but for what no
        wire type holds: that is replaced by its repr in infos and metadata, with a warning a key.

        Args:
            backend: Who knows the arrays of infos and metadata, such as `rlmesh.jax.BACKEND`; None:
                the native one, which knows numbers of NumPy and PyTorch too.

        Raises:
            ValueError: If a seed, index or number of steps is not within 0 and 2**64 - 1, or a key
                of metadata begins with "rlmesh.".
        """
        return formats().to_bytes(self, backend or NATIVE)

    @classmethod
    def from_bytes(cls: type[Self], data: bytes, *, backend: ArrayBackend | None = None) -> Self:
        """The run of a serialised `rlmesh.proto.eval.v1.RunResult`.

        Args:
            data: The message.
            backend: Who makes the arrays of infos and metadata, such as `rlmesh.numpy.BACKEND`;
                None: they become `rlmesh.Tensor`, and NumPy's scalars numbers of Python.

        Raises:
            CodecError: If it is not one, breaks a rule of the contract, or was written with a spec
                version that does not talk to this one.
        """
        run: Self = _readable(formats().from_bytes(data, backend or NATIVE))
        return run

    def to_json(self, *, indent: int | None = None, backend: ArrayBackend | None = None) -> str:
        """The run as a `rlmesh.proto.eval.v1.RunResult` in protobuf's JSON.

        Lossless as `to_bytes` is, but for NaN payloads, which JSON does not have: a NaN is "NaN".

        Args:
            indent: Spaces by which each level is indented; None: all on one line.
            backend: As of `to_bytes`.

        Raises:
            ValueError: As of `to_bytes`.
        """
        return formats().to_json(self, backend or NATIVE, indent)

    @classmethod
    def from_json(
        cls: type[Self], text: str | bytes, *, backend: ArrayBackend | None = None
    ) -> Self:
        """The run of a `rlmesh.proto.eval.v1.RunResult` in protobuf's JSON.

        Fields that this version does not know are ignored.

        Args:
            text: The JSON; bytes are UTF-8.
            backend: As of `from_bytes`.

        Raises:
            CodecError: As of `from_bytes`.
        """
        run: Self = _readable(formats().from_json(text, backend or NATIVE))
        return run

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame` with one row an episode, in order.

        Columns: index, seed (nullable UInt64), reward, steps, end (text), success (nullable
        boolean), seconds, predict_seconds, step_seconds, wait_seconds, endpoint, env_id, error and
        error_type (text; None without an error), started_at (Unix time in seconds), final_info.

        Raises:
            ImportError: If pandas is not installed.
        """
        return formats().to_dataframe(self)

    def to_html(
        self: Self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        compare: Self | None = None,
    ) -> str:
        """A report in one HTML page that fetches nothing: no network, no script.

        Args:
            path: File to write it to as UTF-8; None: none.
            title: Its heading; None: made of the model's and the environment's names.
            compare: Another run of the same seeds, for a comparison by pairs (`compare`).

        Returns:
            The page.

        Raises:
            ValueError: If the runs' seeds do not pair; see `compare`.
            OSError: If the file cannot be written.
        """
        html = formats().to_html(self, title, compare)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(html)
        return html

    def print(self) -> None:
        """Print the run's figures and episodes: by rich where that is installed, else as text."""
        formats().print(self)

    def __str__(self) -> str:
        return formats().to_text(self)

    def __rich__(self) -> Any:
        return formats().to_rich(self)

    def _repr_html_(self) -> str:
        return formats().to_html_fragment(self)


def _readable(run: Any) -> Any:
    check_written_with(run.spec_version)
    return run


def check_written_with(version: str) -> None:
    """Check that what is stored was written with a spec version that talks to ours (E-8).

    Raises:
        CodecError: If it was not.
    """
    if not compatible(__version__, version):
        raise CodecError(
            f"expected a version that talks to {__version__}, got {version!r}; read it with the "
            f"rlmesh that wrote it",
            path="spec_version",
        )
