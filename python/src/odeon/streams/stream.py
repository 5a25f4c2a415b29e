"""``Stream``: what can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _native
from ._work import Work
from .handles import KillSwitch, Run

if TYPE_CHECKING:
    from .._native import Context
    from ..system import ActorSystem

__all__ = ["Stream"]

R = TypeVar("R")


class Stream(Generic[R]):
    """What can be run: a source and its sink. A description, like both."""

    __slots__ = ("_sink", "_source")

    def __init__(
        self, source: tuple[tuple[Any, ...], ...], sink: tuple[tuple[Any, ...], ...]
    ) -> None:
        self._source = source
        self._sink = sink

    def run(
        self,
        system: ActorSystem | Context,
        *,
        name: str | None = None,
        dispatcher: str | None = None,
    ) -> Run[R]:
        """Starts it: one actor for each island, on a loop or thread of Python (``dispatcher``;
        default: the system's own). ``name`` is that of its last actor. Raises TypeError for what is
        no stream, and what the constructors of its parts raise. From any thread.

        With an actor's context in the system's place, on that actor's thread, the islands are its
        children: the stream ends with the actor, and fails then with ActorStopped."""
        switch, cancel = KillSwitch(), KillSwitch()
        source = (*self._source, ("killed_by", switch._handle))
        result, values = _native.stream_run(
            system, source, self._sink, dispatcher, name, Work(system, dispatcher), cancel._handle
        )
        return Run(result, values, switch, cancel)
