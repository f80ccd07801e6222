"""The TypeScript package against the golden vectors, and whether its run can fail."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import vectors
from tools.node.package import NotInstalledError, build, run_tests

# npm may have to fetch the compiler.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Case = dict[str, Any]

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
    try:
        build()
    except NotInstalledError as error:
        pytest.skip(str(error))


def test_the_package_passes_its_tests_on_every_vector() -> None:
    done = run_tests()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^# fail 0$", done.stdout, re.MULTILINE)
    assert re.search(r"^# skipped 0$", done.stdout, re.MULTILINE)
    checked = re.findall(r"^# checked (\S+): (\d+)$", done.stdout, re.MULTILINE)
    assert dict(checked) == {folder: str(len(cases())) for folder, cases in FOLDERS.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_one_flipped_bit_of_a_vector_fails_the_run(folder: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(vectors.VECTORS, tmp_path / "vectors"))
    assert failures(root) == []
    for path in sorted((root / folder).glob("*.json")):
        document = json.loads(path.read_text(encoding="ascii"))
        flipped = next((case["name"] for case in document["cases"] if flip(case)), None)
        if flipped is not None:
            break
    path.write_text(json.dumps(document), encoding="ascii")
    assert failures(root) == [flipped]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_without_cases_fails_the_run(folder: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(vectors.VECTORS, tmp_path / "vectors"))
    for path in (root / folder).glob("*.json"):
        path.write_text('{"format": 1, "cases": []}', encoding="ascii")
    assert failures(root)


def failures(root: Path) -> list[str]:
    """The names of the tests that fail on these vectors, or of the file that could not be run."""
    done = run_tests(["vectors"], variables={"RLMESH_VECTORS": str(root)})
    cases = re.findall(r"^ +not ok \d+ - (.*)$", done.stdout, re.MULTILINE)
    whole = re.findall(r"^not ok \d+ - (.*)$", done.stdout, re.MULTILINE)
    assert (done.returncode != 0) == bool(whole), done.stdout
    return cases or whole


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
