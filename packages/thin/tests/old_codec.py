"""Checks the codec of a bundle on an old Python: `python old_codec.py HOST CASES` prints JSON.

`test_thin_old_python.py` writes the cases and runs this program, so its syntax is Python 3.6's.
"""

import base64
import importlib.machinery
import importlib.util
import json
import sys
from typing import Any

import numpy as np


def load(path: str) -> Any:
    """Return a bundle as a module."""
    loader = importlib.machinery.SourceFileLoader("host", path)
    module: Any = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("host", loader))
    loader.exec_module(module)
    return module


def array(data: str, dtype: Any, shape: Any) -> Any:
    raw = base64.b64decode(data)
    return np.frombuffer(raw, dtype).reshape(shape) if raw else np.empty(shape, dtype)


def space_of(host: Any, plan: Any, path: str) -> Any:
    """Return the space of a plan; see `plan_of` in `test_thin_old_python.py`."""
    kind, arguments = plan[0], plan[1:]
    if kind == "box":
        number, shape, ends = arguments
        dtype = host.NUMPY[number]
        bounds = [array(data, dtype, [1] if form == "uniform" else shape) for form, data, _ in ends]
        marks = [base64.b64decode(end[2]) for end in ends]
        return host.box(path, number, tuple(shape), bounds[0], bounds[1], marks)
    if kind == "multi_binary":
        return host.multi_binary(path, tuple(arguments[0]), arguments[1])
    if kind == "multi_discrete":
        number, shape, nvec, start = arguments
        dtype = host.NUMPY[number]
        counts = array(nvec, dtype, shape)
        first = array(start, dtype, shape) if start else np.zeros_like(counts)
        return host.multi_discrete(path, number, counts, first)
    if kind == "discrete":
        return host.discrete(path, *arguments)
    if kind == "text":
        return host.Text(path, *arguments)
    if kind == "dict":
        keys = [key for key, _ in arguments[0]]
        parts = [space_of(host, part, path + host.step_text(key)) for key, part in arguments[0]]
        return host.PartsSpace(path, parts, keys, arguments[1])
    if kind == "sequence":
        return host.SequenceSpace(path, space_of(host, arguments[0], path), arguments[1])
    if kind == "graph":
        nodes, edges = arguments
        found = space_of(host, nodes, path + ".nodes")
        return host.Graph(path, found, edges and space_of(host, edges, path + ".edges"))
    children = [
        space_of(host, part, path + host.step_text(i)) for i, part in enumerate(arguments[0])
    ]
    return (host.PartsSpace if kind == "tuple" else host.OneOf)(path, children)


def value_fault(host: Any, case: Any) -> str:
    """Return what is wrong with the handling of a value's slabs; empty: nothing."""
    space = host.check_space(space_of(host, case["plan"], "value"))
    slabs = [base64.b64decode(slab) for slab in case["slabs"]]
    try:
        values = host.decode_values(space, slabs, case["count"])
    except host.Fault as fault:
        return "" if case["refused"] else "refused: " + fault.message
    if case["refused"]:
        return "not refused"
    written = [bytes(slab) for slab in host.encode_values(space, values)]
    return "" if written == slabs else "written as other slabs"


def dynamic_fault(host: Any, case: Any) -> str:
    """Return what is wrong with the handling of a self-describing value; empty: nothing."""
    proto = base64.b64decode(case["proto"])
    try:
        host.check_message(proto, host.DYNAMIC)
        value = host.DynamicReader().value(proto, "info")
    except (host.Fault, host.Unreadable) as fault:
        return "" if case["refused"] else f"refused: {fault}"
    if case["refused"]:
        return "not refused"
    same = host.DynamicWriter("info").value(value) == base64.b64decode(case["canonical"])
    return "" if same else "written as other bytes"


def main() -> None:
    host = load(sys.argv[1])
    with open(sys.argv[2]) as file:
        cases = json.load(file)
    wrong = []
    for case in cases["spaces"]:
        proto = bytes(space_of(host, case["plan"], "value").proto)
        if proto != base64.b64decode(case["canonical"]):
            wrong.append([case["name"], "written as other bytes"])
    for kind, fault_of in (("values", value_fault), ("dynamic", dynamic_fault)):
        for case in cases[kind]:
            fault = fault_of(host, case)
            if fault:
                wrong.append([case["name"], fault])
    versions = [sys.version.split()[0], np.__version__]
    print("RESULT" + json.dumps({"versions": versions, "wrong": wrong}))


if __name__ == "__main__":
    main()
