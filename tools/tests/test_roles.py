"""spec/CONTRACT.md has the index of the roles that its rules name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.pythons import REPOSITORY
from tools.roles.__main__ import PART, index_table, main, rules_of


def test_the_index_is_current_and_every_rule_names_its_roles() -> None:
    assert main(["--check"]) == 0


def test_an_index_that_is_not_current_is_refused_and_written(tmp_path: Path) -> None:
    text = (REPOSITORY / PART.document).read_text("utf-8")
    copy = tmp_path / PART.document
    copy.parent.mkdir()
    copy.write_text(text.replace("| H | 1", "| H | 2"), "utf-8")
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert copy.read_text("utf-8") == text


def test_rules_are_listed_by_role_and_those_of_a_feature_apart() -> None:
    text = "- **A-1** [EM] x\n- **A-2** [E] x\n- **A-3** [eC] x\n- **A-4** [-] x\n- **B-7** [c] x\n"
    assert index_table(rules_of(text)).splitlines()[2:] == [
        "| A | 1, 2 [3] | 1 | 3 |",
        "| B | - | - | [7] |",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("- **H-4** The server MUST", "rule H-4 names no roles"),
        ("- **H-4** [emE] The server MUST", "rule H-4 names a role twice"),
    ],
)
def test_a_rule_without_sound_roles_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rules_of(line)
