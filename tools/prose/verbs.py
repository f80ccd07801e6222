"""Checks that a function's docstring begins with a verb, in the imperative and a fitting one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["VERBS", "verb_faults"]

# ruff's D401 finds verbs that are not in the imperative ("Returns"), but accepts noun phrases ("The
# bytes of ..."), so that a list of the allowed verbs is needed. Add a verb when you need it.
_VERBS = """
    Abandon Accept Acquire Add Admit Advance Allocate Allow Answer Append Apply Arrange Ask Assert
    Assign Attach Await Begin Bind Block Break Build Bump Call Cancel Change Check Choose Classify
    Clear Close Collect Combine Compare Compile Complete Compute Configure Connect Consume Continue
    Convert Copy Count Create Deal Decide Declare Decode Delete Derive Describe Detach Detect
    Determine Disconnect Do Drain Draw Drop Encode End Enqueue Ensure Enter Escape Estimate
    Evaluate Examine Exchange Execute Exit Expand Expect Expose Extend Extract Fail Fill Find
    Finish Fit Flatten Flush Forget Format Forward Free Fuzz Gather Generate Get Give Handle Have
    Hold Ignore Import Initialise Insert Install Interrupt Invert Iterate Join Keep Kill Leave Lend
    Let Limit Link List Listen Load Lock Log Look Lose Lower Make Map Mark Match Measure Merge Move
    Name Normalise Notify Open Order Parse Pass Pause Peek Pick Play Poll Pop Prepare Prevent Print
    Process Promise Put Queue Raise Read Receive Reconnect Record Reduce Reference Refuse Register
    Reject Release Reload Relocate Remember Remove Rename Render Repeat Replace Replay Report
    Request Require Reserve Reset Resolve Restart Restore Resume Retire Return Rewrite Round Run
    Sample Save Scale Schedule Search See Seed Select Send Serialise Serve Set Show Shut Shutdown
    Signal Skip Sleep Snapshot Sort Spin Split Stack Start State Stop Store Submit Sum Swap Switch
    Take Test Time Toss Track Translate Truncate Try Turn Unlock Unpack Unregister Unstack Update
    Upgrade Use Validate Verify Visit Wait Wake Walk Warn Watch Welcome Wrap Write Yield
"""

VERBS = frozenset(_VERBS.split())
"""The words that a function's docstring may begin with."""

_PROPERTIES = frozenset({"property", "cached_property", "setter", "deleter"})


def verb_faults(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and fault of each function's docstring with a missing or a wrong verb.

    Properties are exempt, because their docstring is a noun phrase, and so are commands, because a
    decorator `@app.callback()` shows it as the title of the program.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        docstring = ast.get_docstring(node)
        if not docstring or any(map(_is_exempt, node.decorator_list)):
            continue
        first = docstring.splitlines()[0]
        fault = _fault_of_verb(node, first)
        if fault:
            yield node.body[0].lineno, f"{fault}, got: {first}"


def _fault_of_verb(node: ast.FunctionDef | ast.AsyncFunctionDef, first: str) -> str:
    """Return what is wrong with the verb of a docstring's first line; empty if it fits."""
    verb = first.split(maxsplit=1)[0].rstrip(",.:;")
    if verb not in VERBS:
        return "a function's docstring begins with a verb"
    returned = ast.unparse(node.returns) if node.returns is not None else ""
    is_none = returned in ("None", "NoReturn")
    if verb == "Return" and is_none and not first.startswith("Return None"):
        return "the function returns nothing"
    if verb == "Return" and _yields(node):
        return "the function yields"
    if verb == "Yield" and not _yields(node) and "Iter" not in returned:
        return "the function yields nothing"
    return ""


def _yields(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is a generator; functions inside of it do not count."""
    inner: list[ast.AST] = [*node.body]
    while inner:
        one = inner.pop()
        if isinstance(one, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            inner.extend(ast.iter_child_nodes(one))
    return False


def _is_exempt(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in _PROPERTIES or name == "callback"
