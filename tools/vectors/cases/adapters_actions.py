"""Adapters: actions of what a model returns."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from ..adapters import (
    NOTHING,
    AdapterCase,
    Facts,
    Moment,
    feature,
    floats,
    leaf,
    named,
    numbers,
    spec_of,
    tags_of,
    unbounded,
)
from ..elements import Bits, unpack
from ..rotations import axis_angle, euler, product, quaternion, rotation_about, transposed
from ..spaces import box, dict_, discrete, multi_discrete, text
from ..values import Tagged, array, entries, integer, string

__all__ = ["ACTIONS"]

Space = Any
ACT = feature("action/a", kind="action")


def acting(
    name: str,
    tags: Sequence[Facts],
    space: Space,
    outputs: Sequence[Facts],
    returned: Sequence[dict[str, Tagged]],
    actions: Sequence[Tagged],
    **facts: Any,
) -> AdapterCase:
    """Return a case of single actions, one a step, of an environment without observations."""
    moments = tuple(
        Moment({}, outputs=one, actions=(action,)) for one, action in zip(returned, actions)
    )
    rules = facts.pop("rules", "A-9")
    facts = {"tolerance": 1e-6, **facts}
    return AdapterCase(
        name, rules, tags_of((), tags), spec_of((), outputs), moments, NOTHING, space, **facts
    )


def plain(
    name: str,
    env: Facts,
    output: Facts,
    given: Sequence[float],
    wanted: Sequence[float],
    **facts: Any,
) -> AdapterCase:
    """Return a case of one vector `a` that becomes the action."""
    space = facts.pop("space", unbounded(len(wanted)))
    return acting(
        name,
        [leaf([], {**ACT, **env})],
        space,
        [{"name": "a", "feature": ACT, **output}],
        [{"a": floats(*given)}],
        [floats(*wanted)],
        **facts,
    )


def output(**facts: Any) -> Facts:
    return {"feature": {**ACT, **facts}}


THIRDS = unpack("float32", struct.pack("<6f", 0.1, -0.7, -0.3, 0.3, 0.7, 0.1))
"""Bounds of three elements that binary fractions are not."""

UNIT = {"low": 0.0, "high": 1.0}
SIGNED = {"low": -1.0, "high": 1.0}
NORMAL = {"mean_std": {"mean": [1.0, 2.0], "std": [2.0, 4.0]}}
CONSTANT = {"min_max": {"low": [3.0, 0.0], "high": [3.0, 4.0]}}
NAN = Bits(0x7FC00000)
OPEN = {"open": 1.0, "closed": 0.0}
SHUT = {"open": -1.0, "closed": 1.0}


def split() -> AdapterCase:
    """Return a flat vector with parts for three places, two of them in one leaf."""
    names = {"p": (0, 3), "r": (3, 3), "g": (6, 1)}
    roles = {key: feature(f"action/{key}") for key in names}
    outputs = [
        {"name": "", "feature": roles[key], "offset": start, "length": size}
        for key, (start, size) in names.items()
    ]
    tags = [
        leaf(["arm"], roles["r"], (0, 3)),
        leaf(["arm"], roles["p"], (3, 3)),
        leaf(["hand"], roles["g"]),
    ]
    space = dict_(("arm", unbounded(6)), ("hand", unbounded(1)))
    action = entries(("arm", floats(4, 5, 6, 1, 2, 3)), ("hand", floats(7)))
    # Elements that no output has are ignored.
    return acting(
        "split",
        tags,
        space,
        outputs,
        [{"": floats(1, 2, 3, 4, 5, 6, 7, 8)}],
        [action],
        tolerance=0.0,
    )


def whole_numbers() -> list[AdapterCase]:
    shades = box("uint8", (3,), 0, 255)
    return [
        acting(
            "whole/scaled",
            [leaf([], ACT)],
            shades,
            [{"name": "a", **output(range=SIGNED)}],
            [{"a": floats(-1, 1, 0)}, {"a": floats(-0.5, 0.5, 1)}],
            # 127.5 and 63.75 are rounded, a half to the even number.
            [array("uint8", (3,), (0, 255, 128)), array("uint8", (3,), (64, 191, 255))],
            rules="A-3 A-9",
        ),
        acting(
            "whole/as-returned",
            [leaf(["d"], feature("d")), leaf(["m"], feature("m"))],
            dict_(("d", discrete(5, 2)), ("m", multi_discrete((2,), (3, 4)))),
            [{"name": "d", "feature": feature("d")}, {"name": "m", "feature": feature("m")}],
            [{"d": numbers((), (4,)), "m": floats(2, 3)}],
            [entries(("d", integer(4)), ("m", array("int64", (2,), (2, 3))))],
            tolerance=0.0,
        ),
    ]


def constants() -> AdapterCase:
    outputs: list[Facts] = [
        {"name": "a", "feature": feature("action/a"), "dtype": "float32"},
        {
            "name": "fixed",
            "feature": feature("action/b", unit="cm"),
            "constant": [100.0, -50.0],
            "scale": 2.0,
        },
    ]
    tags = [
        leaf([], feature("action/a"), (2, 1)),
        leaf([], feature("action/b", unit="m"), (0, 2)),
    ]
    return acting("constant", tags, unbounded(3), outputs, [{"a": floats(5)}], [floats(2, -1, 5)])


def everything() -> AdapterCase:
    """Return every conversion of one output, in the order of A-9."""
    env = {"unit": "m", "element_names": ["x", "y"], "range": {"low": -8.0, "high": 8.0}}
    model = output(unit="cm", element_names=["y", "x"])
    # (2, -9): clipped to (2, -4), times (2, 4) plus (1, 2) is (5, -14), times -10 plus 100 is
    # (50, 240), in the environment's order and unit (2.4, 0.5), limited by the space to (2, 0.5).
    facts = {
        **model,
        "clip": {"low": -4.0, "high": 4.0},
        "normalization": NORMAL,
        "scale": -10.0,
        "shift": 100.0,
        "clip_to_space": True,
    }
    space = box("float32", (2,), -2.0, 2.0)
    return plain("everything", env, facts, (2, -9), (2.0, 0.5), space=space, rules="A-3 A-9")


def grippers() -> list[AdapterCase]:
    """Return thresholds in the model's numbers, and either polarity on either side."""
    given = (0.75, 0.5, 0.25, 0.0)
    snapped = {"opened": (1.0, 1.0, 0.0, 0.0), "shut": (1.0, 1.0, -1.0, -1.0)}
    cases = []
    for env_name, env in (("opened", OPEN), ("shut", SHUT)):
        for name, own in (("opened", OPEN), ("shut", SHUT)):
            numbers_of = snapped[name]
            ends = own["closed"], own["open"]
            share = [(x - ends[0]) / (ends[1] - ends[0]) for x in numbers_of]
            wanted = [env["closed"] + x * (env["open"] - env["closed"]) for x in share]
            made = {"feature": {**ACT, "gripper": own}, "threshold": 0.5}
            case = plain(
                f"gripper/{name}-to-{env_name}",
                {"gripper": env},
                made,
                given,
                wanted,
                tolerance=0.0,
            )
            cases.append(case)
    smooth = {"feature": {**ACT, "gripper": OPEN}}
    cases.append(plain("gripper/smooth", {"gripper": SHUT}, smooth, given, (-0.5, 0, 0.5, 1)))
    return cases


