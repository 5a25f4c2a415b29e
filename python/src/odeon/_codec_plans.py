"""From a class's annotations to the description that the native codec compiles.

Nothing here touches a value: :mod:`odeon.codecs` calls :func:`describe` once for each class.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import enum
import inspect
import sys
import types
import typing
from typing import Any, Protocol

_UTC = datetime.timezone.utc
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

Kind = Any  # "int", or ("list", Kind), …: what `_native.Codec.plan` takes

_LEAVES: dict[Any, Kind] = {
    Any: "any", object: "any", None: "none", type(None): "none", bool: "bool", int: "int",
    float: "float", str: "str", bytes: "bytes", list: ("list", "any"), set: ("set", "any"),
    frozenset: ("frozenset", "any"), dict: ("dict", "any", "any"), tuple: ("sequence", "any"),
}
_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence,
          collections.abc.Collection, collections.abc.Iterable)
_SETS = (set, collections.abc.Set, collections.abc.MutableSet)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)

# label(s) and classes of an alternative of a union, as C++ labels those of a std::variant
_LABELS: dict[str, tuple[tuple[str, ...], tuple[type, ...]]] = {
    "bool": (("bool",), (bool,)),
    "int": (("i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8"), (int,)),
    "float": (("f64", "f32"), (float,)),
    "str": (("string",), (str,)),
    "bytes": (("bytes",), (bytes, bytearray, memoryview)),
    "list": (("list",), (list,)),
    "set": (("list",), (set, frozenset)),
    "frozenset": (("list",), (set, frozenset)),
    "sequence": (("list",), (tuple,)),
    "tuple": (("tuple",), (tuple,)),
    "dict": (("map",), (dict,)),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """What an alternative of a union is called on the wire: `Annotated[int, Label("i32")]`.

    For the labels of a C++ variant that differ from those written otherwise ("i64", "f64").
    `Annotated[None, Label("none")]` makes None an alternative, as `std::monostate` is one.
    """

    name: str


class Naming(Protocol):
    """What a description needs of the codec it is for."""

    def manifest_of(self, cls: type) -> str: ...
    def knows(self, cls: type) -> bool: ...
    def is_reference(self, cls: type) -> bool: ...


def _time_out(value: datetime.datetime) -> int:
    if not isinstance(value, datetime.datetime):
        raise TypeError(f"expected datetime, found {type(value).__name__}")
    if value.tzinfo is None:
        raise ValueError("a datetime without a time zone is no point in time; use an aware one")
    return (value - _EPOCH) // _MICROSECOND * 1000


def _time_in(nanoseconds: int) -> datetime.datetime:
    if nanoseconds % 1000:
        raise ValueError(f"{nanoseconds} ns is no whole number of microseconds")
    return _EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)


def _duration_out(value: datetime.timedelta) -> int:
    if not isinstance(value, datetime.timedelta):
        raise TypeError(f"expected timedelta, found {type(value).__name__}")
    nanoseconds = value // _MICROSECOND * 1000
    if not -(1 << 63) < nanoseconds < (1 << 63) - 1:
        raise ValueError("a timedelta of more than 292 years has no place in a 64 bit number")
    return nanoseconds


def _duration_in(nanoseconds: int) -> datetime.timedelta:
    if nanoseconds % 1000:
        raise ValueError(f"{nanoseconds} ns is no whole number of microseconds")
    return datetime.timedelta(microseconds=nanoseconds // 1000)


_TIMES: dict[Any, tuple[str, Kind]] = {
    datetime.datetime: ("time", ("converted", _time_out, _time_in, "int")),
    datetime.timedelta: ("duration", ("converted", _duration_out, _duration_in, "int")),
}


def kind_of(annotation: Any, naming: Naming, depth: int = 0) -> Kind:
    """How a place of that annotation is written; "any" for what says too little."""
    if depth > 16:
        return "any"
    try:
        if annotation in _LEAVES:
            return _LEAVES[annotation]
        if annotation in _TIMES:
            return _TIMES[annotation][1]
    except TypeError:  # not hashable: an Annotated with a list, say
        pass
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)

    def inner(one: Any) -> Kind:
        return kind_of(one, naming, depth + 1)

    if origin in (typing.Annotated, typing.Final, typing.ClassVar, dataclasses.InitVar):
        return inner(args[0]) if args else "any"
    if origin in (typing.Union, types.UnionType):
        return _union(args, naming, depth)
    if origin in _LISTS:
        return ("list", inner(args[0]))
    if origin in _SETS:
        return ("set", inner(args[0]))
    if origin is frozenset:
        return ("frozenset", inner(args[0]))
    if origin in _DICTS:
        return ("dict", inner(args[0]), inner(args[1]))
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return ("sequence", inner(args[0]))
        return ("tuple", *(inner(one) for one in args if one != ()))
    if hasattr(annotation, "__supertype__"):  # NewType
        return inner(annotation.__supertype__)
    if hasattr(annotation, "__value__"):  # type X = … (3.12)
        return inner(annotation.__value__)
    if isinstance(annotation, typing.TypeVar):
        return inner(annotation.__bound__) if annotation.__bound__ is not None else "any"
    cls = origin if origin is not None else annotation
    if isinstance(cls, type):
        if naming.is_reference(cls):
            return "reference"
        if naming.knows(cls):
            return ("object", cls)
    return "any"


def _label_of(annotation: Any) -> str | None:
    marks = getattr(annotation, "__metadata__", ())
    return next((one.name for one in marks if isinstance(one, Label)), None)


def _union(args: tuple[Any, ...], naming: Naming, depth: int) -> Kind:
    others = [one for one in args if one is not type(None)]
    if len(others) < len(args):
        held = others[0] if len(others) == 1 else typing.Union[tuple(others)]
        inner = kind_of(held, naming, depth + 1)
        return inner if inner == "any" else ("optional", inner)
    alternatives = []
    seen: set[str] = set()
    for one in args:
        kind = kind_of(one, naming, depth + 1)
        name = kind if isinstance(kind, str) else kind[0]
        labels: tuple[str, ...]
        classes: tuple[type, ...]
        if name == "none":
            labels, classes = ("none",), (type(None),)
        elif one in _TIMES:
            labels, classes = (_TIMES[one][0],), (one,)
        elif name == "object":
            labels, classes = (naming.manifest_of(kind[1]),), (kind[1],)
        elif name in _LABELS:
            labels, classes = _LABELS[name]
        else:
            return "any"
        own = _label_of(one)
        if own is not None:
            labels = (own,)
        if seen & set(labels):
            return "any"  # the label would not tell which one it is
        seen |= set(labels)
        alternatives.append((labels, classes, kind))
    return ("union", *alternatives)


def hints_of(cls: type) -> dict[str, Any]:
    """The annotations of a class and its bases; those that cannot be resolved are left out."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:
        pass  # one name that only a type checker sees fails them all: now one by one
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
        for name, one in inspect.get_annotations(base).items():
            alone = type("alone", (), {"__annotations__": {name: one}})
            try:
                found.update(typing.get_type_hints(
                    alone, scope, {base.__name__: base}, include_extras=True))
            except Exception:
                found.pop(name, None)
    return found


