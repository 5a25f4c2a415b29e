"""The vectors that C++ wrote, one for every kind of value: read, and written again as they are."""

from __future__ import annotations

import datetime
import enum
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from odeon import codecs
from odeon.codecs import Label

VECTORS = Path(__file__).resolve().parents[2] / "tests/integration/wire/vectors.txt"


class Color(enum.Enum):
    red = 0
    green = 5
    blue = -3
    far_away = 1000

    @classmethod
    def _missing_(cls, value: object) -> Color:
        """C++ may send a number that no enumerator has."""
        made = object.__new__(cls)
        made._name_, made._value_ = f"{value}", value
        return cls._value2member_map_.setdefault(value, made)  # type: ignore[return-value]


@dataclass
class Line:
    __manifest__ = "interop.line"
    sku: str
    count: int = 1


@dataclass
class Order:
    id: str
    paid: bool = False
    note: str | None = None
    price: float = 0
    lines: list[Line] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)
    raw: bytes = b""
    shared: Line | None = None


@dataclass
class Tree:
    value: int = 0
    children: list[Tree] = field(default_factory=list)


NONE = Annotated[None, Label("none")]
KINDS: dict[str, Any] = {
    "bool": bool, "f32": float, "f64": float, "enum": Color, "string": str, "bytes": bytes,
    "four_bytes": bytes, "optional": typing.Optional[str], "sequence": list[int],
    "variant": typing.Union[NONE, Annotated[int, Label("i32")], Line, str],
    "expected": typing.Union[Annotated[int, Label("value")], Annotated[str, Label("error")]],
    "deque": list[str], "nested_sequence": list[list[float]], "array": tuple[int, int, int],
    "set": set[str], "map_by_text": dict[str, int], "map_by_number": dict[int, str],
    "map_by_enum": dict[Color, float], "map_by_pair": dict[tuple[int, int], str],
    "pair": tuple[str, int], "tuple": tuple[int, str, list[int]], "nanoseconds": int,
    "seconds": datetime.timedelta, "floating_seconds": float, "time": int, "record": Line,
    "order": Order, "tree": Tree, "shared": typing.Optional[Line],
    **{f"{sign}{bits}": int for sign in "iu" for bits in (8, 16, 32, 64)},
}
NOT_WRITTEN_ALIKE = {"f32"}  # a float is a double in Python
ORDER_OF_ITS_OWN = {"set"}  # not that of std::set


class Held:
    """A value of the kind that a test is about."""

    def __init__(self, value: Any) -> None:
        self.value = value


def vectors() -> list[tuple[str, bytes, bytes]]:
    lines = [line.split(" ") for line in VECTORS.read_text("ascii").splitlines()
             if not line.startswith("#")]
    return [(kind, bytes.fromhex(named), bytes.fromhex(compact))
            for kind, named, compact, *_ in lines]


def test_every_kind_is_read_and_written_as_cpp_does() -> None:
    seen = set()
    for kind, named, compact in vectors():
        seen.add(kind)
        codec = codecs.Codec()
        codec.register(Held, manifest="held", encode=lambda held: held.value, decode=Held,
                       through=KINDS[kind])
        held = codec.decode(codecs.Encoded("held", 1, named))
        again = codec.decode(codecs.Encoded("held", 1, compact))
        assert held.value == again.value, kind
        written = codec.encode(held).payload
        if kind in ORDER_OF_ITS_OWN:
            assert sorted(written) == sorted(named), kind
        elif kind not in NOT_WRITTEN_ALIKE:
            assert written == named, kind
    assert seen == set(KINDS)


def test_none_is_nil_where_it_is_no_alternative_of_its_own() -> None:
    codec = codecs.Codec()
    for annotation, payload in ((typing.Union[int, str, None], b"\xc0"),
                                (typing.Union[int, str, NONE], b"\x81\xa4none\xc0")):
        codec.register(Held, manifest="held", encode=lambda held: held.value, decode=Held,
                       through=annotation)
        assert codec.encode(Held(None)).payload == payload
        assert codec.decode(codecs.Encoded("held", 1, payload)).value is None


def test_two_alternatives_under_one_label_say_what_they_are() -> None:
    codec = codecs.Codec()
    codec.register(Held, manifest="held", encode=lambda held: held.value, decode=Held,
                   through=typing.Union[list[int], list[str]])
    assert codec.encode(Held(["a", 1])).payload == b"\x92\xa1a\x01"


@pytest.mark.parametrize("value", [1.5, b"x", None])
def test_a_value_of_no_alternative_is_refused(value: Any) -> None:
    codec = codecs.Codec()
    codec.register(Held, manifest="held", encode=lambda held: held.value, decode=Held,
                   through=typing.Union[int, str])
    with pytest.raises(codecs.EncodingError, match="expected i64 or string"):
        codec.encode(Held(value))
