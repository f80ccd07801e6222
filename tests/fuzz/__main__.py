"""`python -m tests.fuzz TARGET FOUND SEEDS [-OPTION=VALUE...]`: fuzz one target; needs atheris.

FOUND is the folder that the fuzzer fills; into SEEDS, which it only reads, goes the corpus.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import warnings
from pathlib import Path

import atheris  # pants: no-infer-dep

with atheris.instrument_imports(include=["rlmesh", "rlmesh_numpy"]):
    from tests.fuzz import corpus
    from tests.fuzz.mutation import Mutator
    from tests.fuzz.targets import TARGETS


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer ends the process."""
    if len(arguments) < 4 or arguments[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} FOUND SEEDS [-OPTION=VALUE...]")
    name, seeds = arguments[1], Path(arguments[3])
    _unpack(name, seeds)
    warnings.simplefilter("error")
    logging.disable()
    target = TARGETS[name]
    # Looked up anew each time: atheris puts another function there when the fuzzing begins.
    mutator = Mutator(target, lambda data, most: atheris.Mutate(data, most))
    atheris.Setup([arguments[0], *arguments[2:]], target.run, custom_mutator=mutator)
    atheris.Fuzz()


def _unpack(target: str, folder: Path) -> None:
    """Write the inputs that the repository keeps as the files that libFuzzer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in corpus.KINDS:
        for data in corpus.read(corpus.path_of(target, kind)).values():
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


main(sys.argv)
