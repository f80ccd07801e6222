"""The imports of a recording, and the message if a library is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlmesh import record


def test_the_module_exports_each_name_once() -> None:
    assert len(record.__all__) == len(set(record.__all__))
    assert all(hasattr(record, name) for name in record.__all__)


def test_the_module_itself_imports_no_library() -> None:
    code = (
        "import sys, rlmesh.record; "
        "print([m for m in ('av', 'gymnasium', 'minari', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("recorder", "library"),
    [
        (record.VideoRecorder, "numpy"),
        (record.VideoRecorder, "av"),
        (record.TrajectoryRecorder, "pyarrow"),
    ],
)
def test_a_missing_library_is_told_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: type[record.Recorder], library: str
) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setitem(sys.modules, library, None)
    name = recorder.__name__
    wanted = rf'{name} needs {library}: pip install "rlmesh-core\[record\]"'
    with pytest.raises(ImportError, match=wanted) as caught:
        recorder(tmp_path / "new")  # type: ignore[call-arg]
    assert caught.value.name == library and not (tmp_path / "new").exists()
