"""Views: the parts of observations that a client reads, and the form of the images in them."""

from __future__ import annotations

from dataclasses import dataclass

from rlmesh.adapters._tags import ImageForm
from rlmesh.adapters._transforms import ImageTransform

__all__ = ["ImageView", "ObservationView", "ViewPart"]


@dataclass(frozen=True)
class ImageView:
    """A change of an image before it is sent; see rule A-5 of CONTRACT.md.

    Attributes:
        source: Form of the environment's image.
        target: Form in which the image is sent.
        transforms: The changes, in order.
    """

    source: ImageForm
    target: ImageForm
    transforms: tuple[ImageTransform, ...] = ()


@dataclass(frozen=True)
class ViewPart:
    """A part of an observation.

    Attributes:
        path: Keys and positions from the root of the observation space, through Dict and Tuple.
        image: Change of the image that the part is; None: the part is sent unchanged.
    """

    path: tuple[str | int, ...]
    image: ImageView | None = None


@dataclass(frozen=True)
class ObservationView:
    """The parts of observations that a client reads; see rule N-18 of CONTRACT.md.

    Attributes:
        parts: The parts, none within another.
    """

    parts: tuple[ViewPart, ...] = ()
