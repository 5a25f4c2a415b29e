"""An actor in a worker process: an instance, its messages, and what it does with them.

A supervised cell stands for an actor of the system, which keeps a list of what it has sent here and
has not heard the end of. The cell tells, in the order of its messages, what is over (`HANDLED`),
set aside (`ASIDE`) and brought back (`BACK`), so that both lists are the same at every frame; what
either side still has when the other ends is known to the system. After a failure the cell holds its
messages until the supervision has decided: `RESUME`, `RESTART` or `STOP`.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _codec_builtin, _support
from . import _worker_frames as frames
from .errors import Unhandled
from .messages import ExitSignal, ReceiveTimeout, Terminated
from .worker_context import WorkerContext

if TYPE_CHECKING:
    from ._worker import Worker

#: A request's number (0: none), a message, and whether the system has it on its list.
Entry = tuple[int, Any, bool]

_TELL_AT = 64  # messages that are over are told in such numbers, or when the ring is empty
_SKIPPED = object()  # in place of a message that could not be read
_SIGNALS = (Terminated, ExitSignal, ReceiveTimeout)


class Cell:
    """One actor of this process."""

    def __init__(self, worker: Worker, number: int, spec: dict[str, Any]) -> None:
        self.worker = worker
        self.number = number
        self.path: str = spec["path"]
        self.cls = _codec_builtin.import_class(spec["cls"])
        self.args, self.kwargs = tuple(spec["args"]), dict(spec["kwargs"])
        described = _support.describe_class(self.cls)
        _, self.receive, self.handlers, self.hooks, self.unhandled, _, _ = described
        self.supervised = bool(spec.get("supervised"))
        self.context = WorkerContext(self, spec["self"], spec.get("parent"))
        self.instance: Any = None
        self.queue: collections.deque[Entry] = collections.deque()
        self.stash: collections.deque[Entry] = collections.deque()
        self.behaviors: list[Callable[..., Any]] = []
        self.timers: set[asyncio.TimerHandle] = set()
        self.quiet: tuple[float, asyncio.TimerHandle] | None = None  # the receive timeout
        self.current: Entry | None = None
        self.lost: Any = None  # the message it failed on
        self.replied = False
        self.busy = False
        self.held = True  # until it has started, and after a failure
        self.stopped = False
        self.traps_exits = False
        self.done = 0  # handled, and not told yet

    async def start(self, failure: BaseException | None = None) -> None:
        """Makes the instance and calls its hook: pre_start, or post_restart."""
        self.instance = self.cls(*self.args, **self.kwargs)
        self.behaviors.clear()
        if failure is not None and self.hooks[3] is not None:
            await self._hook(3, failure)
        else:
            await self._hook(0)
        self.resume()

    async def restart(self, failure: BaseException, message: Any) -> None:
        """The old instance's pre_restart (else post_stop), then a new one."""
        self.held = True
        if self.hooks[2] is not None:
            await self._hook(2, failure, self.lost if message is None else message)
        else:
            await self._hook(1)
        self.cancel_timers()
        self.unstash()
        await self.start(failure)

    async def stop(self) -> None:
        self.stopped = True
        self.cancel_timers()
        await self._hook(1)
        self.tell_done()

    def resume(self) -> None:
        """Goes on with what waits."""
        self.held, self.lost = False, None
        self.pump()

    async def _hook(self, which: int, *args: Any) -> None:
        if self.hooks[which] is None or (self.instance is None and which != 0):
            return
        function, takes = self.hooks[which]
        made = function(*(self.instance, *args, self.context)[:takes])
        if hasattr(made, "__await__"):
            await made

    def cancel_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        if self.quiet is not None:
            self.quiet[1].cancel()
            self.quiet = None

    # -- messages --------------------------------------------------------------------------------

    def put(self, request: int, message: Any, listed: bool = False) -> None:
        """A message that comes last."""
        self.queue.append((request, message, listed and self.supervised))
        self.pump()

    def skip(self) -> None:
        """A message that came, and could not be read: it is over in its turn."""
        self.put(0, _SKIPPED, True)

    def pump(self) -> None:
        """Handles messages until one has to wait, or none is left."""
        while self.queue and not (self.busy or self.held or self.stopped):
            entry = self.queue.popleft()
            if entry[1] is _SKIPPED:
                if entry[2]:
                    self.over()
                continue
            self.busy, self.current = True, entry
            self.replied = False
            if self.quiet is not None:
                self.count_quiet(self.quiet[0])
            try:
                made = self._call(entry[1])
                if made is not None and hasattr(made, "__await__"):
                    self.worker.run(self._finish(entry, made))
                    return
            except Exception as error:
                self._failed(entry, error)
            else:
                self._handled(entry, made)

    def _call(self, message: Any) -> Any:
        if self.behaviors:
            return self.behaviors[-1](message, self.context)
        found = self.receive
        if self.handlers is not None:
            cls = type(message)
            if cls not in self.handlers:
                _support.find_handler(self.handlers, cls)
            found = self.handlers[cls] or self.receive
        if found is None:
            if self.unhandled is not None:
                function, takes = self.unhandled
                function(*(self.instance, message, self.context)[:takes])
            return NotImplemented
        function, takes = found
        if takes == 3:
            return function(self.instance, message, self.context)
        return function(*(self.instance, message, self.context)[:takes])

    async def _finish(self, entry: Entry, made: Any) -> None:
        try:
            result = await made
        except (Exception, asyncio.CancelledError) as error:
            self._failed(entry, error)
        else:
            self._handled(entry, result)
        self.pump()

    def _handled(self, entry: Entry, result: Any) -> None:
        stashed = self.current is None
        self.busy, self.current = False, None
        self.worker.handled += 1
        if stashed:
            return
        request = 0 if self.replied else entry[0]
        if result is NotImplemented:
            self._not_handled(request, entry)
        elif request and result is not None:
            try:
                self.worker.post(frames.REPLY, self.number, request, result)
            except Exception as error:
                self._failed(entry, error)
                return
        elif request:
            self.worker.post(frames.DONE, self.number, request, None)
        if entry[2]:
            self.over()

    def _not_handled(self, request: int, entry: Entry) -> None:
        _, message, listed = entry
        if request == 0 and isinstance(message, _SIGNALS):
            return
        name = type(message).__qualname__
        error = Unhandled(f"{self.path} has no handler for {name}")
        if listed:
            self.tell_done()  # so that it is the oldest on the system's list
        if request or listed or not self.supervised:
            self.worker.fail(self.number, request, error)
        else:
            self.context.log.warning("%s", error)

    def _failed(self, entry: Entry, error: BaseException) -> None:
        stashed = self.supervised and self.current is None and self.busy
        request = 0 if self.replied or stashed else entry[0]
        self.busy, self.current = False, None
        name = None
        if self.supervised:
            self.held, self.lost = True, entry[1]
            name = frames.class_path(type(entry[1]))
        if entry[2] and not stashed:
            self.over()
            self.tell_done()
        self.worker.fail(self.number, request, error, name)

    # -- what the system is told -----------------------------------------------------------------

    def over(self) -> None:
        """The oldest message on the system's list is."""
        self.done += 1
        if self.done == 1:
            self.worker.note_done(self)
        elif self.done >= _TELL_AT:
            self.tell_done()

    def tell_done(self) -> None:
        if self.done:
            done, self.done = self.done, 0
            self.worker.post(frames.HANDLED, self.number, done, None)

    def set_aside(self) -> None:
        """The message in hand goes to the stash."""
        entry = self.current
        assert entry is not None
        self.stash.append(entry)
        self.current = None
        if entry[2]:
            self.tell_done()
            self.worker.post(frames.ASIDE, self.number, 0, None)

    def unstash(self) -> None:
        """What was set aside comes before the others, in its order."""
        if not self.stash:
            return
        if any(listed for _, _, listed in self.stash):
            self.tell_done()
            in_hand = self.current is not None and self.current[2]
            self.worker.post(frames.BACK, self.number, int(in_hand), None)
        self.queue.extendleft(reversed(self.stash))
        self.stash.clear()

    def count_quiet(self, seconds: float | None) -> None:
        """ReceiveTimeout comes when no message does for so long; None: no more."""
        if self.quiet is not None:
            self.quiet[1].cancel()
            self.quiet = None
        if seconds is not None:
            timer = self.worker.loop.call_later(seconds, self._was_quiet, seconds)
            self.quiet = seconds, timer

    def _was_quiet(self, seconds: float) -> None:
        if self.busy or self.queue:
            self.count_quiet(seconds)
        else:
            self.put(0, ReceiveTimeout())
