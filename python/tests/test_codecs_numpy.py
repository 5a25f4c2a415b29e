"""Arrays and buffers: equal where they arrive, and not copied where they need not be."""

from __future__ import annotations

import pytest

from odeon import codecs
from odeon.errors import DecodingError, EncodingError

numpy = pytest.importorskip("numpy")

BESIDE = codecs.BUFFERS_BESIDE


@pytest.mark.parametrize("array", [
    numpy.arange(10), numpy.arange(12.0).reshape(3, 4), numpy.zeros((0, 3)), numpy.array(5),
    numpy.arange(100_000, dtype="<i2"), numpy.asfortranarray(numpy.arange(12).reshape(3, 4)),
    numpy.arange(20)[::2], numpy.array([True, False]), numpy.array(["ab", "c"]),
    numpy.array(["2026-01-01"], dtype="datetime64[D]"), numpy.arange(4, dtype=">f4"),
    numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), numpy.arange(3) * 1j,
], ids=lambda a: f"{a.dtype}-{a.shape}")
@pytest.mark.parametrize("flags", [0, BESIDE])
def test_an_array_comes_back_equal(array: object, flags: int) -> None:
    got = codecs.decode(codecs.encode(array, flags), flags)
    assert got.dtype == array.dtype and got.shape == array.shape
    assert (got == array).all()


def test_a_scalar_keeps_its_type() -> None:
    got = codecs.decode(codecs.encode([numpy.float32(1.5), numpy.int64(-3)]))
    assert got == [1.5, -3] and [type(v) for v in got] == [numpy.float32, numpy.int64]


def test_a_large_array_goes_beside_the_payload_and_is_not_copied() -> None:
    array = numpy.arange(100_000)
    sent = codecs.encode({"a": array, "small": numpy.arange(3)}, BESIDE)
    assert len(sent.payload) < 300 and sent.buffers is not None and len(sent.buffers) == 1
    got = codecs.decode(sent, BESIDE)
    assert numpy.shares_memory(got["a"], array)
    assert got["small"].flags.writeable


def test_a_memoryview_is_a_view_of_what_came_along() -> None:
    data = bytearray(5000)
    sent = codecs.encode([memoryview(data)], BESIDE)
    (view,) = codecs.decode(sent, BESIDE)
    data[7] = 9
    assert isinstance(view, memoryview) and view[7] == 9
    sent.buffers = [b"short"]
    with pytest.raises(DecodingError, match="the buffer has another size"):
        codecs.decode(sent, BESIDE)


def test_without_the_flag_everything_is_inside_and_the_copy_can_be_written_to() -> None:
    sent = codecs.encode(numpy.arange(100_000))
    assert sent.buffers is None
    assert codecs.decode(sent).flags.writeable


def test_an_array_of_objects_is_refused_both_ways() -> None:
    with pytest.raises(EncodingError, match="array of Python objects"):
        codecs.encode(numpy.array([object()]))
    parts = codecs.encode(["|O", [1], False, b"12345678"]).payload
    with pytest.raises(DecodingError, match="array of Python objects"):
        codecs.decode(codecs.Encoded("numpy.ndarray", 1, parts))


@pytest.mark.parametrize("parts", [
    ["<i8", [3], False, b"12345678"], ["<i8", [-1], False, b"1234"], ["nonsense", [1], False, b""],
    ["<i8", ["x"], False, b"12345678"], [], "text", ["|V0", [1 << 40], False, b""],
])
def test_a_malformed_array_is_refused(parts: object) -> None:
    with pytest.raises(DecodingError):
        codecs.decode(codecs.Encoded("numpy.ndarray", 1, codecs.encode(parts).payload))


class Holder:
    def __init__(self, array: object) -> None:
        self.array = array


def test_a_pickle_hands_its_buffers_over_beside() -> None:
    class Local:
        pass

    flags = BESIDE | codecs.ALLOW_PICKLE
    array = numpy.arange(10_000)
    sent = codecs.encode([Holder(array)], flags)
    assert sent.buffers is not None and len(sent.buffers) == 1 and len(sent.payload) < 1000
    assert numpy.shares_memory(codecs.decode(sent, flags)[0].array, array)
    with pytest.raises(EncodingError, match="local object"):
        codecs.encode(Local(), flags)
