"""Images of an episode: their source, and their conversion for a video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlmesh._elements import numbers_of
from rlmesh._recording.optional import optional_import
from rlmesh.spaces import Dict, Space, Tuple, path_text

__all__ = ["Drawings", "FrameError", "Pixels", "leaf_path", "picture", "pixels_of", "value_at"]

Pixels = tuple[str, tuple[int, ...], bytes]
"""The type of a copied image: dtype, shape and bytes. Environments may reuse their own array."""

_CHANNELS = (1, 3, 4)
Path = tuple[Any, ...]


class FrameError(ValueError):
    """A value is not an image; the message describes the value."""


class Drawings:
    """The images that environments render; a vector renders once for each step of all its lanes."""

    def __init__(self) -> None:
        self._drawn: dict[int, tuple[Any, set[int]]] = {}

    def after_reset(self, env: Any, lane: int | None) -> list[Pixels]:
        """Return the images after a reset: one, or several from a render mode that collects them.

        Args:
            env: The environment.
            lane: Lane of a vector; None: the environment is a single one.

        Raises:
            FrameError: If there is no image.
        """
        self._drawn.pop(id(env), None)
        return _frames(env.render(), lane)

    def after_step(self, env: Any, lane: int | None) -> list[Pixels]:
        """Return the images after a step; see `after_reset`."""
        if lane is None:
            return _frames(env.render(), None)
        # The lanes of a vector report the same step one after another. A lane that reports again
        # has made another step, so that the vector must render again.
        drawn, asked = self._drawn.pop(id(env), (None, {lane}))
        if lane in asked:
            drawn, asked = env.render(), set()
        self._drawn[id(env)] = (drawn, {*asked, lane})
        return _frames(drawn, lane)


def _frames(drawn: Any, lane: int | None) -> list[Pixels]:
    if lane is not None and isinstance(drawn, (list, tuple)) and len(drawn) > lane:
        drawn = drawn[lane]
    if drawn is None:
        raise FrameError(
            "render() returned None; make the environment with render_mode='rgb_array'"
        )
    return [pixels_of(frame) for frame in (drawn if isinstance(drawn, (list, tuple)) else [drawn])]


def pixels_of(frame: Any) -> Pixels:
    """Return a copy of the numbers of an image, an array of any library.

    Raises:
        FrameError: If `frame` is not an array.
    """
    found = numbers_of(frame)
    if found is None:
        raise FrameError(f"expected a frame that is an array, got {type(frame).__name__}")
    return found[0].name, found[1], found[2]


def picture(pixels: Pixels) -> Any:
    """Return an image as NumPy's uint8 of shape (height, width, 3), with even height and width.

    Gray images, and images with the channels first or with an alpha channel, are converted. Floats
    are taken as from 0 to 1. An odd side gets its last row or column twice, because most encoders
    need even sides.

    Raises:
        FrameError: If `pixels` is not an image.
    """
    np = optional_import("numpy", "VideoRecorder")
    dtype, shape, data = pixels
    if dtype not in ("uint8", "bool", "float16", "float32", "float64"):
        raise FrameError(f"expected a frame of uint8 or floats, got {dtype} of shape {shape}")
    frame = np.frombuffer(data, dtype).reshape(shape)
    if frame.ndim == 2:
        frame = frame[..., None]
    if frame.ndim == 3 and frame.shape[2] not in _CHANNELS and frame.shape[0] in _CHANNELS:
        frame = frame.transpose(1, 2, 0)
    if frame.ndim != 3 or frame.shape[2] not in _CHANNELS or 0 in shape:
        raise FrameError(f"expected a frame of shape (height, width, 3), got {shape}")
    frame = frame[..., :3] if frame.shape[2] > 1 else frame.repeat(3, axis=2)
    if dtype != "uint8":
        frame = (np.nan_to_num(np.clip(frame.astype("float32"), 0, 1)) * 255).round()
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded, dtype="uint8")


def leaf_path(source: str, space: Space[Any]) -> Path:
    """Return the path of the images within an observation.

    Args:
        source: "observation" for the observation itself, or for the only image in it; else the path
            of a leaf, as written by `path_text` ("['camera'][0]") or as keys joined by slashes
            ("camera/0").
        space: Space of the observation.

    Raises:
        ValueError: If there is no such image.
    """
    images = {path: leaf for path, leaf in _leaves(space, ()) if _is_image(leaf)}
    if source == "observation":
        if len(images) == 1:
            return next(iter(images))
    else:
        for path in (path for path, _ in _leaves(space, ())):
            if source in (path_text(path), "/".join(map(str, path))):
                return path
    found = ", ".join(path_text(path) or "observation" for path in images) or "no image"
    raise ValueError(
        f"expected source={source!r} to be one image of the observation; it has {found}"
    )


def value_at(observation: Any, path: Path) -> Any:
    """Return the leaf at a path of an observation.

    Raises:
        FrameError: If the observation has no such path.
    """
    for i, key in enumerate(path):
        try:
            observation = observation[key]
        except (KeyError, IndexError, TypeError):
            at = path_text(path[: i + 1])
            kind = "mapping" if isinstance(observation, Mapping) else type(observation).__name__
            raise FrameError(f"the observation has nothing at {at}: a {kind}") from None
    return observation


def _leaves(space: Space[Any], path: Path) -> list[tuple[Path, Space[Any]]]:
    if isinstance(space, (Dict, Tuple)):
        return [leaf for key, child in space.children for leaf in _leaves(child, (*path, key))]
    return [(path, space)]


def _is_image(space: Space[Any]) -> bool:
    shape, dtype = space.shape, space.dtype
    if (
        shape is None
        or dtype is None
        or 0 in shape
        or not (dtype.name == "uint8" or dtype.is_float)
    ):
        return False
    # A feature vector has one dimension. A stack of features may have two, but is not uint8.
    if len(shape) == 2:
        return dtype.name == "uint8"
    return len(shape) == 3 and (shape[2] in _CHANNELS or shape[0] in _CHANNELS)
