"""`LazyDeclarationFormats`: the conversions of tags and specs to JSON, imported when called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LazyDeclarationFormats"]


class LazyDeclarationFormats:
    """See `rlmesh._documents.DocumentFormats`."""

    def to_dict(self, declaration: Any) -> dict[str, Any]:
        """See `DocumentFormats.to_dict`."""
        from rlmesh._wire.declarations import declaration_to_dict

        return declaration_to_dict(declaration)

    def from_dict(self, kind: type[Any], document: Mapping[str, Any]) -> Any:
        """See `DocumentFormats.from_dict`."""
        from rlmesh._wire.declarations import declaration_from_dict

        return declaration_from_dict(kind, document)
