"""The measurement of prose finds the habits that it counts, at the right lines, and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.prose.__main__ import main
from tools.prose.habits import HABITS, count_words, hits
from tools.prose.references import definitions, stale_references
from tools.prose.text import Passage, passages
from tools.prose.verbs import VERBS, verb_faults

WHO, SAY, WHERE = HABITS

GOOD = '''\
"""A module with prose."""


def answer() -> int:
    """Return the answer."""
    return 42
'''
BAD = '''\
"""A module whose prose is bad."""

LIMIT = 3
"""What nobody may exceed."""


def answer() -> int:
    """The answer, where there is one.

    `tell` in code is no hit.
    """
    # It tells
    # who asked, where asked.
    return 42  # noqa: who tells where
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A git repository with one package and one document."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "packages" / "core" / "src").mkdir(parents=True)
    (tmp_path / "packages" / "core" / "src" / "module.py").write_text(GOOD)
    (tmp_path / "README.md").write_text("# Title\n\nA short text.\n")
    return tmp_path


def lines(habit_index: int, path: Path) -> list[int]:
    """The lines of the hits of a habit in a file."""
    habit = HABITS[habit_index]
    return [hit.line for passage in passages(path) for hit in hits(habit, passage)]


def test_docstrings_comments_and_constants_are_prose(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(BAD)
    assert lines(0, path) == [1, 4, 13]
    assert lines(1, path) == [12]
    assert lines(2, path) == [8, 13]


def test_documents_are_prose_without_their_code(tmp_path: Path) -> None:
    path = tmp_path / "document.md"
    path.write_text(
        "# Who\n\nA list:\n\n- what `says`\n  and tells\n\n    indented says\n\n"
        "```python\nsays\n```\n\n| where | b |\n|---|---|\n"
    )
    assert lines(0, path) == [1]
    assert lines(1, path) == [6]
    assert lines(2, path) == [14]


@pytest.mark.parametrize(
    ("habit", "text", "count"),
    [
        (WHO, "a user who asks, people who ask", 0),
        (WHO, "a client who asks, whoever asks, nobody", 3),
        (WHO, "the whole, whole numbers", 0),
        (SAY, "It says and tells; as told. The foretold essay.", 3),
        (WHERE, "Where there is none, None. None where empty, where not.", 3),
        (WHERE, "the folder where it is, to see where, elsewhere", 0),
    ],
)
def test_habits(habit: object, text: str, count: int) -> None:
    found = next(one for one in HABITS if one is habit)
    assert len(list(hits(found, Passage(1, text)))) == count


def test_words_are_counted_without_numbers_and_signs() -> None:
    assert count_words(Passage(1, "Two words, 3 + 4 = 7; it's don't-care")) == 4


def test_verbs(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "def a():\n    '''The bytes.'''\n\n"
        "def b():\n    '''Return, or raise.'''\n\n"
        "class C:\n    '''A class.'''\n\n"
        "    @property\n    def d(self):\n        '''The size.'''\n\n"
        "    def e(self):\n        '''Returns it.'''\n\n"
        "    def f(self):\n        pass\n\n"
        "@app.callback()\ndef g():\n    '''A program.'''\n"
    )
    assert [line for line, _ in verb_faults(path)] == [2, 15]


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        ("def f() -> None:\n    '''Return the size.'''", "the function returns nothing"),
        ("def f() -> None:\n    '''Return None, as the others do.'''", ""),
        ("def f():\n    '''Return the sizes.'''\n    yield 1", "the function yields"),
        ("def f():\n    '''Return one.'''\n    def g():\n        yield 1\n    return g()", ""),
        ("def f() -> int:\n    '''Yield the size.'''\n    return 1", "the function yields nothing"),
        ("def f() -> Iterator[int]:\n    '''Yield the sizes.'''\n    return iter([])", ""),
    ],
)
def test_a_verb_fits_its_function(tmp_path: Path, function: str, fault: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(function + "\n")
    found = [text.partition(", got")[0] for _, text in verb_faults(path)]
    assert found == ([fault] if fault else [])


def test_references_to_names_that_do_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "queue.py"
    path.write_text(
        "LIMIT = 3\n'''Maximum size; see `Queue.add` and `Queue`.'''\n\n"
        "class Queue:\n    '''A queue; see `asyncio.Queue`, and\n    see `Deque`.'''\n\n"
        "    def add(self):\n        '''Add; see `queue`, or see `rlmesh.gone`.'''\n"
    )
    assert [*stale_references(path, definitions([path]))] == [
        (6, "there is no such name to see: Deque"),
        (9, "there is no such name to see: rlmesh.gone"),
    ]


def test_verbs_are_capitalised_words() -> None:
    assert all(verb.isalpha() and verb == verb.capitalize() for verb in VERBS)


def test_good_prose_passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root)]) == 0
    assert "per 1,000 words" in capsys.readouterr().out


def test_a_rate_over_its_limit_fails_and_names_the_file(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "README.md").write_text("It says so.\n")
    assert main(["--root", str(root), "--files"]) == 1
    assert "README.md:1: It says so." in capsys.readouterr().out


def test_a_docstring_without_a_verb_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "packages" / "core" / "src" / "module.py"
    path.write_text(GOOD.replace("Return the answer", "The answer"))
    assert main(["--root", str(root)]) == 1
    assert "module.py:5" in capsys.readouterr().out
    assert main(["--root", str(root), str(root / "README.md")]) == 0
