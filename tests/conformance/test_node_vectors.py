"""The TypeScript package against the golden vectors, and whether its run can fail."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rlmesh_proto.session.v1.handshake_pb2 import Capability

from tests.conformance import vectors
from tests.conformance.transcripts import Transcript, transcripts
from tests.node.programs import build_or_skip
from tests.size import LONG
from tools.node.package import run_tests

# npm may have to fetch the compiler.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]

Case = dict[str, Any]

OBSERVATION_VIEW = Capability.CAPABILITY_OBSERVATION_VIEW

FOLDERS: dict[str, Callable[[], list[Any]]] = {
    "valid/spaces": vectors.space_cases,
    "valid/values": vectors.value_cases,
    "valid/dynamic": vectors.dynamic_cases,
    "invalid/spaces": vectors.invalid_space_cases,
    "invalid/values": vectors.invalid_value_cases,
    "invalid/dynamic": vectors.invalid_dynamic_cases,
}


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    build_or_skip()


def test_the_package_passes_its_tests_on_every_vector() -> None:
    done = run_tests()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^# fail 0$", done.stdout, re.MULTILINE)
    assert re.search(r"^# skipped 0$", done.stdout, re.MULTILINE)
    checked = re.findall(r"^# checked (\S+): (\d+)$", done.stdout, re.MULTILINE)
    counts = {folder: len(cases()) for folder, cases in FOLDERS.items()}
    counts.update(server=len(list(offered())), client=len(list(conforming())))
    models = transcripts("model")
    asked = [transcript for transcript in models if not transcript.raw_client]
    counts.update(model_server=len(models), model_client=len(asked))
    assert dict(checked) == {name: str(count) for name, count in counts.items()}


SESSIONS = [*transcripts("env"), *transcripts("frames")]


def offered() -> Iterator[Transcript]:
    """Yield the transcripts of what a server in TypeScript offers: neither vectors nor views."""
    for transcript in SESSIONS:
        listing = transcript.server
        views = listing is not None and OBSERVATION_VIEW in listing.capabilities
        if transcript.served != "lanes" and not views:
            yield transcript


def conforming() -> Iterator[Transcript]:
    """Yield the transcripts that a client is tested with."""
    return (transcript for transcript in SESSIONS if not transcript.raw_client)


# A run of Node takes seconds: the default run changes all folders at once.
changed = pytest.mark.parametrize(
    "folders", [tuple(FOLDERS), *([(x,) for x in FOLDERS] if LONG else [])], ids="+".join
)


@changed
def test_one_flipped_bit_of_a_vector_fails_the_run(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(vectors.VECTORS, tmp_path / "vectors"))
    flipped = [flip_first(root / folder) for folder in folders]
    assert failures(root) == flipped


@changed
def test_a_folder_without_cases_fails_the_run(folders: tuple[str, ...], tmp_path: Path) -> None:
    root = Path(shutil.copytree(vectors.VECTORS, tmp_path / "vectors"))
    for path in (path for folder in folders for path in (root / folder).glob("*.json")):
        path.write_text('{"format": 1, "cases": []}', encoding="ascii")
    assert failures(root) == list(folders)


def failures(root: Path) -> list[str]:
    """Return the names of the tests, or else of the folders, that fail with these vectors."""
    done = run_tests(["vectors"], variables={"RLMESH_VECTORS": str(root)})
    cases = re.findall(r"^ +not ok \d+ - (.*)$", done.stdout, re.MULTILINE)
    whole = re.findall(r"^not ok \d+ - (.*)$", done.stdout, re.MULTILINE)
    assert (done.returncode != 0) == bool(whole), done.stdout
    return cases or whole


def flip_first(folder: Path) -> str:
    """Flip a bit of the first case that has one, and return the name of the case."""
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="ascii"))
        flipped: str | None = next((x["name"] for x in document["cases"] if flip(x)), None)
        if flipped is not None:
            path.write_text(json.dumps(document), encoding="ascii")
            return flipped
    raise AssertionError(f"no case of {folder} has a bit to flip")


def flip(case: Case) -> bool:
    """Flip a bit of the case's bytes, or of its path; False if no bit of it matters."""
    if "error_path" in case:
        place: str = case["error_path"]
        if not place or case["contract"] in ("S-2", "D-7"):
            return False
        case["error_path"] = place[:-1] + chr(ord(place[-1]) ^ 1)
        return True
    if "slabs" in case:
        case["slabs"][0] = flipped_base64(case["slabs"][0])
        return True
    name = "proto" if "proto" in case else "space_proto"
    case[name] = flipped_base64(case[name])
    return True


def flipped_base64(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 0x80
    return base64.b64encode(data).decode("ascii")
