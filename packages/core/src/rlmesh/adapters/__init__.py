"""What environments and models say of their values, and what fits one to the other.

`resolve` makes an adapter of an environment's contract and a model's spec, or tells every reason
why there is none:

    adapter = resolve(contract, spec, backend=rlmesh_numpy.BACKEND)
    episode = adapter.episode(instruction)
    action = episode.act(predict(episode.observe(observation)))

An input, or output, is matched with the one tag of the observation, or action, space that has
its role. What the two say of the feature is then converted; what one side does not say is as
the other has it. From the environment to the model, in this order (outputs: the inverses, in
the opposite order):

1. `range`: the environment's interval (the tag's, else the bounds of the space, element by
   element) is mapped linearly to the model's, if the model names one. Where both sides name a
   unit, numbers are amounts, and no interval is mapped. Nothing is clipped.
2. Images: layouts HWC, CHW and HW; RGB, BGR and GRAY (luminance of ITU-R BT.601; gray becomes
   three equal channels). Images are never resized.
3. Rotations: any of the six forms of `RotationFormat` into any other; a matrix may have nine
   numbers or the shape (3, 3).
4. `element_names`: elements are put into the model's order. An input may have a part of them.
5. `unit`: by a factor; see UCUM for the names. Units that need more are refused.
6. `normalization`: one number, or one an element of the last axis; of the channels of an image.
7. `dtype`: each number is rounded once; whole numbers to the nearest where they are scaled.
   Calculations are in float32, or in float64 where a side has float64 or integers of 32 bits
   or more. An integer input is refused where numbers would have to be cut.
8. `history` of 2 or more: stacked on a new first axis, the oldest first; at the start of an
   episode its first observation stands for those before it. `shape` counts that axis.

Kind, frame of reference, and whether numbers are values or differences have to be equal where
both sides say them. Text inputs take the episode's instruction, else the environment's text;
they need no matching feature until an episode starts without an instruction.

An input with an entry point needs no tag: its callable is given one observation, as the model
would without a spec, and returns the input, to which `normalization`, `dtype`, `shape` and
`history` then apply.
"""

from rlmesh._problem import Problem
from rlmesh.adapters._adapter import Adapter, Episode
from rlmesh.adapters._places import tag_problems
from rlmesh.adapters._resolve import resolve
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
from rlmesh.adapters._spec_rules import spec_problems
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
    "resolve",
    "spec_problems",
    "tag_problems",
]
