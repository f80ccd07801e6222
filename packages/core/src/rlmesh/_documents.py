"""`Document`: tags and specs as JSON, and the conversions behind it.

The room that converts them (`_wire`) imports `rlmesh.adapters`, so `rlmesh.adapters` does not
import it: `rlmesh` installs the conversions when it is imported. This module is outside
`rlmesh.adapters`, so that `import rlmesh` does not import the adapters.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from rlmesh.errors import CodecError

__all__ = ["Document", "DocumentFormats", "install", "read_json"]

Self = TypeVar("Self", bound="Document")


class DocumentFormats(Protocol):
    """Conversions of tags and specs; the errors are those of `Document`."""

    def to_dict(self, declaration: Any) -> dict[str, Any]:
        """Return the message of a declaration in protobuf's JSON."""
        ...

    def from_dict(self, kind: type[Any], document: Mapping[str, Any]) -> Any:
        """Return the declaration of a class that a message in protobuf's JSON has."""
        ...


_installed: list[DocumentFormats] = []


def install(implementation: DocumentFormats) -> None:
    """Set the conversions that `Document` uses."""
    _installed[:] = [implementation]


class Document:
    """The methods by which tags and specs are written as JSON, and read.

    The document is that of the schema's message in protobuf's JSON, which protobuf reads in any
    language: names of fields are in lower camel case, members of enums have the names of the
    schema, and fields with their default are left out. It is lossless, except for NaN payloads that
    JSON lacks.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return the document, of dicts, lists, texts, numbers and bools.

        Raises:
            ValueError: If a rule of the contract is broken; the message has its path. A metadata
                value that no wire type holds exactly is such a case.
        """
        return _installed[0].to_dict(self)

    @classmethod
    def from_dict(cls: type[Self], document: Mapping[str, Any]) -> Self:
        """Return what a document of `to_dict` has.

        Args:
            document: The document. Names of fields may be those of the schema too, as protobuf
                allows.

        Raises:
            ValueError: If a field or a member of an enum is unknown, a value has another type, or a
                rule of the contract is broken. The message has the path, what was expected and what
                there is.
        """
        found: Self = _installed[0].from_dict(cls, document)
        return found

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the document as text; see `to_dict`.

        Args:
            indent: Number of spaces for each level; None: all in one line.
        """
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls: type[Self], text: str | bytes) -> Self:
        """Return what a text of `to_json` has; see `from_dict`.

        Raises:
            ValueError: Likewise, or if the text is not JSON.
        """
        return cls.from_dict(read_json(text))


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        CodecError: If it is not JSON, or an object has two members of one name.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"expected JSON, got a text that is not: {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise CodecError.of_rule("", "distinct names of members", f"{twice!r:.60} twice")
    return found
