"""Programs of clients/cpp, compiled once and kept until a header or a source changes."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.processes import announced
from tests.size import LONG

__all__ = ["CPP", "FLAGS", "Executor", "compiled", "serving"]

CPP = Path(__file__).resolve().parents[2] / "clients" / "cpp"
_BUILT = CPP.parents[1] / "build" / "cpp"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Wshadow", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FLAGS = SANITIZED if LONG else ()
"""Of programs that play; the sanitizers take long to compile."""


@functools.cache
def compiled(source: str, *flags: str, libraries: tuple[str, ...] = ()) -> Path:
    """Return a program made of a source file; skip if there is no C++ compiler.

    Args:
        source: Path of the source within clients/cpp.
        flags: Flags of the compiler beside the warnings; none: the fastest to compile.
        libraries: Names of libraries to link.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++, or CXX) is installed")
    arguments = ("-std=c++17", *WARNINGS, *(flags or ("-O0",)), f"-I{CPP / 'include'}")
    known = hashlib.sha256(repr((compiler, source, arguments)).encode())
    for path in sorted([*CPP.rglob("*.hpp"), CPP / source]):
        known.update(path.read_bytes())
    program = _BUILT / f"{Path(source).stem}-{known.hexdigest()[:16]}"
    if not program.exists():
        _BUILT.mkdir(parents=True, exist_ok=True)
        made = program.with_name(f"{program.name}.{os.getpid()}")
        command = [compiler, *arguments, str(CPP / source), "-o", str(made), "-pthread"]
        command += [f"-l{name}" for name in libraries]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        made.replace(program)
    return program


def serving(address: str, *arguments: str) -> AbstractContextManager[str]:
    """Serve CartPole by the C++ example; the address that it has."""
    program = compiled("examples/serve_cartpole.cpp", *FLAGS)
    return announced([str(program), address, *arguments])


class Executor:
    """A run of tests/executor.cpp, which answers commands."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words: str) -> list[str]:
        """Return the words of the answer to a command."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the program ended at {' '.join(words)[:200]}"
        return answer.rstrip("\n").split(" ")

    def close(self) -> None:
        """End the program, which must not have found a fault of its own."""
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0
