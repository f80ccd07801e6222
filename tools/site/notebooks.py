"""Renders a notebook as a page: its texts, and its code with what each cell has printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["notebook_page"]


def notebook_page(content: str) -> str:
    """Return a notebook as Markdown.

    Args:
        content: Content of the `.ipynb` file, format 4.
    """
    parts: list[str] = []
    for cell in json.loads(content)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts.extend(_outputs(cell["outputs"]))
    return "\n\n".join(parts) + "\n"


def _outputs(outputs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the blocks that show the outputs of a cell: texts, and pictures as SVG."""
    for output in outputs:
        data = output.get("data", {})
        if "image/svg+xml" in data:
            yield "".join(data["image/svg+xml"])
        elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
            yield f"```text\n{text}\n```"
