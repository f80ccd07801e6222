"""Changes of images, texts and histories that a model declares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rlmesh.adapters._terse import Terse

__all__ = ["HistoryPadding", "ImageFit", "ImageTransform", "Resampler", "TextTransform"]


class ImageFit(Enum):
    """The way in which an image gets another height and width.

    STRETCH: both change independently. CROP: the largest part from the middle with the new ratio of
    height to width is kept. PAD: the whole image is kept, in the middle, and the rest is filled.
    """

    STRETCH = "stretch"
    CROP = "crop"
    PAD = "pad"


class Resampler(Enum):
    """The calculation of a resized image's pixels, by the definition of the library in its name.

    NEAREST is the pixel in which the middle of the new one lies, the later one if the middle is
    between two: Pillow's NEAREST, except that Pillow's rounding decides about such a middle.
    """

    NEAREST = "nearest"
    PILLOW_BILINEAR = "pillow_bilinear"
    PILLOW_BICUBIC = "pillow_bicubic"
    PILLOW_LANCZOS = "pillow_lanczos"
    PILLOW_BOX = "pillow_box"
    OPENCV_LINEAR = "opencv_linear"
    OPENCV_AREA = "opencv_area"
    OPENCV_CUBIC = "opencv_cubic"


@dataclass(frozen=True, repr=False)
class ImageTransform(Terse):
    """One change of an image, of its parts in this order: JPEG, crop, size.

    Attributes:
        size: The new height and width; None: unchanged.
        fit: The way in which height and width change.
        resampler: The calculation of pixels.
        fill: The color that fills the rest with PAD, in the numbers of the image: one number, or
            one a channel.
        crop_area: Fraction of the area to keep from the middle, above 0: each side is multiplied by
            the square root and rounded. 1: all of it.
        jpeg_quality: Quality, 1 to 100, of a JPEG that the image is written to and read from; 0:
            none.
        upscale: Whether the image may become higher or wider than it is.
    """

    size: tuple[int, int] | None = None
    fit: ImageFit = ImageFit.STRETCH
    resampler: Resampler = Resampler.PILLOW_BILINEAR
    fill: tuple[float, ...] = ()
    crop_area: float = 1.0
    jpeg_quality: int = 0
    upscale: bool = True


class HistoryPadding(Enum):
    """The observations before the first one of an episode; ZEROS are in the model's numbers."""

    REPEAT = "repeat"
    ZEROS = "zeros"


@dataclass(frozen=True, repr=False)
class TextTransform(Terse):
    """The way in which a text is written.

    Attributes:
        default: Text of an episode without one; None: such an episode is refused, unless the input
            is optional.
        template: Text with "{text}" once, where the text goes; empty: the text alone.
        lower: Whether the text is written in lower case, before the template.
    """

    default: str | None = None
    template: str = ""
    lower: bool = False
