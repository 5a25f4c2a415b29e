"""Codecs of the standard library's and numpy's classes, pickles, and looking up of class paths."""

from __future__ import annotations

import builtins
import collections
import datetime
import decimal
import fractions
import importlib
import inspect
import json
import pickle
import sys
import typing
import uuid
from collections.abc import Callable
from typing import Any

from . import errors

_BESIDE_AT_LEAST = 4096  # bytes; smaller buffers travel inside the payload and are copied


def _aware(value: datetime.datetime | datetime.time) -> str:
    zone = value.tzinfo
    if zone is not None and (type(zone) is not datetime.timezone
                             or zone != datetime.timezone(zone.utcoffset(None))):
        raise ValueError(f"the time zone {zone!r} would arrive as a plain offset; "
                         "use .astimezone(timezone.utc), or send its name beside the time")
    if value.fold:
        raise ValueError("fold=1 would be lost; use .astimezone(timezone.utc)")
    return value.isoformat()


def _deque_in(parts: list[Any]) -> collections.deque[Any]:
    items, length = parts
    return collections.deque(items, length)


# (class, encode, decode): how each travels where no annotation says more
CLASSES: tuple[tuple[type, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (complex, lambda v: [v.real, v.imag], lambda v: complex(*v)),
    (decimal.Decimal, str, decimal.Decimal),
    (fractions.Fraction, lambda v: [v.numerator, v.denominator], lambda v: fractions.Fraction(*v)),
    (uuid.UUID, str, uuid.UUID),
    (datetime.datetime, _aware, datetime.datetime.fromisoformat),
    (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    (datetime.time, _aware, datetime.time.fromisoformat),
    (datetime.timedelta, lambda v: [v.days, v.seconds, v.microseconds],
     lambda v: datetime.timedelta(*v)),
    (range, lambda v: [v.start, v.stop, v.step], lambda v: range(*v)),
    (collections.deque, lambda v: [list(v), v.maxlen], _deque_in),
    (collections.OrderedDict, lambda v: list(v.items()), collections.OrderedDict),
)


def pickle_out(value: Any, beside: bool) -> list[Any]:
    """A pickle of protocol 5 and its buffers."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, 5, buffer_callback=buffers.append if beside else None)
    return [data, [one.raw() for one in buffers]]


def pickle_in(parts: Any, flags: int) -> Any:
    data, buffers = parts
    return pickle.loads(data, buffers=buffers)


def import_class(path: str) -> type:
    """The class at `package.module.Outer.Inner`. Raises ImportError, AttributeError, TypeError."""
    parts = path.split(".")
    if "<locals>" in parts:
        raise ImportError(f"{path} is defined inside a function, where nothing else can reach it")
    for split in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:split])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name is None or not (name + ".").startswith(missing.name + "."):
                raise
            continue
        for part in parts[split:]:
            found = getattr(found, part)
        if not isinstance(found, type):
            raise TypeError(f"{path} is no class")
        return found
    raise ImportError(f"there is no module for {path}")


def exception_class(path: str) -> type[BaseException] | None:
    """The exception of that path among Python's own and Odeon's."""
    module, _, name = path.rpartition(".")
    source: Any = {"builtins": builtins, "odeon.errors": errors,
                   "asyncio.exceptions": sys.modules.get("asyncio.exceptions")}.get(module)
    found = getattr(source, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def parameter_class(function: Callable[..., Any]) -> type | None:
    """The class that the only parameter of an upcast is annotated with."""
    try:
        hints = typing.get_type_hints(function)
        names = list(inspect.signature(function).parameters)
    except (NameError, TypeError, ValueError):
        return None
    found = hints.get(names[0]) if names else None
    return found if isinstance(found, type) and found is not dict else None


def has_attributes(cls: type) -> bool:
    """True for classes whose objects are their attributes: no built-ins, types, functions."""
    new: Any = cls.__new__
    return (cls.__dictoffset__ != 0 and new is object.__new__
            and cls.__module__ not in ("builtins", "types"))


def describe_as_json(cls: type) -> dict[str, Any]:
    def decode(text: str) -> Any:
        attributes = json.loads(text)
        if not isinstance(attributes, dict):
            raise TypeError("the attributes of an object are a JSON object")
        made: Any = object.__new__(cls)
        made.__dict__.update(attributes)
        return made

    return {"kind": "converted", "encode": lambda v: json.dumps(vars(v)), "decode": decode,
            "through": "str"}


# -- numpy, only when the program has imported it, or bytes arrive that name it ------------------


def is_numpy(cls: type) -> bool:
    """True for numpy.ndarray and numpy's scalars."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and (cls is numpy.ndarray or issubclass(cls, numpy.generic))


def numpy_class(manifest: str) -> type | None:
    """The class, when numpy is installed and has such an array or scalar."""
    try:
        numpy: Any = importlib.import_module("numpy")
    except ImportError:
        return None
    found = getattr(numpy, manifest.removeprefix("numpy."), None)
    return found if isinstance(found, type) and is_numpy(found) else None


def describe_numpy(cls: type) -> dict[str, Any] | None:
    if not is_numpy(cls):
        return None
    numpy: Any = sys.modules["numpy"]
    array = cls is numpy.ndarray
    return {"kind": "converted", "encode": _array_out if array else _scalar_out,
            "decode": _array_in if array else _scalar_in, "through": "any"}


def _array_out(array: Any) -> list[Any]:
    """dtype, shape, whether columns come first, bytes."""
    numpy: Any = importlib.import_module("numpy")
    if array.dtype.hasobject:
        raise TypeError(f"an array of Python objects ({array.dtype}) has no bytes of its own")
    columns = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = numpy.ascontiguousarray(array.T if columns else array).reshape(-1)
    raw = memoryview(flat.view(numpy.uint8)) if flat.nbytes else memoryview(b"")
    data: Any = raw if flat.nbytes >= _BESIDE_AT_LEAST else bytearray(raw)
    return [numpy.lib.format.dtype_to_descr(array.dtype), list(array.shape), columns, data]


def _array_in(parts: Any) -> Any:
    numpy: Any = importlib.import_module("numpy")
    descr, shape, columns, data = parts
    dtype = numpy.lib.format.descr_to_dtype(descr)
    if dtype.hasobject:
        raise TypeError("an array of Python objects cannot arrive as bytes")
    if isinstance(data, memoryview) and isinstance(data.obj, bytes):
        data = bytearray(data)  # it came inside the payload: the copy may be written to
    if dtype.itemsize == 0 or not data:
        array = numpy.zeros(0 if 0 in shape or dtype.itemsize else _count(shape), dtype)
    else:
        array = numpy.frombuffer(data, dtype)
    array = array.reshape(shape[::-1] if columns else shape)
    return array.T if columns else array


def _count(shape: list[int]) -> int:
    total = 1
    for one in shape:
        total *= one
    if not 0 <= total <= 1 << 24:
        raise ValueError("an array without content cannot be so large")
    return total


def _scalar_out(value: Any) -> list[Any]:
    if value.dtype.hasobject:
        raise TypeError("a scalar of Python objects has no bytes of its own")
    return [value.dtype.str, value.tobytes()]


def _scalar_in(parts: Any) -> Any:
    numpy: Any = importlib.import_module("numpy")
    dtype, data = parts
    return numpy.frombuffer(data, numpy.dtype(dtype))[0]
