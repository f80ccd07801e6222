"""`python3 -m tools.rooms`: write or check the map of rooms in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

from ..pythons import REPOSITORY
from ..written_part import WrittenPart

__all__ = ["layers_of", "main", "rooms_table"]

SOURCE = Path("packages/core/src/rlmesh")
PART = WrittenPart("rooms", "the map of rooms", Path("CONTRIBUTING.md"))
CONTRACT = "rooms of rlmesh"


def main(arguments: list[str] | None = None, root: Path = REPOSITORY) -> int:
    """Write or check the map; the exit status is 1 if it is not current."""
    return PART.run(arguments, root, lambda text: rooms_table(root))


def layers_of(root: Path) -> list[list[str]]:
    """Return the modules of each layer, the highest layer first, as pyproject.toml lists them."""
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    settings = toml.loads((root / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == CONTRACT)
    return [re.split(r"\s*[|:]\s*", layer) for layer in layers]


def rooms_table(root: Path) -> str:
    """Return the map as a Markdown table, one row a module, the highest layer first."""
    rows = ["| layer | module | content |", "|---|---|---|"]
    layers = layers_of(root)
    for number, modules in enumerate(layers):
        for module in modules:
            summary = _summary(root / SOURCE, module)
            rows.append(f"| {len(layers) - number} | `{module}` | {summary} |")
    return "\n".join(rows) + "\n"


def _summary(source: Path, module: str) -> str:
    """Return the first line of a module's docstring."""
    package = source / module / "__init__.py"
    path = package if package.is_file() else source / f"{module}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
