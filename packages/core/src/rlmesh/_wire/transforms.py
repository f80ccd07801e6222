"""Changes of images and texts that a model declares <-> their messages."""

from __future__ import annotations

from rlmesh_proto.adapters.v1 import images_pb2
from rlmesh_proto.model.v1 import spec_pb2

from rlmesh._wire.enums import EnumMap
from rlmesh.adapters import HistoryPadding, ImageFit, ImageTransform, Resampler, TextTransform

__all__ = [
    "image_from_wire",
    "image_to_wire",
    "padding_from_wire",
    "padding_to_wire",
    "text_from_wire",
    "text_to_wire",
]

_FITS = EnumMap(ImageFit, images_pb2.ImageFit, "IMAGE_FIT")
_RESAMPLERS = EnumMap(Resampler, images_pb2.Resampler, "RESAMPLER")
_PADDINGS = EnumMap(HistoryPadding, spec_pb2.HistoryPadding, "HISTORY_PADDING")


def image_to_wire(given: ImageTransform, out: images_pb2.ImageTransform) -> None:
    """Write a change of an image into `out`."""
    if given.size is not None:
        out.height, out.width = given.size
    out.fit = _FITS.to_wire(given.fit)
    out.resampler = _RESAMPLERS.to_wire(given.resampler)
    out.fill.extend(given.fill)
    out.crop_area = given.crop_area
    out.jpeg_quality = given.jpeg_quality
    out.refuse_upscale = not given.upscale


def image_from_wire(message: images_pb2.ImageTransform, path: str) -> ImageTransform:
    """Return a change of an image.

    Raises:
        NewerSpecError: If its fit or its resampler is one of a newer spec.
    """
    size = (message.height, message.width)
    return ImageTransform(
        size=None if size == (0, 0) else size,
        fit=_FITS.read(message.fit, ImageFit.STRETCH, path),
        resampler=_RESAMPLERS.read(message.resampler, Resampler.PILLOW_BILINEAR, path),
        fill=tuple(message.fill),
        crop_area=message.crop_area or 1.0,
        jpeg_quality=message.jpeg_quality,
        upscale=not message.refuse_upscale,
    )


def padding_to_wire(given: HistoryPadding) -> int:
    """Return the wire enum's number."""
    number: int = _PADDINGS.to_wire(given)
    return number


def padding_from_wire(number: int, path: str) -> HistoryPadding:
    """Return what stands before an episode's first observation.

    Raises:
        NewerSpecError: If the number is one of a newer spec.
    """
    return _PADDINGS.read(number, HistoryPadding.REPEAT, path)


def text_to_wire(given: TextTransform, out: spec_pb2.TextTransform) -> None:
    """Write the way in which a text is written into `out`."""
    out.SetInParent()
    if given.default is not None:
        out.default = given.default
    out.template = given.template
    out.lower = given.lower


def text_from_wire(message: spec_pb2.TextTransform) -> TextTransform:
    """Return the way in which a text is written."""
    default = message.default if message.HasField("default") else None
    return TextTransform(default, message.template, message.lower)
