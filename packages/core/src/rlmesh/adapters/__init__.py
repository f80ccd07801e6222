"""What environments and models say of their values, so that one can be fitted to the other."""

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

__all__ = [
    "DELEGATED",
    "Adaptation",
    "ColorSpace",
    "EnvTags",
    "Feature",
    "FeatureKind",
    "ImageLayout",
    "MeanStd",
    "MinMax",
    "ModelInput",
    "ModelOutput",
    "ModelSpec",
    "PredictForm",
    "Reference",
    "RotationFormat",
    "TaggedLeaf",
]
