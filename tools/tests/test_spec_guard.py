"""The guards of the spec find the faults that they are meant to find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.codegen.buf import image
from tools.codegen.environment import CodegenError
from tools.spec.__main__ import main
from tools.spec.guard import breaking, changelog, formatted, lint, unchanged
from tools.spec.releases import image_path, write_release
from tools.versions.version import Version

PROTO = Path("spec/proto/rlmesh/proto/env/v1/env.proto")
FIELD = "  uint32 drain_ms = 1;\n"
COMMENT = "// Asks the server to stop.\nmessage ShutdownRequest"


def edit(tree: Path, old: str, new: str, path: Path = PROTO) -> None:
    """Replace a text that must occur once."""
    text = (tree / path).read_text()
    assert text.count(old) == 1
    (tree / path).write_text(text.replace(old, new))


def check(tree: Path) -> int:
    return main(["--root", str(tree), "check"])


def set_version(tree: Path, version: str) -> None:
    (tree / "spec" / "VERSION").write_text(f"{version}\n")
    (tree / "spec" / "CHANGELOG.md").write_text(f"# Changes\n\n## {version}\n\nSomething.\n")


def test_an_untouched_spec_passes(tree: Path) -> None:
    assert check(tree) == 0


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        ("", 'Previously present field "1" with name "drain_ms"'),
        ("  uint32 drain_ms = 2;\n", 'Previously present field "1" with name "drain_ms"'),
        ("  uint64 drain_ms = 1;\n", 'changed type from "uint32" to "uint64"'),
        ("  uint32 drain_millis = 1;\n", 'changed name from "drain_ms" to "drain_millis"'),
    ],
    ids=["deleted", "renumbered", "another type", "renamed"],
)
def test_a_breaking_change_is_refused(tree: Path, new: str, complaint: str) -> None:
    edit(tree, FIELD, new)
    (fault,) = breaking(tree)
    assert "breaks 1.0.0rc1" in fault
    assert complaint in fault
    assert main(["--root", str(tree), "breaking"]) == 1
    assert check(tree) == 1


def test_an_added_field_breaks_nothing_but_needs_a_version(tree: Path) -> None:
    edit(tree, FIELD, FIELD + "  // Why.\n  string reason = 2;\n")
    assert breaking(tree) == []
    (fault,) = unchanged(tree)
    assert "raise the version" in fault
    assert main(["--root", str(tree), "breaking"]) == 0
    assert main(["--root", str(tree), "unchanged"]) == 1
    assert check(tree) == 1


def test_a_comment_leaves_the_image_as_it_was(tree: Path) -> None:
    before = image(tree)
    edit(tree, COMMENT, "// Asks the server, politely, to stop.\nmessage ShutdownRequest")
    assert image(tree) == before
    assert check(tree) == 0


def test_a_new_candidate_may_break_the_last(tree: Path) -> None:
    edit(tree, FIELD, "  uint64 drain_ms = 1;\n")
    set_version(tree, "1.0.0rc2")
    assert "is missing" in unchanged(tree)[0]
    assert main(["--root", str(tree), "release"]) == 0
    assert check(tree) == 0


@pytest.mark.parametrize("version", ["1.0.1", "1.1.0rc1", "1.1.0"])
def test_a_sealed_version_binds_its_whole_major(tree: Path, version: str) -> None:
    set_version(tree, "1.0.0")
    assert main(["--root", str(tree), "release"]) == 0
    edit(tree, FIELD, "")
    set_version(tree, version)
    (fault,) = breaking(tree)
    assert "breaks 1.0.0:" in fault
    assert main(["--root", str(tree), "release"]) == 1
    assert not image_path(tree, Version.parse(version)).exists()


def test_a_new_major_may_break(tree: Path) -> None:
    set_version(tree, "1.0.0")
    write_release(tree)
    edit(tree, FIELD, "")
    set_version(tree, "2.0.0rc1")
    assert main(["--root", str(tree), "release"]) == 0
    assert check(tree) == 0


def test_a_version_below_a_released_one_is_refused(tree: Path) -> None:
    set_version(tree, "1.0.0rc2")
    write_release(tree)
    set_version(tree, "1.0.0rc1")
    assert "has 1.0.0rc2" in unchanged(tree)[0]


def test_a_candidate_is_replaced_only_when_told_to(tree: Path) -> None:
    edit(tree, FIELD, "")
    with pytest.raises(CodegenError, match="--force-rc"):
        write_release(tree)
    assert main(["--root", str(tree), "release"]) == 1
    assert main(["--root", str(tree), "release", "--force-rc"]) == 0
    assert check(tree) == 0


def test_a_tagged_candidate_is_never_replaced(tree: Path) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "t"]):
        subprocess.run(["git", *identity, *command], cwd=tree, check=True)
    subprocess.run(["git", "tag", "v1.0.0rc1"], cwd=tree, check=True)
    edit(tree, FIELD, "")
    with pytest.raises(CodegenError, match=r"tag v1\.0\.0rc1"):
        write_release(tree, force_rc=True)


def test_a_sealed_version_is_never_replaced(tree: Path) -> None:
    set_version(tree, "1.0.0")
    assert write_release(tree)
    assert not write_release(tree)
    edit(tree, FIELD, "")
    with pytest.raises(CodegenError, match="sealed"):
        write_release(tree, force_rc=True)


def test_lint_wants_comments(tree: Path) -> None:
    edit(tree, COMMENT, "message ShutdownRequest")
    assert "should have a non-empty comment" in lint(tree)[0]


def test_lint_wants_the_style_of_names(tree: Path) -> None:
    edit(tree, FIELD, "  uint32 drainMs = 1;\n")
    assert "should be lower_snake_case" in lint(tree)[0]


def test_format_is_that_of_buf(tree: Path) -> None:
    edit(tree, FIELD, "    uint32 drain_ms=1;\n")
    assert formatted(tree) != []
    assert main(["--root", str(tree), "format"]) == 0
    assert formatted(tree) == []


@pytest.mark.parametrize("text", ["## 1.0.0rc10\n\nx\n", "## 1.0.0rc1\n\n", "1.0.0rc1\n"])
def test_the_changelog_has_an_entry(tree: Path, text: str) -> None:
    (tree / "spec" / "CHANGELOG.md").write_text(f"# Changes\n\n{text}")
    assert changelog(tree) != []
    assert check(tree) == 1


def test_an_image_is_named_by_a_version(tree: Path) -> None:
    (tree / "spec" / "releases" / "latest.binpb").write_bytes(b"")
    assert check(tree) == 1
