"""What `rlmesh inspect` prints of a description."""

from __future__ import annotations

import io
import json

import pytest

from rlmesh._cli.description import Description, ModelDescription

__all__ = ["inspected"]


def inspected(description: Description | ModelDescription) -> tuple[str, str]:
    """Return the text of the tree, and the JSON; skips the test without the command's libraries."""
    pytest.importorskip("typer")
    pytest.importorskip("rich")
    from rich.console import Console

    from rlmesh._cli.inspect_command import description_facts, description_tree

    console = Console(width=1_000, record=True, file=io.StringIO())
    console.print(description_tree(description))
    return console.export_text(), json.dumps(description_facts(description))
