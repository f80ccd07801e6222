"""Views of observations <-> their messages (CONTRACT.md, N-18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlmesh_proto.adapters.v1 import view_pb2
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._messages import env as m
from rlmesh._wire.many import required
from rlmesh.errors import CodecError
from rlmesh.spaces._base import MAX_DEPTH, MAX_SPACES

if TYPE_CHECKING:
    from rlmesh.adapters._tags import ImageForm
    from rlmesh.adapters._view import ImageView

__all__ = ["read_set_view", "write_set_view"]

# Adapters are imported only if there is a view.


def write_set_view(body: m.SetView, out: env_pb2.ViewRequest) -> None:
    """Write a request."""
    out.SetInParent()
    if body.view is None:
        return
    from rlmesh._wire.tags import path_to_wire
    from rlmesh._wire.transforms import image_to_wire

    out.view.SetInParent()
    for part in body.view.parts:
        message = out.view.parts.add()
        path_to_wire(part.path, message.path)
        if part.image is not None:
            _write_form(part.image.source, message.image.source)
            _write_form(part.image.target, message.image.target)
            for transform in part.image.transforms:
                image_to_wire(transform, message.image.transforms.add())


def _write_form(form: ImageForm, out: view_pb2.ImageForm) -> None:
    from rlmesh._wire.tags import COLORS, LAYOUTS, orientation_to_wire

    out.layout = LAYOUTS.to_wire(form.layout)
    out.color = COLORS.to_wire(form.color)
    orientation_to_wire(form.orientation, out)


def read_set_view(message: env_pb2.ViewRequest) -> m.SetView:
    """Return a request.

    Raises:
        CodecError: If it breaks a rule.
        NewerSpecError: If it has a layout, color, fit or resampler of a newer spec.
    """
    if not message.HasField("view"):
        return m.SetView(None)
    from rlmesh._wire.tags import path_from_wire
    from rlmesh.adapters._view import ObservationView, ViewPart

    # No space has more parts, or a longer path; checked before anything is made of them (M-4).
    longest = max((len(part.path) for part in message.view.parts), default=0)
    if len(message.view.parts) > MAX_SPACES or longest > MAX_DEPTH:
        words = f"expected at most {MAX_SPACES} parts, and {MAX_DEPTH} segments of a path"
        raise CodecError(words, path="view", rule="N-18")
    return m.SetView(
        ObservationView(
            tuple(
                ViewPart(
                    path_from_wire(part.path),
                    _read_image(part.image) if part.HasField("image") else None,
                )
                for part in message.view.parts
            )
        )
    )


def _read_image(message: view_pb2.ImageView) -> ImageView:
    from rlmesh._wire.transforms import image_from_wire
    from rlmesh.adapters._view import ImageView

    return ImageView(
        _read_form(required(message, "source"), "image.source"),
        _read_form(required(message, "target"), "image.target"),
        tuple(image_from_wire(one, "image.transforms") for one in message.transforms),
    )


def _read_form(message: view_pb2.ImageForm, path: str) -> ImageForm:
    from rlmesh._wire.tags import COLORS, LAYOUTS, orientation_from_wire
    from rlmesh.adapters._tags import ColorSpace, ImageForm, ImageLayout

    layout = LAYOUTS.read(message.layout, ImageLayout.UNSPECIFIED, f"{path}.layout")
    if layout is ImageLayout.UNSPECIFIED:
        raise CodecError("an image's form has no layout", path=f"{path}.layout", rule="U-4")
    color = COLORS.read(message.color, ColorSpace.UNSPECIFIED, f"{path}.color")
    return ImageForm(layout, color, orientation_from_wire(message.orientation))
