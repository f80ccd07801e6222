"""Many small cases in one test, which reports each of them that fails.

A test of its own costs several milliseconds in each of the processes that run the suite, which is
more than most cases take.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import pytest

__all__ = ["for_each"]

MAX_SHOWN = 10
"""Number of failed cases whose tracebacks are shown."""


def for_each(
    name: str, cases: Iterable[Any], ids: Callable[[Any], str] = repr
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that has a test run every case, whatever becomes of the others.

    It may be applied again for another parameter, and with `pytest.mark.parametrize`. A test is
    skipped if each of its cases is. Fixtures are those of the whole test.

    Args:
        name: Name of the test's parameter.
        cases: Its values.
        ids: Returns the name of a case, for the report.
    """
    listed = list(cases)
    assert listed, f"there are no cases of {name}"

    def decorator(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run_each(**arguments: Any) -> None:
            failed: list[tuple[str, str]] = []
            skipped: list[str] = []
            for case in listed:
                try:
                    test(**arguments, **{name: case})
                except pytest.skip.Exception as skip:
                    skipped.append(str(skip))
                except (Exception, pytest.fail.Exception):
                    failed.append((ids(case), traceback.format_exc()))
            if failed:
                pytest.fail(_report(name, failed, len(listed)), pytrace=False)
            if len(skipped) == len(listed):
                pytest.skip(skipped[0])

        whole = inspect.signature(test)
        rest = [x for key, x in whole.parameters.items() if key != name]
        run_each.__signature__ = whole.replace(parameters=rest)  # type: ignore[attr-defined]
        return run_each

    return decorator


def _report(name: str, failed: list[tuple[str, str]], count: int) -> str:
    names = ", ".join(case for case, _ in failed)
    parts = [f"{len(failed)} of {count} cases of {name} failed: {names}"]
    parts += [f"-- {case}\n{shown}" for case, shown in failed[:MAX_SHOWN]]
    return "\n".join(parts)
