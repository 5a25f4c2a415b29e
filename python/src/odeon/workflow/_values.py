"""Values as JSON: what durable runs and state stores keep."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing
from collections.abc import Callable, Iterable
from typing import Any

from odeon.errors import DecodingError, EncodingError, NameTaken, WrongType

_NAMES: dict[type, str] = {
    bool: "bool",
    int: "long",
    float: "double",
    str: "std::basic_string<char>",
    type(None): "null",
}


def manifest_of(cls: type) -> str:
    """``__manifest__`` of a class, else its class path."""
    declared = cls.__dict__.get("__manifest__")
    return str(declared) if declared else f"{cls.__module__}.{cls.__qualname__}"


def version_of(cls: type) -> int:
    """``__version__`` of a class, else 1."""
    return int(cls.__dict__.get("__version__", 1))


class Values:
    """Writes None, bool, int, float, str, bytes, tuples, lists, sets, dicts and dataclasses as
    JSON.

    A dataclass is known by its manifest. It is read back when it was given here, is named in the
    annotations of one of those or of a step, or was written before; nothing is imported.
    An older ``__version__`` is read through the class's ``upcast(version, fields)``.
    """

    def __init__(self, *types: type) -> None:
        self._types: dict[str, type] = {}
        self.know(types)

    def know(self, hints: Iterable[Any]) -> None:
        """The dataclasses among ``hints``, and those that they are made of."""
        for hint in hints:
            self.know(typing.get_args(hint))
            if not (isinstance(hint, type) and dataclasses.is_dataclass(hint)):
                continue
            name = manifest_of(hint)
            known = self._types.get(name)
            if known is hint:
                continue
            if known is not None and _path(known) != _path(hint):
                raise NameTaken(f"{_path(hint)} and {_path(known)} have the manifest '{name}'")
            self._types[name] = hint
            self.know(hints_of(hint).values())

    def pack(self, value: Any) -> Any:
        """``value`` as what ``json.dumps`` takes."""
        if value is None or isinstance(value, bool | int | float | str):
            if type(value) in _NAMES:
                return value
        if isinstance(value, list) and type(value) is list:
            return [self.pack(v) for v in value]
        if type(value) is dict:
            if "$" not in value and all(type(k) is str for k in value):
                return {k: self.pack(v) for k, v in value.items()}
            return {"$": "dict", "of": [[self.pack(k), self.pack(v)] for k, v in value.items()]}
        if type(value) in (tuple, set, frozenset):
            return {"$": type(value).__name__, "of": [self.pack(v) for v in value]}
        if type(value) is bytes:
            return {"$": "bytes", "of": base64.b64encode(value).decode("ascii")}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            self.know((type(value),))
            name, version = manifest_of(type(value)), version_of(type(value))
            return {"$": name, "version": version, "of": self.fields(value)}
        raise EncodingError(
            f"a {_path(type(value))} cannot be stored: make it a dataclass, or something of "
            "numbers, texts, bytes, lists and dicts"
        )

    def fields(self, value: Any) -> dict[str, Any]:
        return {f.name: self.pack(getattr(value, f.name)) for f in dataclasses.fields(value)}

    def unpack(self, packed: Any) -> Any:
        """The value of what ``pack`` gave. Raises ``DecodingError``."""
        if isinstance(packed, list):
            return [self.unpack(v) for v in packed]
        if not isinstance(packed, dict):
            return packed
        if "$" not in packed:
            return {k: self.unpack(v) for k, v in packed.items()}
        kind, of = packed["$"], packed.get("of")
        simple: Callable[[Any], Any] | None = {
            "dict": lambda x: {self.unpack(k): self.unpack(v) for k, v in x},
            "tuple": lambda x: tuple(self.unpack(x)),
            "set": lambda x: set(self.unpack(x)),
            "frozenset": lambda x: frozenset(self.unpack(x)),
            "bytes": base64.b64decode,
        }.get(kind)
        try:
            if simple is not None:
                return simple(of)
            return self.restore(kind, packed.get("version", 1), of)
        except (TypeError, ValueError, KeyError) as error:
            if isinstance(error, DecodingError):
                raise
            raise DecodingError(f"a stored '{kind}' cannot be read: {error}") from error

    def restore(self, manifest: str, version: int, fields: Any) -> Any:
        """The dataclass of that manifest."""
        cls = self._types.get(manifest)
        if cls is None:
            raise DecodingError(f"no class is known for the manifest '{manifest}'")
        now = version_of(cls)
        if version > now:
            raise DecodingError(f"a '{manifest}' of version {version} is newer than {now}")
        values = self.unpack(fields)
        if version < now:
            upcast = getattr(cls, "upcast", None)
            if upcast is None:
                raise DecodingError(
                    f"'{manifest}' version {version}: {cls.__name__} has no upcast"
                )
            values = upcast(version, values)
        return values if isinstance(values, cls) else cls(**values)

    def dumps(self, value: Any) -> str:
        return json.dumps(self.pack(value), ensure_ascii=False, separators=(",", ":"))

    def loads(self, text: str) -> Any:
        try:
            return self.unpack(json.loads(text))
        except json.JSONDecodeError as error:
            raise DecodingError(f"a stored value is no JSON: {error}") from error

    # Rows of a state store: manifest, version and the bare value, as C++ has them.

    def to_row(self, value: Any) -> tuple[str, int, str]:
        cls = type(value)
        if dataclasses.is_dataclass(cls):
            self.know((cls,))
            bare = self.fields(value)
            text = json.dumps(bare, ensure_ascii=False, separators=(",", ":"))
            return manifest_of(cls), version_of(cls), text
        return _NAMES.get(cls, f"python.{cls.__name__}"), 1, self.dumps(value)

    def of_row(self, manifest: str, version: int, text: str) -> Any:
        if manifest not in self._types:
            value = self.loads(text)
            if isinstance(value, dict) and manifest != "python.dict":
                raise WrongType(f"no class is known for the manifest '{manifest}'")
            return value
        try:
            return self.restore(manifest, version, json.loads(text))
        except (TypeError, json.JSONDecodeError) as error:
            raise DecodingError(f"a stored '{manifest}' cannot be read: {error}") from error


def hints_of(of: Any) -> dict[str, Any]:
    """The annotations; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(of)
    except Exception:
        return {}


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