# Differences.

STATE = feature("state/s", kind="state", unit="m")


def relative(
    name: str,
    sides: tuple[str, str],
    state: Facts,
    env: Facts,
    model: Facts,
    moments: Sequence[tuple[Tagged, Tagged, Sequence[Tagged]]],
    sizes: tuple[int, int],
    **facts: Any,
) -> AdapterCase:
    """Return a case of an action that is relative to the state `s`.

    Args:
        name: Unique name.
        sides: `reference` of the environment and of the model.
        state: The state's feature.
        env: The environment's feature of the action.
        model: The model's.
        moments: The state, what the model returns and the actions, of each step.
        sizes: Number of elements of the state and of the action.
        facts: Other fields of the output; `chunk` for chunks.
    """
    chunk = {"predict_forms": ["chunk"]} if facts.pop("chunk", False) else {}
    made = {
        "name": "a",
        "feature": {**ACT, **model, "reference": sides[1]},
        "relative_to": "state/s",
        **facts,
    }
    return AdapterCase(
        f"relative/{name}",
        "A-10",
        tags_of([leaf(["s"], state)], [leaf([], {**ACT, **env, "reference": sides[0]})]),
        spec_of((), [made], **chunk),
        tuple(
            Moment({}, entries(("s", seen)), {"a": given}, tuple(wanted))
            for seen, given, wanted in moments
        ),
        dict_(("s", unbounded(sizes[0]))),
        unbounded(sizes[1]),
        tolerance=2e-6,
    )


def rotated() -> list[AdapterCase]:
    """Return composed rotations: the state is a quaternion, the model returns axis-angles."""
    held = rotation_about((1.0, 2.0, 2.0), 1.0)
    by = rotation_about((-1.0, 0.0, 1.0), 0.75)
    state = feature("state/s", kind="state", rotation="quaternion_xyzw")
    env, model = {"rotation": "euler", "euler_axes": "xyz"}, {"rotation": "axis_angle"}
    w, x, y, z = quaternion(held)
    seen = floats(x, y, z, w)
    cases = []
    for local in (False, True):
        goal = product(held, by) if local else product(by, held)
        back = product(transposed(held), by) if local else product(by, transposed(held))
        name = "local" if local else "fixed"
        to = {"rotation": "quaternion_wxyz"}
        cases += [
            relative(
                f"rotation-to-absolute-{name}",
                ("absolute", "delta"),
                state,
                to,
                model,
                [(seen, floats(*axis_angle(by)), [floats(*quaternion(goal))])],
                (4, 4),
                relative_local=local,
            ),
            relative(
                f"rotation-to-delta-{name}",
                ("delta", "absolute"),
                state,
                to,
                model,
                [(seen, floats(*axis_angle(by)), [floats(*quaternion(back))])],
                (4, 4),
                relative_local=local,
            ),
        ]
    angles = (0.25, -0.5, 1.0)
    same = euler("xyz", angles)
    still = floats(0, 0, 0, 1)
    cases.append(
        relative(
            "rotation-of-no-state",
            ("absolute", "delta"),
            state,
            env,
            model,
            [(still, floats(*axis_angle(same)), [floats(*angles)])],
            (4, 3),
        )
    )
    return cases


