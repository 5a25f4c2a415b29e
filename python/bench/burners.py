"""What the workers of bench_dispatchers import."""

from __future__ import annotations

WORK = 30_000


def burn(n: int) -> int:
    x = 1
    for i in range(n):
        x = (x * 1103515245 + i) & 0x7FFFFFFF
    return x


class Burner:
    def receive(self, n: int) -> int:
        return burn(n)
