"""`Graph`: nodes and edges with features."""

from __future__ import annotations

from typing import Any, NamedTuple

from rlmesh.dtypes import DTYPES
from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import array_view, is_array
from rlmesh.spaces._base import Space, path_text, read_child, read_int
from rlmesh.spaces._stacking import is_leafless, stack, unstack
from rlmesh.tensor import Tensor

__all__ = ["Graph", "GraphInstance"]


class GraphInstance(NamedTuple):
    """A value of a Graph.

    Attributes:
        nodes: Features of the n nodes, as a batch: an array `(n, *shape)` for a space of numbers, a
            dict or tuple of batches for a Dict or a Tuple, a tuple of n values for other spaces.
        edges: Features of the m edges, in the same form; None if there are no edges.
        edge_links: Source and target node of each edge: int32 `(m, 2)`; None if `edges` is None.
    """

    nodes: Any
    edges: Any
    edge_links: Any


class Graph(Space[GraphInstance]):
    """Directed graphs of any number of nodes and edges.

    Attributes:
        node_space: The space of each node's features.
        edge_space: The space of each edge's features, or None.

    Args:
        node_space: The space of each node's features.
        edge_space: The space of each edge's features. None: the graphs have no edges.
        seed: Seed of the sampler.

    Raises:
        SpaceError: If a space of features has only one value, as an empty Dict does, so that
            features of it would not show how many there are.
    """

    kind = "graph"
    is_leaf = False

    node_space: Space[Any]
    edge_space: Space[Any] | None

    def __init__(
        self,
        node_space: Space[Any],
        edge_space: Space[Any] | None,
        seed: int | None = None,
    ) -> None:
        nodes = _read_feature_space(node_space, "nodes")
        edges = None if edge_space is None else _read_feature_space(edge_space, "edges")
        self._define(node_space=nodes, edge_space=edges)
        super().__init__(seed)

    @property
    def children(self) -> tuple[tuple[str | int, Space[Any]], ...]:
        """The node space under "nodes" and, if there is one, the edge space under "edges"."""
        nodes: tuple[str | int, Space[Any]] = ("nodes", self.node_space)
        return (nodes,) if self.edge_space is None else (nodes, ("edges", self.edge_space))

    def sample(self, num_nodes: int = 10, num_edges: int | None = None) -> GraphInstance:
        """Draw features, and the ends of each edge.

        Args:
            num_nodes: Number of nodes, at least 1.
            num_edges: Number of edges. None: a random number below `num_nodes * (num_nodes - 1)`.

        Raises:
            ValueError: If a number is too small.
        """
        if num_nodes < 1 or (num_edges is not None and num_edges < 0):
            raise ValueError(
                f"expected at least 1 node and 0 edges, got {num_nodes} and {num_edges}"
            )
        rng = self._random
        if num_edges is None:
            num_edges = rng.randrange(num_nodes * (num_nodes - 1)) if num_nodes > 1 else 0
        nodes = _sample_features(self.node_space, read_int(num_nodes, "num_nodes"))
        if self.edge_space is None or not num_edges:
            return GraphInstance(nodes, None, None)
        edges = _sample_features(self.edge_space, num_edges)
        ends = DTYPES["int32"].pack([rng.randrange(num_nodes) for _ in range(2 * num_edges)])
        return GraphInstance(nodes, edges, Tensor(ends, "int32", (num_edges, 2)))

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is a GraphInstance, ours or Gymnasium's, of this space's features.

        Edges and their links come together, and every link joins two of the nodes.
        """
        if not isinstance(value, tuple) or getattr(value, "_fields", ()) != GraphInstance._fields:
            return False
        graph = GraphInstance(*value)  # type: ignore[arg-type,unused-ignore]
        nodes = unstack(self.node_space, graph.nodes)
        if nodes is None or not all(map(self.node_space.contains, nodes)):
            return False
        if graph.edges is None or graph.edge_links is None:
            return graph.edges is None and graph.edge_links is None
        if self.edge_space is None:
            return False
        edges = unstack(self.edge_space, graph.edges)
        if edges is None or not all(map(self.edge_space.contains, edges)):
            return False
        return _links_join(graph.edge_links, len(edges), len(nodes))

    def _definition(self) -> tuple[object, ...]:
        return self.node_space, self.edge_space

    def __repr__(self) -> str:
        return f"Graph({self.node_space!r}, {self.edge_space!r})"


def _read_feature_space(space: object, key: str) -> Space[Any]:
    child = read_child(space, key)
    if is_leafless(child):
        raise SpaceError(f"expected a space with a leaf, got {child!r}", path=path_text((key,)))
    return child


def _sample_features(space: Space[Any], count: int) -> Any:
    return stack(space, [space.sample() for _ in range(count)])


def _links_join(links: Any, edges: int, nodes: int) -> bool:
    view = array_view(links) if is_array(links) else None
    if view is None or view.shape != (edges, 2) or not view.dtype.is_integer:
        return False
    return all(0 <= end < nodes for end in view.elements())
