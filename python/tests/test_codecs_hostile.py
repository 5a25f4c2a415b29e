"""Bytes from outside: whatever they are, a value or a DecodingError, within the bounds."""

from __future__ import annotations

import random
import struct
import typing
from dataclasses import dataclass, field

import pytest

from odeon import codecs
from odeon.errors import DecodingError

CORPUS: list[typing.Any] = []


@dataclass
class Inner:
    sku: str
    n: int = 1


@dataclass
class Outer:
    inner: Inner
    all: list[Inner]
    by: dict[str, int]
    pair: tuple[int, str]
    unique: set[int]
    either: int | str | Inner
    anything: typing.Any = None
    maybe: Inner | None = None
    real: float = 0.0
    raw: bytes = b""
    more: list[typing.Any] = field(default_factory=list)


def random_value(pick: random.Random, depth: int) -> typing.Any:
    kind = pick.randrange(16 if depth else 8)
    count = pick.randrange(5)
    match kind:
        case 0:
            return None
        case 1:
            return pick.random() < 0.5
        case 2:
            return pick.choice([1, -1]) * pick.getrandbits(pick.choice([3, 8, 17, 33, 64, 200]))
        case 3:
            return pick.uniform(-1e9, 1e9)
        case 4:
            return "".join(pick.choice("aü𝄞\0") for _ in range(pick.randrange(40)))
        case 5:
            return pick.randbytes(pick.randrange(300))
        case 6:
            return bytearray(pick.randbytes(count))
        case 7:
            return Inner("s", pick.randrange(1000))
        case 8 | 9:
            return [random_value(pick, depth - 1) for _ in range(count)]
        case 10:
            return tuple(random_value(pick, depth - 1) for _ in range(count))
        case 11:
            return {pick.randrange(99) for _ in range(count)}
        case 12 | 13:
            return {
                pick.choice([str(i), i, (i,)]): random_value(pick, depth - 1) for i in range(count)
            }
        case 14:
            return frozenset(str(pick.random()) for _ in range(count))
        case _:
            return Outer(
                Inner("a"),
                [Inner("b")] * count,
                {"k": count},
                (1, "x"),
                set(range(count)),
                pick.choice([1, "s", Inner("u")]),
                random_value(pick, depth - 1),
            )


def test_random_values_come_back_and_their_damaged_bytes_do_no_harm() -> None:
    pick = random.Random(17)
    decode = codecs.default.native.decode
    refused = 0
    for _ in range(1500):
        value = random_value(pick, 4)
        sent = codecs.encode(value)
        got = codecs.decode(sent)
        assert got == value and type(got) is type(value)
        payload = sent.payload
        for end in {pick.randrange(len(payload)) for _ in range(4)} if payload else ():
            with pytest.raises(DecodingError):
                decode(sent.manifest, sent.version, payload[:end])
        for _ in range(6):
            damaged = bytearray(payload)
            for _ in range(pick.randrange(1, 4)):
                damaged[pick.randrange(len(damaged))] = pick.choice(
                    [pick.randrange(256), 0xC7, 0xC9, 0xDF, 0xDD, 0x81, 0x91, 5, 7, 0xD4]
                )
            try:
                decode(sent.manifest, sent.version, bytes(damaged))
            except DecodingError:
                refused += 1
    assert refused > 1000


def test_every_prefix_of_a_message_is_refused() -> None:
    sent = codecs.encode(
        Outer(Inner("a"), [Inner("b")], {"k": 1}, (1, "x"), {1}, "s", (2**70, {1}))
    )
    for end in range(len(sent.payload)):
        with pytest.raises(DecodingError):
            codecs.decode(codecs.Encoded(sent.manifest, 1, sent.payload[:end]))


