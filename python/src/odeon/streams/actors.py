"""Sources that are actors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import _native
from .._native import Ask
from ..actor import Actor
from ..errors import ActorStopped

if TYPE_CHECKING:
    from .._native import ActorRef, Context
    from ._work import Work

__all__ = ["StreamComplete", "StreamFail"]


@dataclass(frozen=True)
class StreamComplete:
    """Told to the actor of ``Source.from_actor``: no more elements."""


@dataclass(frozen=True)
class StreamFail:
    """Told to the actor of ``Source.from_actor``: the stream fails, after the elements before."""

    why: BaseException


class _Intake(Actor[Any]):
    """Offers what it is told. An offer that waits holds up the messages behind it, so that they
    keep their order, and the end its place."""

    def __init__(self, handle: object) -> None:
        self._handle = handle

    async def receive(self, msg: Any, ctx: Context) -> None:
        if isinstance(msg, StreamComplete | StreamFail):
            _native.stream_end(self._handle, getattr(msg, "why", None))
            ctx.reply(None)
            return
        now = _native.stream_offer(self._handle, msg)
        ctx.reply(await now if isinstance(now, Ask) else now)

    def post_stop(self, ctx: Context) -> None:
        why = ActorStopped(f"the actor of Source.from_actor was stopped: {ctx.path}")
        _native.stream_end(self._handle, why)


def spawn_intake(work: Work, handle: object) -> ActorRef[Any]:
    return work.system.spawn(_Intake, handle, dispatcher=work.dispatcher)
