"""Tags of environments, specs of models, and adapters that fit a model to an environment.

`resolve` makes an adapter from an environment's contract and a model's spec, or raises an error
that lists every reason why they do not fit:

    adapter = resolve(contract, spec, backend=rlmesh_numpy.BACKEND)
    episode = adapter.episode(instruction)
    action = episode.act(predict(episode.observe(observation)))

An input (output) is matched with the one tag of the observation (action) space that has the same
role. Its values are then converted from the environment's description of the feature to the
model's; a property that one side leaves unspecified is taken from the other. The conversions from
the environment to the model, in this order (for outputs, their inverses in reverse order):

1. `range`: the environment's interval (the tag's, else the bounds of the space, element by
   element) is mapped linearly to the model's, if the model specifies one. If both sides specify a
   unit, numbers are amounts and no interval is mapped. Nothing is clipped.
2. Images: layouts HWC, CHW and HW; RGB, BGR and GRAY (luminance of ITU-R BT.601; gray becomes
   three equal channels). Images are never resized.
3. Rotations: any of the six forms of `RotationFormat` into any other; a matrix may be nine numbers
   or have the shape (3, 3).
4. `element_names`: elements are put into the model's order. An input may use some of them.
5. `unit`: multiplication by a factor, with unit names from UCUM. A conversion that needs more than
   a factor is refused.
6. `normalization`: one number, or one for each element of the last axis (for an image, for each
   channel).
7. `dtype`: each number is rounded once; to the nearest whole number if whole numbers are scaled.
   Calculations are in float32, or in float64 if either side has float64 or integers of 32 bits or
   more. An integer input is refused if numbers would have to be truncated.
8. `history` of 2 or more: observations are stacked on a new first axis, the oldest first; at the
   start of an episode its first observation is repeated. `shape` includes that axis. Observations
   between the actions of a chunk are among them, although no action is predicted for them.

Kind, frame of reference, and whether numbers are absolute or differences must be equal if both
sides specify them. Text inputs take the episode's instruction, else the environment's text; they
need no matching feature until an episode starts without an instruction.

An input with an entry point needs no tag: its callable gets one observation, as a model without a
spec would, and returns the input; `normalization`, `dtype`, `shape` and `history` then apply to it.
"""

from typing import TYPE_CHECKING

from rlmesh._lazy import lazy_names
from rlmesh._problem import Problem
from rlmesh.adapters._spec import (
    DELEGATED,
    Adaptation,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
)
from rlmesh.adapters._tags import (
    ColorSpace,
    EnvTags,
    Feature,
    FeatureKind,
    ImageLayout,
    Reference,
    RotationFormat,
    TaggedLeaf,
)

if TYPE_CHECKING:
    from rlmesh.adapters._adapter import Adapter, Episode
    from rlmesh.adapters._plan_text import plan_text
    from rlmesh.adapters._resolve import resolve
    from rlmesh.adapters._slots import tag_problems
    from rlmesh.adapters._spec_rules import spec_problems

__all__ = [
    "DELEGATED",
    "Adaptation",
    "Adapter",
    "ColorSpace",
    "EnvTags",
    "Episode",
    "Feature",
    "FeatureKind",
    "ImageLayout",
    "MeanStd",
    "MinMax",
    "ModelInput",
    "ModelOutput",
    "ModelSpec",
    "PredictForm",
    "Problem",
    "Reference",
    "RotationFormat",
    "TaggedLeaf",
    "plan_text",
    "resolve",
    "spec_problems",
    "tag_problems",
]

# Clients of environments need the tags and specs alone.
__getattr__ = lazy_names(
    __name__,
    {
        "Adapter": "_adapter",
        "Episode": "_adapter",
        "plan_text": "_plan_text",
        "resolve": "_resolve",
        "spec_problems": "_spec_rules",
        "tag_problems": "_slots",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
