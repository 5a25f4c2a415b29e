"""`HashRing`: which node a key belongs to; the same here, in C++, and on every machine.

    ring = HashRing.of(["a", "b", "c"])
    ring.node_of(message_key("ada"))               # 0, 1 or 2
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable

_MASK = (1 << 64) - 1


def fnv1a(data: bytes | str) -> int:
    """FNV-1a (Fowler, Noll, Vo) with 64 bits; text is UTF-8."""
    h = 0xCBF29CE484222325
    for byte in data.encode() if isinstance(data, str) else data:
        h = (h ^ byte) * 0x100000001B3 & _MASK
    return h


def message_key(key: object) -> int:
    """A routing key of 64 bits, as C++ makes it: of text and bytes their `fnv1a`, of an int (or an
    enum of ints) itself, modulo 2**64. `TypeError` for anything else."""
    if isinstance(key, (str, bytes)):
        return fnv1a(key)
    value = getattr(key, "value", key)  # an enum's
    if isinstance(value, (str, bytes)):
        return fnv1a(value)
    if isinstance(value, int):
        return value & _MASK
    raise TypeError(f"a routing key is text, bytes, an int or an enum, not {type(key).__name__}")


def mix(x: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): a bijection on 64 bits."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


class HashRing:
    """A consistent hash ring (Karger et al., 1997): each node stands at many places of a circle,
    and a key belongs to the first node at or after its own place. When one of n nodes is added or
    taken away, about 1/n of the keys change their node, and no others. Immutable."""

    DEFAULT_PLACES = 128
    """Places of each node; the parts of two nodes differ by some 10 per cent."""

    __slots__ = ("_at", "_nodes")

    def __init__(self, ids: Iterable[int] = (), places: int = DEFAULT_PLACES) -> None:
        """Of nodes with these ids, 64 bits, which tell them apart. O(n · places · log)."""
        # Of two nodes at one place the one listed first has it.
        stands = sorted((mix((mix(node & _MASK) + i) & _MASK), index)
                        for index, node in enumerate(ids) for i in range(places))
        self._at = [at for at, _ in stands]
        self._nodes = [index for _, index in stands]

    @classmethod
    def of(cls, names: Iterable[str], places: int = DEFAULT_PLACES) -> HashRing:
        """Of nodes with these names. A pool's routees are `r1`, `r2`, …"""
        return cls([fnv1a(name) for name in names], places)

    def node_of(self, key: int) -> int:
        """The index, in the list it was made of, of the node that `key` belongs to; O(log).
        `IndexError` on an empty ring."""
        if not self._at:
            raise IndexError("an empty ring has no nodes")
        found = bisect.bisect_left(self._at, mix(key & _MASK))
        return self._nodes[found if found < len(self._at) else 0]

    @property
    def is_empty(self) -> bool:
        return not self._at