def is_describable(cls: type) -> bool:
    """True when :func:`describe` finds in the class itself how it travels."""
    return (dataclasses.is_dataclass(cls) or issubclass(cls, enum.Enum) or is_named_tuple(cls)
            or hasattr(cls, "__attrs_attrs__") or hasattr(cls, "__struct_fields__")
            or hasattr(cls, "__get_state__") or _is_model(cls))


def is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def _is_model(cls: type) -> bool:
    return callable(getattr(cls, "model_dump", None)) and callable(
        getattr(cls, "model_validate", None))


def describe(cls: type, naming: Naming) -> dict[str, Any] | None:
    """What the class says of itself, without name and version; None when it says nothing."""
    if issubclass(cls, enum.Enum):
        return _enumeration(cls)
    if hasattr(cls, "__get_state__"):
        return _stateful(cls)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, naming)
    if is_named_tuple(cls):
        return _named_tuple(cls, naming)
    if _is_model(cls):
        return _model(cls, naming)
    if hasattr(cls, "__struct_fields__"):
        names = typing.cast(tuple[str, ...], cls.__struct_fields__)
        return _by_keywords(cls, [(name, name) for name in names], naming)
    if hasattr(cls, "__attrs_attrs__"):
        attributes = [one for one in cls.__attrs_attrs__ if one.init]
        return _by_keywords(cls, [(one.name, one.alias if hasattr(one, "alias")
                                   else one.name.lstrip("_")) for one in attributes], naming)
    return None


