"""Images resized and encoded by Pillow and OpenCV, the libraries that define the results."""

from __future__ import annotations

import io
from typing import Any

from rlmesh._optional import optional_import
from rlmesh.adapters._transforms import Resampler

__all__ = ["jpeg_round_trip", "resized", "resized_each"]

_PILLOW = {
    Resampler.PILLOW_BILINEAR: "BILINEAR",
    Resampler.PILLOW_BICUBIC: "BICUBIC",
    Resampler.PILLOW_LANCZOS: "LANCZOS",
    Resampler.PILLOW_BOX: "BOX",
}
_OPENCV = {
    Resampler.OPENCV_LINEAR: "INTER_LINEAR",
    Resampler.OPENCV_AREA: "INTER_AREA",
    Resampler.OPENCV_CUBIC: "INTER_CUBIC",
}
_OPENCV_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
_MODES = {1: "L", 3: "RGB", 4: "RGBX"}


def resized(image: Any, size: tuple[int, int], resampler: Resampler) -> Any:
    """Return a NumPy image of (height, width, channels) in another size, in the same dtype.

    Args:
        image: The image.
        size: The new height and width.
        resampler: A resampler of Pillow or OpenCV.

    Raises:
        ImportError: If the library, or NumPy, is not installed.
    """
    np = optional_import("numpy", "resizing images", "images")
    image = np.ascontiguousarray(image)
    if resampler in _PILLOW:
        return _by_pillow(image, size, _PILLOW[resampler], np)
    return _by_opencv(image, size, _OPENCV[resampler], np)


def resized_each(images: Any, size: tuple[int, int], resampler: Resampler) -> Any:
    """Return NumPy images of (..., height, width, channels) in another size; see `resized`."""
    np = optional_import("numpy", "resizing images", "images")
    rows = [resized(image, size, resampler) for image in images.reshape((-1, *images.shape[-3:]))]
    made = np.stack(rows) if rows else np.empty((0, *size, images.shape[-1]), images.dtype)
    return made.reshape((*images.shape[:-3], *size, images.shape[-1]))


def _by_pillow(image: Any, size: tuple[int, int], name: str, np: Any) -> Any:
    pillow = optional_import("PIL.Image", f"the resampler {name} of Pillow", "images")
    filtered = getattr(pillow.Resampling, name)
    height, width = size
    channels = image.shape[-1]
    if image.dtype == np.uint8 and channels in _MODES:
        # RGBX, unlike RGBA, has four channels that are resized independently.
        picture = pillow.frombuffer(
            _MODES[channels], image.shape[1::-1], image, "raw", _MODES[channels], 0, 1
        )
        return np.asarray(picture.resize((width, height), filtered)).reshape((*size, channels))
    mode = np.uint8 if image.dtype == np.uint8 else np.float32
    parts = [
        np.asarray(
            pillow.fromarray(np.ascontiguousarray(image[..., i], dtype=mode)).resize(
                (width, height), filtered
            )
        )
        for i in range(channels)
    ]
    return _in_dtype(np.stack(parts, axis=-1), image.dtype, np)


def _by_opencv(image: Any, size: tuple[int, int], name: str, np: Any) -> Any:
    cv2 = optional_import("cv2", f"the resampler {name} of OpenCV", "images")
    height, width = size
    channels = image.shape[-1]
    source = image if image.dtype.name in _OPENCV_DTYPES else image.astype(np.float64)
    groups = [source[..., i : i + 4] for i in range(0, channels, 4)]
    parts = [
        cv2.resize(
            np.ascontiguousarray(part), (width, height), interpolation=getattr(cv2, name)
        ).reshape((*size, part.shape[-1]))
        for part in groups
    ]
    return _in_dtype(parts[0] if len(parts) == 1 else np.concatenate(parts, -1), image.dtype, np)


def _in_dtype(image: Any, dtype: Any, np: Any) -> Any:
    """Return an image in a dtype; floats become the nearest whole numbers that it can hold."""
    if image.dtype == dtype:
        return image
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        image = np.clip(np.rint(image), limits.min, limits.max)
    return image.astype(dtype)


def jpeg_round_trip(image: Any, quality: int) -> Any:
    """Return a NumPy image of (height, width, channels) as a reader of its JPEG sees it.

    Args:
        image: An image of uint8 with one or three channels.
        quality: Quality, 1 to 100, as of Pillow's encoder.

    Raises:
        ImportError: If Pillow or NumPy is not installed.
    """
    np = optional_import("numpy", "encoding images", "images")
    pillow = optional_import("PIL.Image", "a JPEG round trip", "images")
    channels = image.shape[-1]
    picture = pillow.fromarray(np.ascontiguousarray(image[..., 0] if channels == 1 else image))
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=quality)
    file.seek(0)
    return np.asarray(pillow.open(file)).reshape(image.shape)
