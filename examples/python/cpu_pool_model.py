"""What the workers of 16_cpu_pool.py import: messages and the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import odeon


@dataclass
class Score(odeon.Request[list[float]]):
    """Rows of ``width`` doubles each, one after the other."""

    rows: Any  # whatever has a buffer: numpy's arrays, views of a SharedBuffer, bytes
    width: int


@dataclass
class Process(odeon.Request[int]):
    """Asks for the number of the process."""


class Model(odeon.Actor[Score | Process]):
    """A linear model. In a worker the rows are a view of the memory that the sender filled."""

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = list(weights)

    def receive(self, msg: Score | Process) -> list[float] | int:
        if isinstance(msg, Process):
            return os.getpid()
        rows = memoryview(msg.rows).cast("B").cast("d")
        starts = range(0, len(rows), msg.width)
        return [sum(rows[at + i] * w for i, w in enumerate(self.weights)) for at in starts]
