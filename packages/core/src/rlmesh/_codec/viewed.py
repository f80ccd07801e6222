"""`ViewCodec`: the codec from whole observations to the slabs of a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlmesh import spaces
from rlmesh._codec.plan import SpaceCodec
from rlmesh._codec.validate import Validation
from rlmesh.backends import ArrayBackend, Buffer, Leaf, backend_of
from rlmesh.specs import EnvContract

if TYPE_CHECKING:
    from rlmesh.adapters._view import ObservationView
    from rlmesh.adapters._viewed import ChangedImage, ResolvedView

__all__ = ["ViewCodec", "viewed_contract"]


def viewed_contract(contract: EnvContract, view: ObservationView | None) -> EnvContract:
    """Return a contract with the observation space and the tags of what a view sends.

    Raises:
        InvalidValueError: If the view does not fit the observation space.
    """
    if view is None:
        return contract
    from rlmesh.adapters._viewed import resolve_view, viewed_tags

    whole = contract.observation_space
    space, tags = resolve_view(whole, view).space, viewed_tags(contract.tags, whole, view)
    return replace(contract, observation_space=space, tags=tags)


class ViewCodec(SpaceCodec):
    """Encodes the parts of whole observations that a view has.

    Values are checked against the observation space before images are changed; the slabs are those
    of the view's space. Images are changed by NumPy and the libraries of their resamplers.

    Attributes:
        space: Space of what the slabs encode.

    Args:
        view: The view.
        backend: Backend of the environment's arrays.
        adapt: Converts a single observation before it is encoded, as in `AdaptedCodec`; None:
            nothing does.
        root: Name of the value in messages.
        validation: What to do with a value outside its space.

    Raises:
        ImportError: If a library that a change of an image needs is not installed.
    """

    def __init__(
        self,
        view: ResolvedView,
        backend: ArrayBackend,
        adapt: Callable[[Any], Any] | None,
        *,
        root: str,
        validation: Validation,
    ) -> None:
        super().__init__(view.selected, backend, root=root, validation=validation)
        self.space = view.space
        self._view = view
        self._adapt = adapt
        self._changes = [
            _SlabChange(_slab_index(view.selected, image.path), image) for image in view.images
        ]
        for change in self._changes:
            change.try_out()

    def encode(self, value: Any) -> list[Buffer]:
        """See `SpaceCodec.encode`."""
        adapted = value if self._adapt is None else self._adapt(value)
        return self._changed(super().encode(self._view.select(adapted)), None)

    def encode_batches(self, batches: Sequence[Any], count: int) -> list[Buffer]:
        """See `SpaceCodec.encode_batches`."""
        slabs = super().encode_batches(list(map(self._view.select, batches)), count)
        return self._changed(slabs, count * len(batches))

    def encode_values(self, values: Sequence[Any]) -> list[Buffer]:
        """See `SpaceCodec.encode_values`."""
        slabs = super().encode_values(list(map(self._view.select, values)))
        return self._changed(slabs, len(values))

    def _changed(self, slabs: list[Buffer], count: int | None) -> list[Buffer]:
        for change in self._changes:
            slabs[change.index] = change(slabs[change.index], count)
        return slabs


class _SlabChange:
    """The change of the slab of one image.

    Args:
        index: Position of the slab in a value.
        image: The change of the image.
    """

    def __init__(self, index: int, image: ChangedImage) -> None:
        # Loaded with the first view that changes an image, because the core needs no NumPy.
        from rlmesh.adapters._arrays import Arrays

        self.index = index
        self._image = image
        self._backend = backend_of("numpy")
        self._arrays = Arrays(self._backend)
        self._leaf = Leaf("observation", image.source.dtype, image.source.shape)

    def try_out(self) -> None:
        """Change a black image, which needs every library that others need."""
        self(bytes(self._leaf.nbytes), None)

    def __call__(self, slab: Buffer, count: int | None) -> Buffer:
        """Return the slab of the changed image, or images if `count` is set."""
        if count == 0:
            return b""
        array = self._backend.from_bytes(slab, self._leaf, count, copy=False)
        return self._backend.to_bytes(self._image(array, self._arrays))


def _slab_index(space: spaces.Space[Any], path: tuple[str | int, ...]) -> int:
    """Return the number of slabs before those of a part of a space."""
    if not path:
        return 0
    before = 0
    for key, child in space.children:
        if key == path[0]:
            return before + _slab_index(child, path[1:])
        before += _slab_count(child)
    raise KeyError(path[0])


def _slab_count(space: spaces.Space[Any]) -> int:
    """Return the number of slabs of a value (V-3)."""
    if isinstance(space, spaces.Text):
        return 2
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return sum(_slab_count(child) for _, child in space.children)
    if isinstance(space, spaces.OneOf):
        return 1 + sum(_slab_count(child) for _, child in space.children)
    if isinstance(space, spaces.Sequence):
        return 1 + _slab_count(space.feature_space)
    if isinstance(space, spaces.Graph):
        edges = 0 if space.edge_space is None else _slab_count(space.edge_space)
        return 4 + _slab_count(space.node_space) + edges
    return 1
