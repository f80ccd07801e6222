"""`python -m tools.vectors`: write spec/vectors, or compare it with `--check`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .corpus import build

__all__ = ["main"]

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors"
FOLDERS = ("valid", "invalid", "sessions", "adapters")


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; return 1 if the files on disk are not those of the declared cases."""
    parser = argparse.ArgumentParser(prog="python -m tools.vectors", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--out", type=Path, default=VECTORS, help="folder (default: spec/vectors)")
    options = parser.parse_args(arguments)
    files = build()
    faults = _compare(files, options.out)
    if options.check:
        for fault in faults:
            print(fault, file=sys.stderr)
        if faults:
            print("run: python -m tools.vectors", file=sys.stderr)
        return 1 if faults else 0
    _write(files, options.out)
    counts = {
        side: sum(len(json.loads(t)["cases"]) for p, t in files.items() if p.startswith(side))
        for side in (f"{folder}/" for folder in FOLDERS)
    }
    print(
        f"{len(files)} files: {counts['valid/']} valid, {counts['invalid/']} invalid cases, "
        f"{counts['sessions/']} sessions, frames in memory and journals, "
        f"{counts['adapters/']} adapters"
    )
    return 0


def _stale(files: dict[str, str], out: Path) -> list[Path]:
    """Return the files below the folders of vectors that no declared case makes."""
    found = [p for side in FOLDERS for p in (out / side).rglob("*") if p.is_file()]
    return sorted(p for p in found if p.relative_to(out).as_posix() not in files)


def _compare(files: dict[str, str], out: Path) -> list[str]:
    faults = [f"stale: {path}" for path in _stale(files, out)]
    for name, text in files.items():
        path = out / name
        if not path.is_file():
            faults.append(f"missing: {path}")
        elif path.read_bytes() != text.encode("ascii"):
            faults.append(f"differs: {path}")
    return faults


def _write(files: dict[str, str], out: Path) -> None:
    for path in _stale(files, out):
        path.unlink()
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("ascii"))


if __name__ == "__main__":
    sys.exit(main())
