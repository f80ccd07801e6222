"""`LazyResultFormats`: the implementation of `rlmesh.results._formats.ResultFormats`.

Each method imports what it needs when it is called, because protobuf, pandas and rich are slow to
import, and the last two are optional.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlmesh.backends import ArrayBackend

__all__ = ["LazyResultFormats"]


class LazyResultFormats:
    """See `rlmesh.results._formats.ResultFormats`."""

    def to_bytes(self, run: Any, backend: ArrayBackend) -> bytes:
        """See `ResultFormats.to_bytes`."""
        from rlmesh._wire.results import run_to_bytes

        return run_to_bytes(run, backend)

    def from_bytes(self, data: bytes, backend: ArrayBackend) -> Any:
        """See `ResultFormats.from_bytes`."""
        from rlmesh._wire.results import run_from_bytes

        return run_from_bytes(data, backend)

    def to_json(self, run: Any, backend: ArrayBackend, indent: int | None) -> str:
        """See `ResultFormats.to_json`."""
        from rlmesh._reporting.json_document import json_text

        return json_text(run, backend, indent)

    def from_json(self, text: str | bytes, backend: ArrayBackend) -> Any:
        """See `ResultFormats.from_json`."""
        from rlmesh._reporting.json_reader import run_of_json

        return run_of_json(text, backend)

    def to_protojson(self, run: Any, backend: ArrayBackend, indent: int | None) -> str:
        """See `ResultFormats.to_protojson`."""
        from rlmesh._wire.results import run_to_protojson

        return run_to_protojson(run, backend, indent)

    def from_protojson(self, text: str | bytes, backend: ArrayBackend) -> Any:
        """See `ResultFormats.from_protojson`."""
        from rlmesh._wire.results import run_from_protojson

        return run_from_protojson(text, backend)

    def from_journal(self, path: Any, backend: ArrayBackend) -> Any:
        """See `ResultFormats.from_journal`."""
        from rlmesh._journal import Journal
        from rlmesh.results._journal_header import run_of_journal

        return run_of_journal(*Journal.read(path, backend=backend))

    def to_dataframe(self, run: Any) -> Any:
        """See `ResultFormats.to_dataframe`."""
        from rlmesh._reporting.dataframe import dataframe

        return dataframe(run)

    def to_csv(self, run: Any) -> str:
        """See `ResultFormats.to_csv`."""
        from rlmesh._reporting.csv_table import csv_text

        return csv_text(run)

    def to_html(self, run: Any, title: str | None, compared: Any, videos: Any, path: Any) -> str:
        """See `ResultFormats.to_html`."""
        from rlmesh._reporting.page import page

        links: dict[int, str] = {}
        if videos is not None:
            from rlmesh._recording.links import video_links

            links = video_links(run.episodes, videos, path)
        return page(run, title, compared, links)

    def to_svg(self, run: Any) -> dict[str, str]:
        """See `ResultFormats.to_svg`."""
        from rlmesh._reporting.figures import figures
        from rlmesh._reporting.markup import saved_files

        return saved_files(figures([run]))

    def to_html_fragment(self, run: Any) -> str:
        """See `ResultFormats.to_html_fragment`."""
        from rlmesh._reporting.page import fragment

        return fragment(run)

    def to_text(self, run: Any) -> str:
        """See `ResultFormats.to_text`."""
        from rlmesh._reporting.table import text

        return text(run)

    def to_rich(self, run: Any) -> Any:
        """See `ResultFormats.to_rich`."""
        from rlmesh._reporting.table import rich_table

        return rich_table(run)

    def print(self, run: Any) -> None:
        """See `ResultFormats.print`."""
        from rlmesh._reporting.table import show

        show(run)
