"""The hash ring: the same places as in C++ (src/pattern/hash_ring.cpp), and few keys that move."""

from __future__ import annotations

import enum

import pytest
from odeon.patterns import HashRing, fnv1a, message_key
from odeon.patterns.hash_ring import mix

MASK = (1 << 64) - 1
KEYS = ([fnv1a(f"key-{i}") for i in range(32)]
        + [(MASK - i * 0x0123456789ABCDEF) & MASK for i in range(32)])


def routees(n: int) -> list[int]:
    return [fnv1a(f"r{i + 1}") for i in range(n)]


# Made by the C++ class of the same ids, places and keys.
VECTORS = [
    (routees(5), 128, "bbedceebadbbbbbbdbebdeabbaaecebeaccaecacdabdaddedaaebaabcadbbace"),
    (routees(12), 128, "bbedcfebldiigbbidkghhgabbaaegljhkicjlkagdfkdllieihkglfkfhaikbhce"),
    (routees(3), 7, "ccaccbbccabbbcbbacbbccbccaaaccbcbcbacbacbcbbccbabbbbcbbcacbbbbbb"),
    ([0, MASK, 1], 128, "caacbaaacaaacbcaacbabaaccbcababcacabccccacaaaaccacabbaacaaaacbaa"),
    ([7, 7, 8], 128, "aaaacaaaacaaaacaacccaacccaaaccacacaaccaaaaacccaccccccccccaacccca"),
]


@pytest.mark.parametrize(("ids", "places", "nodes"), VECTORS)
def test_keys_belong_to_the_same_nodes_as_in_cpp(ids: list[int], places: int, nodes: str) -> None:
    ring = HashRing(ids, places)
    assert "".join(chr(ord("a") + ring.node_of(key)) for key in KEYS) == nodes


def test_the_vector_that_the_cpp_test_commits_holds_here() -> None:
    ring = HashRing.of(["a", "b", "c"])
    assert "".join("abc"[ring.node_of(key)] for key in range(24)) == "ccbccaabbcbcaabaaacaabcb"


def test_hashes_are_those_of_cpp() -> None:
    assert fnv1a("") == 0xCBF29CE484222325
    assert fnv1a("a") == 0xAF63DC4C8601EC8C
    assert fnv1a("Zürich") == fnv1a("Zürich".encode()) == 0x0EF841596F67FDC0
    assert message_key("ada") == 0xE70BC0190530E13B
    assert [mix(x) for x in (0, 1, MASK)] == [0xE220A8397B1DCDAF, 0x910A2DEC89025CC1,
                                              0xE4D971771B652C20]


def test_keys_are_text_numbers_and_enums() -> None:
    class Region(enum.Enum):
        NORTH = 3
        SOUTH = "south"

    class Level(enum.IntEnum):
        HIGH = 9

    assert message_key(5) == 5
    assert message_key(-1) == MASK
    assert message_key(Region.NORTH) == 3
    assert message_key(Region.SOUTH) == fnv1a("south")
    assert message_key(Level.HIGH) == 9
    with pytest.raises(TypeError, match="not float"):
        message_key(1.5)
    with pytest.raises(TypeError, match="not NoneType"):
        message_key(None)


def test_one_more_node_takes_about_its_share_and_no_others_move() -> None:
    before, after = HashRing(routees(9)), HashRing(routees(10))
    moved = 0
    for i in range(4000):
        old, new = before.node_of(i), after.node_of(i)
        if old != new:
            moved += 1
            assert new == 9
    assert 4000 / 10 * 0.6 < moved < 4000 / 10 * 1.4


def test_an_empty_ring_has_no_node_to_give() -> None:
    assert HashRing().is_empty and not HashRing([1]).is_empty
    with pytest.raises(IndexError):
        HashRing().node_of(1)