@pytest.mark.parametrize(
    "payload, reason",
    [
        (b"\xdd\xff\xff\xff\xff" + bytes(100), "the input ends too early"),
        (b"\xdf\xff\xff\xff\xff" + bytes(100), "the input ends too early"),
        (b"\xdb\xff\xff\xff\xff" + bytes(100), "the input ends too early"),
        (b"\xc6\xff\xff\xff\xff" + bytes(100), "the input ends too early"),
        (b"\xc9\xff\xff\xff\xff\x02" + bytes(100), "the input ends too early"),
        (b"\x91" * 200 + b"\xc0", "nested too deeply"),
        (b"\xc7\x01\x05\xa0", "the input ends too early"),
        (b"\xd4\x63\x00", "an extension of type 99"),
        (b"\xc7\x02\x02\x90\x90", "bytes are left behind the extension's value"),
        (b"\x81\x91\x01\x01", "the value cannot be hashed"),
        (b"\x82\x01\x01\x01\x02", "the key is in the map already"),
        (b"\xc7\x03\x03\x92\x01\x01", "the element is in the set already"),
        (b"\xc7\x04\x07\x82\x00\x05", "the input ends too early"),
        (b"\xc7\x03\x07\x82\x00\x05", "a buffer that did not come with the message"),
        (b"\xc7\x01\x07\x55", "a buffer of an unknown kind"),
        (b"\xc7\x00\x07", "a buffer without its kind"),
        (b"\xc7\x04\x05\xa1x\x00\xc0", "a version counts from 1"),
        (b"\xc7\x02\x08\x91\x01", "ValueError"),
    ],
)
def test_a_hostile_input_is_refused_with_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodingError) as refused:
        codecs.decode(codecs.Encoded("python.value", 1, payload))
    assert reason in str(refused.value) and "at byte" in str(refused.value)


def test_many_empty_lists_cannot_take_more_memory_than_allowed() -> None:
    count = 1 << 20
    payload = b"\xdd" + struct.pack(">I", count) + b"\x90" * count
    codec = codecs.Codec(limits=codecs.Limits(max_memory=1 << 20))
    with pytest.raises(DecodingError, match="more memory than allowed"):
        codec.decode(codecs.Encoded("python.value", 1, payload))


def test_each_bound_acts() -> None:
    def refused(limits: codecs.Limits, value: typing.Any) -> str:
        sent = codecs.encode(value)
        with pytest.raises(DecodingError) as caught:
            codecs.Codec(limits=limits).decode(sent)
        return str(caught.value)

    assert "bytes are more than the allowed 10" in refused(codecs.Limits(max_bytes=10), "x" * 11)
    assert "nested too deeply" in refused(codecs.Limits(max_depth=2), [[[1]]])
    assert "more elements than allowed" in refused(codecs.Limits(max_items=3), [1, 2, 3, 4])
    assert "longer than allowed" in refused(codecs.Limits(max_string=40), "x" * 41)
    with pytest.raises(ValueError):
        codecs.Codec(limits=codecs.Limits(max_depth=513))


def test_a_version_below_one_is_refused() -> None:
    with pytest.raises(DecodingError):
        codecs.decode(codecs.Encoded("python.value", 0, b"\xc0"))


class Awkward:
    """Changes what is being encoded."""

    def __init__(self, act: typing.Callable[[], object]) -> None:
        self.act = act


def test_a_container_that_changes_while_it_is_encoded_is_refused() -> None:
    codec = codecs.Codec()
    codec.register(Awkward, encode=lambda v: v.act(), decode=lambda v: v)
    for container, act in (
        (a_list := [], lambda: a_list.clear()),
        (b_list := [], lambda: b_list.append(1)),
        (a_dict := {}, lambda: a_dict.clear()),
        (b_dict := {}, lambda: b_dict.update(more=1)),
    ):
        one = Awkward(act)
        if isinstance(container, list):
            container.extend([one, 2, 3])
        else:
            container.update(a=one, b=2)
        with pytest.raises(codecs.EncodingError, match="changed while it was encoded"):
            codec.encode(container)
