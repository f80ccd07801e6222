"""What a command line names, and the seeds of one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rlmesh._cli.seeds import read_seeds
from rlmesh._cli.sources import (
    UsageProblem,
    load,
    make_env,
    read_choice,
    read_object,
)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0:3", [0, 1, 2]),
        ("7", [7]),
        ("5,1,1", [5, 1, 1]),
        ("0:7:3", [0, 3, 6]),
        ("0:2, 9", [0, 1, 9]),
        (str(2**64 - 1), [2**64 - 1]),
    ],
)
def test_seeds(text: str, seeds: list[int]) -> None:
    assert read_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected such as 0:100"),
        ("-1:3", "expected such as 0:100"),
        ("0:3:1:1", "expected such as 0:100"),
        ("a", "got 'a'"),
        ("³", "got '³'"),
        ("1" * 5000, "up to 2**64 - 1"),
        ("3:3", "is empty"),
        ("0:3:0", "a step above 0"),
        ("0:20000000", "10000000 at most"),
        (str(2**64), "up to"),
    ],
)
def test_what_are_no_seeds(text: str, words: str) -> None:
    with pytest.raises(UsageProblem, match=r"^--seeds: .*") as caught:
        read_seeds(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", "3", "null", ""])
def test_what_is_no_object_names_its_option(text: str) -> None:
    with pytest.raises(UsageProblem, match=r"^--kwargs: expected a JSON object"):
        read_object(text, "--kwargs")
    assert read_object('{"a": [1]}', "--kwargs") == {"a": [1]}


def test_a_choice_is_one_of_its_words() -> None:
    assert read_choice(None, "--workers", ("thread", "process")) is None
    assert read_choice("thread", "--workers", ("thread", "process")) == "thread"
    with pytest.raises(UsageProblem, match=r"^--workers: expected thread or process, got 'x'$"):
        read_choice("x", "--workers", ("thread", "process"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("subject:", "expected module:name"),
        (":make", "expected module:name"),
        ("subject.py:make", "no file"),
        ("../subject:make", "no file"),
        ("leaves:make", "cannot be imported: SystemExit: 3"),
        ("nowhere_to_be_found:make", "No module named 'nowhere_to_be_found'"),
        ("subject:mkae", "the module 'subject' has no 'mkae'; did you mean 'make'?"),
        ("subject:Thing.b", "the type 'Thing' has no 'b'"),
        ("broken:make", "cannot be imported: ZeroDivisionError: division by zero"),
        ("wordy:make", "cannot be imported: ImportError: in two lines"),
        ("unreadable:make", "cannot be imported: SyntaxError"),
    ],
)
def test_what_is_not_there_is_one_line(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "subject.py").write_text("class Thing:\n    a = 1\ndef make(): return Thing()\n")
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "wordy.py").write_text("raise ImportError('in two\\nlines')")
    (tmp_path / "unreadable.py").write_text("def")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "subject", raising=False)
    assert load("subject:Thing.a") == 1
    with pytest.raises(UsageProblem) as caught:
        load(name)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_working_folder_is_searched_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "found_twice.py").write_text("where = 'here'")
    (other / "found_twice.py").write_text("where = 'there'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(other), str(tmp_path), *sys.path])
    assert load("found_twice:where") == "here"


def test_an_id_that_gymnasium_does_not_know_is_a_problem_of_the_command_line() -> None:
    pytest.importorskip("rlmesh_numpy")
    for name in ("CartPol-v1", "CartPole-v99", "no id", ""):
        with pytest.raises(UsageProblem):
            make_env(name, {}, None)
    with pytest.raises(TypeError, match="paws"):
        make_env("CartPole-v1", {"paws": 4}, None)


def test_an_environment_is_made_with_its_arguments() -> None:
    made = make_env("builtins:dict", {"size": 3}, "rgb_array")
    assert made == {"size": 3, "render_mode": "rgb_array"}
    assert make_env("builtins:dict", {}, None) == {}
    with pytest.raises(UsageProblem, match="expected a callable"):
        make_env("math:pi", {}, None)
