"""The address of the project, which each package states once it is set."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["disagreements", "set_address", "stated"]

_TABLE = re.compile(r"^\[project\.urls\]\n(?:\w+ = .*\n)*\n?", re.MULTILINE)
_ADDRESS = re.compile(r'^Homepage = "(.*)"$', re.MULTILINE)


def stated(root: Path) -> dict[Path, str]:
    """Return the address that each package states, by its file; empty: none."""
    found: dict[Path, str] = {}
    for path in _files(root):
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            found[path] = json.loads(text).get("homepage", "")
        else:
            match = _ADDRESS.search("".join(_TABLE.findall(text)))
            found[path] = match[1] if match else ""
    return found


def disagreements(root: Path) -> list[str]:
    """Return a message for each package with another address than rlmesh-core."""
    found = stated(root)
    expected = found[root / "packages/core/pyproject.toml"]
    return [
        f"{path.relative_to(root)}: the project's address is {address!r}, expected {expected!r}"
        for path, address in found.items()
        if address != expected
    ]


def set_address(root: Path, address: str) -> list[Path]:
    """Write the address of the project into every package; return the files.

    Args:
        root: Root of the repository.
        address: Address of the source's home page ("https://example.com/rlmesh").

    Raises:
        ValueError: If it is not an https address with a host.
    """
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.netloc or re.search(r'[\s"\\]', address):
        raise ValueError(f"expected an address https://host/path, got {address!r}")
    table = f'[project.urls]\nHomepage = "{address}"\nSource = "{address}"\n\n'
    for path in _files(root):
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            text = re.sub(r'^  "homepage": .*\n', "", text, flags=re.MULTILINE)
            before, line, after = re.split(r'^(  "license": .*\n)', text, flags=re.MULTILINE)
            text = f'{before}{line}  "homepage": {json.dumps(address)},\n{after}'
        else:
            before, tool, after = _TABLE.sub("", text).partition("[tool.hatch.")
            text = before + table + tool + after
        path.write_text(text, "utf-8")
    return _files(root)


def _files(root: Path) -> list[Path]:
    """Return the files of packages that state the address, with those that generate gen/."""
    python = [
        *sorted((root / "packages").glob("*/pyproject.toml")),
        root / "gen/python/pyproject.toml",
        root / "tools/codegen/templates/python/pyproject.toml",
    ]
    node = ["packages/typescript", "gen/typescript", "tools/codegen/templates/typescript"]
    return [*python, *(root / name / "package.json" for name in node)]
