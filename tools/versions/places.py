"""Every place in the repository that states the version, with how to read and rewrite it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .version import Version

__all__ = ["Form", "Statement", "VersionLocation", "places"]


class Form(Enum):
    """The form in which a place writes the version."""

    PLAIN = "plain"
    PIN = "pin"
    NPM = "npm"

    def write(self, version: Version) -> str:
        """Return the version in this form."""
        if self is Form.NPM:
            return version.npm
        return f"=={version}" if self is Form.PIN else str(version)


@dataclass(frozen=True)
class Statement:
    """One version found in a file.

    Attributes:
        subject: Name of what the version belongs to ("__version__", "rlmesh-proto").
        text: The version as written there, without blanks; empty if a pin is missing.
        start: Start of the version in the file.
        end: End of the version in the file.
    """

    subject: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class VersionLocation:
    """One file, and the pattern of the versions in it.

    Attributes:
        path: Path of the file.
        pattern: Finds a version as its group `version`, and its owner as group `subject`.
        form: Form of the version in the file.
        required: Subjects that the file must state.
        generated: Whether tools/codegen writes the file, so that a bump leaves it alone.
    """

    path: Path
    pattern: re.Pattern[str]
    form: Form = Form.PLAIN
    required: tuple[str, ...] = ()
    generated: bool = False

    def statements(self) -> list[Statement]:
        """Return the versions that the file states, in order.

        An extra may name its own distribution without a pin, which is not a statement.
        """
        text = self.path.read_text()
        own = re.search(r'^name = "([\w-]+)"', text, re.MULTILINE)
        return [
            Statement(match["subject"], "".join(match["version"].split()), *match.span("version"))
            for match in self.pattern.finditer(text)
            if match["version"] or own is None or match["subject"] != own[1]
        ]

    def faults(self, version: Version) -> list[str]:
        """Return the versions in the file that differ from this one, one text for each."""
        wanted, found = self.form.write(version), self.statements()
        missing = sorted(set(self.required) - {statement.subject for statement in found})
        wrong = [
            f"{statement.subject} is {statement.text or 'not pinned'}, expected {wanted}"
            for statement in found
            if statement.text != wanted
        ]
        return wrong + [f"{subject} is missing, expected {wanted}" for subject in missing]

    def rewrite(self, version: Version) -> None:
        """State this version everywhere in the file."""
        text = self.path.read_text()
        for found in reversed(self.statements()):
            text = text[: found.start] + self.form.write(version) + text[found.end :]
        self.path.write_text(text)


_SPEC = re.compile(r"\A(?P<subject>)(?P<version>[^\n]*)")
_PYTHON = re.compile(r'^(?P<subject>__version__|SPEC_VERSION) = "(?P<version>[^"]*)"', re.MULTILINE)
_PROJECT = re.compile(r'^(?P<subject>version) = "(?P<version>[^"]*)"', re.MULTILINE)
# A requirement of ours in quotes: its name and extras, then its specifier, up to a marker.
_PIN = re.compile(
    r"(?<!name = )[\"'](?P<subject>rlmesh-[a-z]+)(?:\[[^\]]*\])?"
    r"[ ]*(?P<version>[^\"'; ]*(?: [^\"'; ]+)*)[ ]*(?:;[^\n]*?)?[\"']"
)
_NPM = re.compile(r'"(?P<subject>version|@rlmesh/\w+)": "(?P<version>[^"]*)"')


def places(root: Path) -> list[VersionLocation]:
    """Return the places of a repository, spec/VERSION first."""
    spec = VersionLocation(root / "spec" / "VERSION", _SPEC)
    return [spec, *_generated(root), *_packages(root), *_examples(root)]


def _generated(root: Path) -> Iterator[VersionLocation]:
    python, typescript = root / "gen" / "python", root / "gen" / "typescript"
    yield VersionLocation(
        python / "pyproject.toml", _PROJECT, required=("version",), generated=True
    )
    module = python / "src" / "rlmesh_proto" / "__init__.py"
    both = ("SPEC_VERSION", "__version__")
    yield VersionLocation(module, _PYTHON, required=both, generated=True)
    yield VersionLocation(typescript / "package.json", _NPM, Form.NPM, ("version",), generated=True)


def _examples(root: Path) -> Iterator[VersionLocation]:
    for module in sorted((root / "examples" / "any_language").glob("*.py")):
        yield VersionLocation(module, _PYTHON, required=("SPEC_VERSION",))


def _packages(root: Path) -> Iterator[VersionLocation]:
    """Yield the hand-written packages: Python by pyproject.toml, TypeScript by package.json."""
    for project in sorted((root / "packages").glob("*/pyproject.toml")):
        yield VersionLocation(project, _PROJECT)
        yield VersionLocation(project, _PIN, Form.PIN, ("rlmesh-proto",))
    for module in sorted((root / "packages").glob("*/src/*/_version.py")):
        yield VersionLocation(module, _PYTHON, required=("__version__",))
    for manifest in sorted((root / "packages").glob("*/package.json")):
        yield VersionLocation(manifest, _NPM, Form.NPM, ("version", "@rlmesh/proto"))
