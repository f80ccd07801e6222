"""Copies of the spec that tests may break."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # `tools` is not an installed package.

from tools.spec.releases import write_release  # noqa: E402


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with spec/ and buf's configuration, with 1.0.0rc1 released unchanged."""
    root = tmp_path_factory.mktemp("released")
    shutil.copytree(REPOSITORY / "spec", root / "spec", ignore=shutil.ignore_patterns("*.binpb"))
    for name in ("buf.yaml", "buf.gen.yaml", "LICENSE"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / "spec" / "VERSION").write_text("1.0.0rc1\n")
    (root / "spec" / "CHANGELOG.md").write_text("# Changes\n\n## 1.0.0rc1\n\nThe first.\n")
    assert write_release(root)
    return root


@pytest.fixture
def tree(released: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder."""
    return Path(shutil.copytree(released, tmp_path / "tree"))
