"""Tags of environments, specs of models, and adapters that fit a model to an environment.

`resolve` makes an adapter from an environment's contract and a model's spec, or raises an error
that lists every reason why they do not fit:

    adapter = resolve(contract, spec, backend=rlmesh_numpy.BACKEND)
    episode = adapter.episode(instruction)
    action = episode.act(predict(episode.observe(observation)))

An input (output) is matched with the one tag of the observation (action) space that has the same
role. Its values are then converted from the environment's description of the feature to the
model's; a property that one side leaves unspecified is taken from the other. The rules are A-1 to
A-12 of spec/CONTRACT.md. The conversions from the environment to the model, in this order (for
outputs, their inverses in reverse order):

1. `image`: turned upright, encoded as JPEG, cropped, resized, padded, and turned to the model's
   orientation, in the environment's dtype. With NumPy, Pillow and OpenCV do the work, and pixels
   are theirs; PyTorch and JAX calculate on the array's device, and differ by one shade at most.
2. `gripper`: the numbers for open and closed become the model's. Or `range`: the environment's
   interval (the tag's, else the bounds of the space, element by element) is mapped linearly to the
   model's, if the model specifies one. If both sides specify a unit, numbers are amounts and no
   interval is mapped. Nothing is clipped.
3. Images: `depth` (distances, linear in [0, 1], or a depth buffer); layouts HWC, CHW and HW; RGB,
   RGBA, BGR and GRAY (luminance of ITU-R BT.601; gray becomes three equal channels).
4. Rotations: any form of `RotationFormat` into any other, Euler angles about any axes; a matrix may
   be nine numbers or have the shape (3, 3). `sign` chooses between equal quaternions and angles.
5. `element_names`: elements are put into the model's order. An input may use some of them.
6. `unit`: multiplication by a factor, with unit names from UCUM. A conversion that needs more than
   a factor is refused.
7. `normalization`: one number, or one for each element of the last axis (for an image, for each
   channel). An element that never changes is no error.
8. `dtype`: each number is rounded once; to the nearest whole number if whole numbers are scaled.
   Calculations are in float32, or in float64 if either side has float64 or integers of 32 bits or
   more. An integer input is refused if numbers would have to be truncated.
9. `history` of 2 or more: observations are stacked on a new first axis, the oldest first,
   `history_stride` steps apart, or joined on the axis of the channels; at the start of an episode
   its first observation is repeated, or zeros. `shape` includes that axis. Observations between the
   actions of a chunk are among them, although no action is predicted for them.

An input with `parts` joins features, constants and the model's output for the step before to one
vector, which is then normalized, filled to `pad_to` and reshaped. Kind, frame of reference, and
whether numbers are absolute or differences must be equal if both sides specify them; an output may
be `relative_to` a state instead. Text inputs take the episode's instruction, else the environment's
text, else a default; they need no matching feature until an episode starts without any.

Outputs may split one value of the model by `offset` and `length`. Each is clipped, its scaling is
undone, and it is scaled, shifted and snapped by `threshold`, before the inverse conversions. An
output with a `constant` is not returned by the model.

An input with an entry point needs no tag of its own: its callable gets the features of its `parts`
by their roles, or one observation, as a model without a spec would, and returns the input;
`normalization`, `dtype`, `shape` and `history` then apply to it.
"""

from typing import TYPE_CHECKING

from rlmesh._lazy import lazy_names
from rlmesh._problem import Problem
from rlmesh.adapters import roles
from rlmesh.adapters._normalization import MeanStd, MinMax, Normalization, Statistics
from rlmesh.adapters._spec import (
    DELEGATED,
    Adaptation,
    InputPart,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
)
from rlmesh.adapters._tags import (
    TAGS_ATTRIBUTE,
    ColorSpace,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    FeatureKind,
    Gripper,
    ImageLayout,
    Orientation,
    Reference,
    RotationFormat,
    RotationSign,
    TaggedLeaf,
)
from rlmesh.adapters._transforms import (
    HistoryPadding,
    ImageFit,
    ImageTransform,
    Resampler,
    TextTransform,
)

if TYPE_CHECKING:
    from rlmesh.adapters._adapter import Adapter, Episode
    from rlmesh.adapters._advice import Advisory
    from rlmesh.adapters._declare import (
        Action,
        Concat,
        Image,
        State,
        Text,
        output,
    )
    from rlmesh.adapters._declare_feature import feature, tags
    from rlmesh.adapters._explain import Explanation
    from rlmesh.adapters._finding import Finding
    from rlmesh.adapters._plan import Plan, PlanEntry, PlanStep
    from rlmesh.adapters._plan_text import plan_text
    from rlmesh.adapters._probe import Probe
    from rlmesh.adapters._resolve import resolve
    from rlmesh.adapters._slots import tag_problems
    from rlmesh.adapters._spec_rules import spec_problems
    from rlmesh.adapters._tagging import tag

__all__ = [
    "DELEGATED",
    "TAGS_ATTRIBUTE",
    "Action",
    "Adaptation",
    "Adapter",
    "Advisory",
    "ColorSpace",
    "Concat",
    "Depth",
    "DepthEncoding",
    "EnvTags",
    "Episode",
    "Explanation",
    "Feature",
    "FeatureKind",
    "Finding",
    "Gripper",
    "HistoryPadding",
    "Image",
    "ImageFit",
    "ImageLayout",
    "ImageTransform",
    "InputPart",
    "MeanStd",
    "MinMax",
    "ModelInput",
    "ModelOutput",
    "ModelSpec",
    "Normalization",
    "Orientation",
    "Plan",
    "PlanEntry",
    "PlanStep",
    "PredictForm",
    "Probe",
    "Problem",
    "Reference",
    "Resampler",
    "RotationFormat",
    "RotationSign",
    "State",
    "Statistics",
    "TaggedLeaf",
    "Text",
    "TextTransform",
    "feature",
    "output",
    "plan_text",
    "resolve",
    "roles",
    "spec_problems",
    "tag",
    "tag_problems",
    "tags",
]

# Clients of environments need the tags and specs alone.
__getattr__ = lazy_names(
    __name__,
    {
        "Action": "_declare",
        "Adapter": "_adapter",
        "Advisory": "_advice",
        "Concat": "_declare",
        "Episode": "_adapter",
        "Explanation": "_explain",
        "Finding": "_finding",
        "Plan": "_plan",
        "PlanEntry": "_plan",
        "PlanStep": "_plan",
        "Probe": "_probe",
        "Image": "_declare",
        "State": "_declare",
        "Text": "_declare",
        "feature": "_declare_feature",
        "output": "_declare",
        "tags": "_declare_feature",
        "plan_text": "_plan_text",
        "resolve": "_resolve",
        "spec_problems": "_spec_rules",
        "tag": "_tagging",
        "tag_problems": "_slots",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
