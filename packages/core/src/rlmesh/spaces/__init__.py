"""Spaces: the sets that observations and actions are drawn from.

They have the names, arguments and meaning of Gymnasium's, and need neither NumPy nor Gymnasium.
"""

from __future__ import annotations

from rlmesh.spaces._base import Space, path_text
from rlmesh.spaces._bounds import Bounds
from rlmesh.spaces._box import Box
from rlmesh.spaces._dict import Dict
from rlmesh.spaces._discrete import Discrete
from rlmesh.spaces._graph import Graph, GraphInstance
from rlmesh.spaces._gymnasium import from_gymnasium, to_gymnasium
from rlmesh.spaces._multi_binary import MultiBinary
from rlmesh.spaces._multi_discrete import MultiDiscrete
from rlmesh.spaces._one_of import OneOf
from rlmesh.spaces._sequence import Sequence
from rlmesh.spaces._text import Text
from rlmesh.spaces._tuple import Tuple
from rlmesh.spaces.flatten import flatdim

__all__ = [
    "Bounds",
    "Box",
    "Dict",
    "Discrete",
    "Graph",
    "GraphInstance",
    "MultiBinary",
    "MultiDiscrete",
    "OneOf",
    "Sequence",
    "Space",
    "Text",
    "Tuple",
    "flatdim",
    "from_gymnasium",
    "path_text",
    "to_gymnasium",
]
