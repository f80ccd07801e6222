"""Values to slabs and back: a space compiled once into a flat plan, a backend at the leaf."""

from rlmesh._codec.plan import SpaceCodec
from rlmesh._codec.validate import Validation, ValidationWarning, Validator

__all__ = ["SpaceCodec", "Validation", "ValidationWarning", "Validator"]
