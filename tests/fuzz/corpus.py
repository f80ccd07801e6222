"""The inputs that the repository keeps: files of lines `name hex`, with comments of the reasons.

`python -m tests.fuzz.corpus TARGET NAME FILE` adds what the fuzzer found, minimised.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.minimising import minimised

__all__ = ["CORPUS", "KINDS", "keep", "path_of", "read", "write"]

CORPUS = Path(__file__).parent / "corpus"

KINDS = ("seeds", "found")
"""Written by `python -m tests.fuzz.seeds`; what the fuzzer found."""


def path_of(target: str, kind: str) -> Path:
    """The file of a target's inputs of one kind."""
    return CORPUS / f"{target}.{kind}.hex"


def read(path: Path) -> dict[str, bytes]:
    """The inputs by name; none if there is no file."""
    if not path.is_file():
        return {}
    inputs: dict[str, bytes] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, text = line.partition(" ")
            if name in inputs:
                raise ValueError(f"{path}: {name} comes twice")
            inputs[name] = bytes.fromhex(text)
    return inputs


def write(inputs: Iterable[tuple[str, bytes]]) -> str:
    """The text of a file."""
    return "".join(f"{name} {data.hex()}".rstrip() + "\n" for name, data in inputs)


def keep(target: str, name: str, data: bytes) -> Path:
    """Add an input, as small as it can be made, to those that were found; returns their file."""
    from tests.fuzz.targets import TARGETS

    path = path_of(target, "found")
    small = minimised(TARGETS[target].run, data)
    with path.open("a", encoding="utf-8") as file:
        file.write(write([(name, small)]))
    print(f"{path}: {name}, {len(small)} bytes of {len(data)}")
    return path


if __name__ == "__main__":
    keep(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes())
