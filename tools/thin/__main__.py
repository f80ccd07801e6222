"""`python -m tools.thin [--check]`: write the bundle of packages/thin, or compare it."""

from __future__ import annotations

import argparse

from tools.thin.bundle import TARGET, bundle, unpacked

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Write or compare; 1 if the file is not what the modules make."""
    parser = argparse.ArgumentParser(prog="python -m tools.thin", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args(arguments)
    made = bundle()
    if options.check:
        if not TARGET.exists() or unpacked(TARGET.read_text(encoding="utf-8")) != unpacked(made):
            print(f"{TARGET.name} is not what packages/thin makes: run `make thin`")
            return 1
        return 0
    TARGET.write_text(made, encoding="utf-8")
    print(f"{TARGET.name}: {len(made.encode())} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
