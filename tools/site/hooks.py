"""Hooks of MkDocs: the pages that are generated while the site is built.

MkDocs loads this file by its path, in an environment that has MkDocs, and from the root of the
repository (`python -m mkdocs`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.site.contract import contract_page, link_rules, rule_ids
from tools.site.notebooks import notebook_page

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = Path("spec/CONTRACT.md")

# Documents of the repository that are pages of the site too, by the name of the page.
DOCUMENTS = {
    "first-server.md": "spec/FIRST_SERVER.md",
    "porting.md": "spec/PORTING.md",
    "spec-changes.md": "spec/CHANGELOG.md",
    "cpp.md": "clients/cpp/README.md",
    "typescript.md": "packages/typescript/README.md",
    "measurements.md": "benchmarks/RESULTS.md",
    "security.md": "SECURITY.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
PICTURES = {"results.svg": "benchmarks/results.svg"}

# Modules of packages other than the one that re-exports them.
MODULES = {name: f"rlmesh_{name}" for name in ("numpy", "torch", "jax")}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to the files of a build."""
    # Only the environment of the site has MkDocs, which types and Pants would miss elsewhere.
    File = importlib.import_module("mkdocs.structure.files").File  # noqa: N806
    for name, content in generated(_paths(config["nav"])):
        files.append(File.generated(config, name, content=content))
    for name, source in PICTURES.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_bytes()))
    return files


def generated(navigation: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the path and content of each generated page.

    Args:
        navigation: Paths of the pages that the navigation lists.
    """
    contract = (ROOT / CONTRACT).read_text(encoding="utf-8")
    known = rule_ids(contract)
    yield "contract.md", contract_page(contract)
    for name, source in DOCUMENTS.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        yield name, link_rules(text, known, "contract.md")
    for path in sorted((ROOT / "examples/notebooks").glob("*.ipynb")):
        yield f"notebooks/{path.stem}.md", notebook_page(path.read_text(encoding="utf-8"))
    for page in navigation:
        if match := re.fullmatch(r"api/(\w+)\.md", page):
            yield page, api_page(match[1])


def api_page(name: str) -> str:
    """Return the page of a public module: `rlmesh` itself, or one within it."""
    shown = "rlmesh" if name == "rlmesh" else f"rlmesh.{name}"
    return f"# {shown}\n\n::: {MODULES.get(name, shown)}\n"


def _paths(navigation: Any) -> list[str]:
    """Return the paths in a navigation of lists and dicts."""
    if isinstance(navigation, str):
        return [navigation]
    parts = navigation.values() if isinstance(navigation, dict) else navigation
    return [path for part in parts for path in _paths(part)]