def _record(fields: list[tuple[str, Kind, bool, Any, Any]], maker: str, make: Any = None,
            post_init: str | None = None) -> dict[str, Any]:
    return {"kind": "record", "fields": tuple(fields), "maker": maker, "make": make,
            "post_init": post_init}


def _field_kind(annotation: Any, default: Any, naming: Naming) -> Kind:
    kind = kind_of(annotation, naming)
    if default is None and kind not in ("any", "none") and kind[0] != "optional":
        return ("optional", kind)  # `x: int = None` means an optional int
    return kind


def _dataclass(cls: type, naming: Naming) -> dict[str, Any]:
    hints = hints_of(cls)
    fields = []
    for one in dataclasses.fields(cls):
        has_default = one.default is not dataclasses.MISSING
        factory = None if one.default_factory is dataclasses.MISSING else one.default_factory
        default = one.default if has_default else None
        kind = _field_kind(hints.get(one.name, Any), default if has_default else ..., naming)
        fields.append((one.name, kind, has_default, default, factory))
    post = "__post_init__" if hasattr(cls, "__post_init__") else None
    if any(one._field_type is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]
           for one in cls.__dataclass_fields__.values()):  # type: ignore[attr-defined]
        post = None  # its arguments are no part of a value
    return _record(fields, "fields", None, post)


def _named_tuple(cls: type, naming: Naming) -> dict[str, Any]:
    hints = hints_of(cls)
    defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})
    fields = []
    for name in cls._fields:  # type: ignore[attr-defined]
        kind = _field_kind(hints.get(name, Any), defaults.get(name, ...), naming)
        fields.append((name, kind, name in defaults, defaults.get(name), None))
    return _record(fields, "named_tuple")


def _by_keywords(cls: type, names: list[tuple[str, str]], naming: Naming) -> dict[str, Any]:
    hints = hints_of(cls)
    fields = [(name, kind_of(hints.get(name, Any), naming), False, None, None)
              for name, _ in names]
    renamed = {name: word for name, word in names if name != word}
    make: Any = cls
    if renamed:
        def make(**held: Any) -> Any:
            return cls(**{renamed.get(name, name): one for name, one in held.items()})
    return _record(fields, "keywords", make)


def _model(cls: type, naming: Naming) -> dict[str, Any]:
    validate: Any = cls.model_validate  # type: ignore[attr-defined]
    declared = getattr(cls, "model_fields", None)
    if not isinstance(declared, dict):
        dump: Any = cls.model_dump  # type: ignore[attr-defined]
        return {"kind": "converted", "encode": dump, "decode": validate,
                "through": ("dict", "any", "any")}
    hints = hints_of(cls)
    fields = [(name, kind_of(hints.get(name, getattr(one, "annotation", Any)), naming), False,
               None, None) for name, one in declared.items()]
    aliases = {name: one.alias for name, one in declared.items() if getattr(one, "alias", None)}

    def make(held: dict[str, Any]) -> Any:
        return validate({aliases.get(name, name): one for name, one in held.items()})

    return _record(fields, "mapping", make if aliases else validate)


def _stateful(cls: type) -> dict[str, Any]:
    def decode(state: Any) -> Any:
        made: Any = object.__new__(cls)
        made.__set_state__(state)
        return made

    return {"kind": "converted", "encode": cls.__get_state__,  # type: ignore[attr-defined]
            "decode": decode, "through": "any"}


def _enumeration(cls: type[enum.Enum]) -> dict[str, Any]:
    members = cls.__members__
    by_number = all(type(one.value) is int for one in members.values())
    return {"kind": "enum", "attribute": "_value_" if by_number else "_name_",
            "by_value": {one.value: one for one in cls} if by_number else {},
            "by_name": dict(members)}
