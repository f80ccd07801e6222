"""What environments and models say of their values, so that one can be fitted to the other."""

from rlmesh.adapters._adapter import Adapter, Episode
from rlmesh.adapters._places import tag_problems
from rlmesh.adapters._problems import Problem
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
