"""The distribution `rlmesh` is another project's: the README says so, and nothing installs it."""

from __future__ import annotations

import re
import subprocess

from tests.processes import ROOT

INSTALLS = re.compile(
    r"\b(?:install|add|run --with|uvx)\s(?:[^\n;|`]*[\s\"'])?rlmesh(?=$|[\s\"'`\[=<>~!,;)])"
)
"""A command that installs the distribution `rlmesh`, alone, with extras or with a version."""

REQUIRES = re.compile(r"""(?:^|["'])rlmesh(?:\[[\w,]+\])?\s*(?:[=<>~!]=|\[)""", re.MULTILINE)
"""A requirement of it, in a list of requirements."""

PEERS = ("requirements/peers-", "benchmarks/peers/")
"""The benchmark of peers installs the other project, in environments of its own."""


def texts() -> dict[str, str]:
    """Return the tracked text files of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    found = {}
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if path.is_file() and not name.startswith(PEERS):
            found[name] = path.read_text(errors="ignore")
    return found


def test_nothing_installs_the_other_project() -> None:
    found = [
        f"{name}: {match[0]}"
        for name, text in texts().items()
        if name != "tests/documents/test_other_project.py"
        for pattern in (INSTALLS, REQUIRES)
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_the_patterns_find_it() -> None:
    for line in (
        "pip install rlmesh",
        'pip install "rlmesh[numpy]"',
        "python -m pip install --upgrade rlmesh==1.0",
        "uv add rlmesh",
        "uv pip install rlmesh numpy",
        "`pip install rlmesh`",
    ):
        assert INSTALLS.search(line), line
    for line in ("rlmesh==0.1.0", '    "rlmesh>=1",', 'requires = ["rlmesh[numpy]"]'):
        assert REQUIRES.search(line), line
    for line in (
        'pip install "rlmesh-core[cli]"',
        "pip install rlmesh-core rlmesh-numpy",
        "pip uninstall rlmesh; then: pip install --no-deps rlmesh-core",
        "npm install @rlmesh/client",
    ):
        assert not INSTALLS.search(line), line


def test_the_readmes_say_so() -> None:
    for name in ("README.md", "packages/core/README.md"):
        text = " ".join((ROOT / name).read_text().split())
        assert "The distribution `rlmesh` on PyPI is another project" in text, name
        assert "pip install rlmesh-core" in text, name
