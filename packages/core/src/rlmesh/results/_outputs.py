"""The forms in which a run is written and read: files, tables and reports.

`rlmesh.results._formats` has the conversions, which import protobuf, pandas or rich when called.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

from rlmesh._compatibility import compatible
from rlmesh._version import __version__
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.results._formats import formats

__all__ = ["Outputs", "check_written_with"]


Self = TypeVar("Self", bound="Outputs")


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
        return formats().to_bytes(self, backend or NATIVE)

    @classmethod
    def from_bytes(cls: type[Self], data: bytes, *, backend: ArrayBackend | None = None) -> Self:
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
        run: Self = _readable(formats().from_bytes(data, backend or NATIVE))
        return run

    def to_json(self, *, indent: int | None = None, backend: ArrayBackend | None = None) -> str:
        """Return the run as a plain JSON document, which `rlmesh eval --json` writes too.

        The document is described by `spec/schemas/run_result.schema.json`. It has every field, null
        for what is missing, the figures of the run in `summary`, and the settings in `settings`.
        Numbers are numbers. NaN and infinities are null, with "nan", "inf" or "-inf" under the same
        name in the `non_finite` of their object. An integer above 2**53 - 1, such as a seed, is a
        text of its hexadecimal digits ("0xffffffffffffffff"), because readers with double precision
        would change it, and `pandas.read_json` also a text of decimal digits: `int(text, 16)`. In
        infos and metadata, what JSON lacks (arrays, tuples, bytes, keys that are no texts) is an
        object with the one key "$rlmesh".

        The conversion is lossless like `to_bytes`, except for NaN payloads, which JSON lacks.

        Args:
            indent: Number of spaces by which each level is indented; None: all on one line.
            backend: As for `to_bytes`.

        Raises:
            ValueError: As for `to_bytes`.
        """
        return formats().to_json(self, backend or NATIVE, indent)

    @classmethod
    def from_json(
        cls: type[Self], text: str | bytes, *, backend: ArrayBackend | None = None
    ) -> Self:
        """Return the run in a document of `to_json`, or of `to_protojson`.

        Fields that this version does not know are ignored, and so is `summary`.

        Args:
            text: The JSON; bytes are UTF-8.
            backend: As for `from_bytes`.

        Raises:
            CodecError: If it is neither, has a field of another type (at its `path`), or was
                written with an incompatible spec version.
        """
        run: Self = _readable(formats().from_json(text, backend or NATIVE))
        return run

    def to_protojson(
        self, *, indent: int | None = None, backend: ArrayBackend | None = None
    ) -> str:
        """Return the run as a `rlmesh.proto.eval.v1.RunResult` in protobuf's JSON.

        The form is for programs with the generated messages: fields at their defaults are absent,
        64-bit integers are texts, and NaN is "NaN". It is lossless except for NaN payloads.

        Args:
            indent: Number of spaces by which each level is indented; None: all on one line.
            backend: As for `to_bytes`.

        Raises:
            ValueError: As for `to_bytes`.
        """
        return formats().to_protojson(self, backend or NATIVE, indent)

    @classmethod
    def from_protojson(
        cls: type[Self], text: str | bytes, *, backend: ArrayBackend | None = None
    ) -> Self:
        """Return the run in a `rlmesh.proto.eval.v1.RunResult` in protobuf's JSON.

        Fields that this version does not know are ignored.

        Args:
            text: The JSON; bytes are UTF-8.
            backend: As for `from_bytes`.

        Raises:
            CodecError: As for `from_bytes`.
        """
        run: Self = _readable(formats().from_protojson(text, backend or NATIVE))
        return run

    @classmethod
    def from_journal(
        cls: type[Self],
        path: str | os.PathLike[str],
        *,
        backend: ArrayBackend | None = None,
    ) -> Self:
        """Return the run in a journal, as far as it has been played; the run may be going on.

        Its `seconds` are those from the start of the first episode to the end of the last one,
        including a pause before a resumption.

        Args:
            path: File of the journal.
            backend: As for `from_bytes`.

        Raises:
            OSError: If the file cannot be read.
            JournalError: If the file is not a journal, has a broken record before its last one, or
                was written with an incompatible spec version.
        """
        run: Self = formats().from_journal(path, backend or NATIVE)
        return run

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` with one row for each episode, in order.

        Columns: index, seed (nullable UInt64), reward, steps, end (text), success (nullable
        boolean), seconds, predict_seconds, step_seconds, wait_seconds, endpoint, env_id, error and
        error_type (text; None without an error), started_at (Unix time in seconds), task (text,
        empty outside suites), instruction, options (None: none of the episode's own), final_info,
        warnings (dict of counts by kind).

        Raises:
            ImportError: If pandas is not installed.
        """
        return formats().to_dataframe(self)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the episodes as comma-separated values, with a line of names and one an episode.

        Numbers have all their digits ("nan" and "inf" too), success is "true", "false" or empty,
        and options and warnings are JSON. What is missing is empty. A text that begins with "=",
        "+", "-" or "@" gets an apostrophe before it, because spreadsheets would evaluate it.

        Args:
            path: File to which the table is written as UTF-8; None: it is not written.

        Returns:
            The table.

        Raises:
            OSError: If the file cannot be written.
        """
        table = formats().to_csv(self)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(table)
        return table

    def to_html(
        self: Self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        compare: Self | Sequence[Self] | None = None,
        videos: str | os.PathLike[str] | None = None,
    ) -> str:
        """Return a report as one HTML page without scripts that loads nothing from the network.

        Args:
            path: File to which the page is written as UTF-8; None: it is not written.
            title: Heading of the page; None: made from the model's and the environment's names.
            compare: Another run of the same seeds, or several, each for a comparison with this one
                by pairs (see `rlmesh.results.compare`).
            videos: Folder of the run's `rlmesh.record.VideoRecorder`; the page has a link to the
                video of each episode, relative to the page's file. None: no links.

        Returns:
            The page.

        Raises:
            ValueError: If the runs' seeds do not pair; see `compare`.
            OSError: If the file cannot be written.
        """
        html = formats().to_html(self, title, compare, videos, path)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(html)
        return html

    def to_svg(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Write the charts of the page as SVG files, which also have their legends.

        Args:
            folder: Folder of the files; made if there is none. Existing files are replaced.

        Returns:
            The paths of the files, such as "rewards.svg" and "reward-by-seed.svg" in the folder.

        Raises:
            OSError: If a file cannot be written.
        """
        os.makedirs(folder, exist_ok=True)
        paths: list[str] = []
        for name, content in formats().to_svg(self).items():
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(content)
            paths.append(path)
        return tuple(paths)

    def print(self) -> None:
        """Print the run's figures and episodes, with rich if it is installed, else as text."""
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
    """Check that the spec version of a stored run or journal can be read by this one.

    E-8: stored messages are compatible if their major versions are equal; release candidates only
    if they are the same.

    Raises:
        CodecError: If the versions are incompatible.
    """
    if not compatible(__version__, version):
        raise CodecError(
            f"expected a version compatible with {__version__}, got {version!r}; read it with the "
            f"rlmesh that wrote it",
            path="spec_version",
        )
