"""`python -m tools.notebooks`: run the notebooks, and write or check what their cells print."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..pythons import REPOSITORY

__all__ = ["FOLDER", "main", "printed_by", "run"]

FOLDER = REPOSITORY / "examples" / "notebooks"


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Run the notebooks; return 1 if one fails, or has other outputs than it is to have."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args(arguments)
    faults = 0
    for path in sorted(folder.glob("*.ipynb")):
        faults += run(path, write=not options.check)
    return 1 if faults else 0


def run(path: Path, *, write: bool) -> int:
    """Run a notebook in this process; return the number of cells with another output than before.

    Args:
        path: The file.
        write: Whether the outputs are written to the file, and no cell counts then.

    Raises:
        Exception: What a cell raises.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    faults = 0
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        printed = printed_by(cell, names, f"{path.name}, cell {number}")
        if write:
            cell["outputs"] = [_stream(printed)] if printed else []
        elif printed != _stored(cell):
            faults += 1
            print(f"{path.name}, cell {number} prints:\n{printed}expected:\n{_stored(cell)}")
    if write:
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
    return faults


def printed_by(cell: dict[str, Any], names: dict[str, Any], where: str) -> str:
    """Run a cell in a namespace; return what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile("".join(cell["source"]), where, "exec"), names)  # noqa: S102
    return output.getvalue()


def _stored(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def _stream(text: str) -> dict[str, Any]:
    return {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}


if __name__ == "__main__":
    sys.exit(main())