ACTIONS = named(
    "action",
    split(),
    plain("clip", {}, {"clip": SIGNED}, (-3, 0.5, 2, 1), (-1, 0.5, 1, 1), tolerance=0.0),
    plain("normalization/mean-std", {}, {"normalization": NORMAL}, (1, -1), (3, -2)),
    plain("normalization/constant", {}, {"normalization": CONSTANT}, (-1, 0.5), (3, 3)),
    plain(
        "normalization/mask",
        {},
        {"normalization": {**NORMAL, "mask": [False, True]}},
        (5, 0.5),
        (5, 4),
    ),
    plain("scale", {}, {"scale": -2.0, "shift": 0.5}, (1, -0.25), (-1.5, 1.0)),
    plain("range", {"range": {"low": 0.0, "high": 8.0}}, output(range=SIGNED), (-1, 0.5), (0, 6)),
    # Both ends are exact, whatever becomes of the numbers between them.
    plain(
        "range/ends",
        {},
        output(range=SIGNED),
        (-1, 1, -1),
        (0.1, 0.7, -0.3),
        space=box("float32", (3,), THIRDS[:3], THIRDS[3:]),
        tolerance=0.0,
    ),
    # NaN stays NaN: a limit does not hide it.
    acting(
        "nan",
        [leaf([], {**ACT, "gripper": OPEN})],
        box("float32", (2,), -1.0, 1.0),
        [
            {
                "name": "a",
                "feature": {**ACT, "gripper": OPEN},
                "threshold": 0.5,
                "clip": SIGNED,
                "clip_to_space": True,
            }
        ],
        [{"a": array("float32", (2,), (NAN, 0.5))}],
        [array("float32", (2,), (NAN, 1.0))],
    ),
    plain("unit", {"unit": "mm"}, output(unit="m"), (0.5, -2), (500, -2000), rules="A-3 A-9"),
    plain(
        "names",
        {"element_names": ["a", "b", "c"]},
        output(element_names=["c", "a", "b"]),
        (1, 2, 3),
        (2, 3, 1),
        rules="A-3 A-9",
        tolerance=0.0,
    ),
    plain(
        "rotation",
        {"rotation": "quaternion_xyzw"},
        output(rotation="axis_angle"),
        (0, 0, 2.0),
        (0, 0, math.sin(1), math.cos(1)),
        rules="A-4 A-9",
    ),
    plain(
        "clip-to-space",
        {},
        {"clip_to_space": True},
        (-3, 3, 0.5),
        (-1, 2, 0.5),
        space=box("float32", (3,), [-1.0, -2.0, 0.0], [1.0, 2.0, 1.0]),
        tolerance=0.0,
    ),
    everything(),
    constants(),
    *whole_numbers(),
    *grippers(),
    acting(
        "text",
        [leaf(["t"], feature("text/t", kind="text"))],
        dict_(("t", text("abc", 0, 9))),
        [{"name": "t", "feature": feature("text/t", kind="text")}],
        [{"t": string("cab")}],
        [entries(("t", string("cab")))],
        rules="A-1 A-9",
        tolerance=0.0,
    ),
    relative(
        "to-absolute",
        ("absolute", "delta"),
        STATE,
        {"unit": "m"},
        {"unit": "cm"},
        [
            (floats(1, 2), floats(50, -50), [floats(1.5, 1.5)]),
            (floats(3, 4), floats(50, -50), [floats(3.5, 3.5)]),
        ],
        (2, 2),
    ),
    relative(
        "to-delta",
        ("delta", "absolute"),
        STATE,
        {"unit": "m"},
        {"unit": "cm"},
        [(floats(1, 2), floats(150, 150), [floats(0.5, -0.5)])],
        (2, 2),
    ),
    relative(
        "same-reference",
        ("delta", "delta"),
        STATE,
        {"unit": "m"},
        {"unit": "cm"},
        [(floats(1, 2), floats(50, -50), [floats(0.5, -0.5)])],
        (2, 2),
    ),
    relative(
        "chunk",
        ("absolute", "delta"),
        STATE,
        {"unit": "m"},
        {"unit": "m"},
        [
            (
                floats(1, 2),
                numbers((3, 2), (0.5, 0.5, 1, 1, -1, 0)),
                [floats(1.5, 2.5), floats(2, 3), floats(0, 2)],
            )
        ],
        (2, 2),
        chunk=True,
    ),
    *rotated(),
)
