"""What the runtime itself tells an actor: signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ExitSignal", "ReceiveTimeout", "Terminated"]


@dataclass(frozen=True, slots=True)
class Terminated:
    """A watched actor has ended: exactly once for each watch, also when it had ended before.

    ``kind`` is "stopped", "failed", "killed", "linked", "no_such_actor" or "unreachable";
    ``reason`` a sentence.
    """

    ref: Any
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExitSignal:
    """A linked actor has ended; for actors that trap exits. Others are stopped with it."""

    ref: Any
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReceiveTimeout:
    """No message came for as long as ``ctx.receive_timeout`` said."""
