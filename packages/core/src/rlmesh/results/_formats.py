"""`ResultFormats`: the conversions behind the methods of `RunResult` that write and read a run.

The rooms that convert a run (`_wire`, `_reporting`) import `rlmesh.results`, so `rlmesh.results`
does not import them: `rlmesh` installs an implementation when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rlmesh.backends import ArrayBackend

__all__ = ["ResultFormats", "formats", "install"]


class ResultFormats(Protocol):
    """Conversions of a `RunResult`; the errors are those of the methods that call them."""

    def to_bytes(self, run: Any, backend: ArrayBackend) -> bytes:
        """Return the serialised `rlmesh.proto.eval.v1.RunResult`."""
        ...

    def from_bytes(self, data: bytes, backend: ArrayBackend) -> Any:
        """Return the run of a serialised message."""
        ...

    def to_json(self, run: Any, backend: ArrayBackend, indent: int | None) -> str:
        """Return the plain JSON document."""
        ...

    def from_json(self, text: str | bytes, backend: ArrayBackend) -> Any:
        """Return the run of a plain JSON document, or of a message in protobuf's JSON."""
        ...

    def to_protojson(self, run: Any, backend: ArrayBackend, indent: int | None) -> str:
        """Return the message in protobuf's JSON."""
        ...

    def from_protojson(self, text: str | bytes, backend: ArrayBackend) -> Any:
        """Return the run of a message in protobuf's JSON."""
        ...

    def from_journal(self, path: Any, backend: ArrayBackend) -> Any:
        """Return the run of a journal."""
        ...

    def to_dataframe(self, run: Any) -> Any:
        """Return a `pandas.DataFrame` with one row per episode."""
        ...

    def to_csv(self, run: Any) -> str:
        """Return a table with one line for each episode."""
        ...

    def to_html(self, run: Any, title: str | None, compared: Any, videos: Any, path: Any) -> str:
        """Return a report as one HTML page.

        `compared` is another run, or None. `videos` is a folder, or None; the page, at `path`,
        links to its files.
        """
        ...

    def to_svg(self, run: Any) -> dict[str, str]:
        """Return the content of a file for each chart, by the file's name."""
        ...

    def to_html_fragment(self, run: Any) -> str:
        """Return a report as HTML for a notebook's cell."""
        ...

    def to_text(self, run: Any) -> str:
        """Return a report as plain text."""
        ...

    def to_rich(self, run: Any) -> Any:
        """Return a report as a renderable of rich."""
        ...

    def print(self, run: Any) -> None:
        """Print a report, by rich if it is installed."""
        ...


_installed: list[ResultFormats] = []


def install(implementation: ResultFormats) -> None:
    """Set the implementation that `formats` returns."""
    _installed[:] = [implementation]


def formats() -> ResultFormats:
    """Return the implementation that `rlmesh` has installed."""
    return _installed[0]
