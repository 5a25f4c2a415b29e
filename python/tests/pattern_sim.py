"""A small world for the tests of delivery: actors of Python with a time of their own, in one
thread, from one seed. Messages are taken in the order told; coroutines of handlers never wait
here."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from odeon.messages import Terminated


class SimReply:
    def __init__(self) -> None:
        self.value: Any = None
        self.error: Exception | None = None
        self.open = True
        self.then: Callable[[Any], None] | None = None

    def __call__(self, value: Any) -> None:
        self._end(value, None)

    def fail(self, why: Exception) -> None:
        self._end(None, why)

    def _end(self, value: Any, why: Exception | None) -> None:
        if self.open:
            self.open, self.value, self.error = False, value, why
            if self.then is not None:
                self.then(value if why is None else why)

    def get(self) -> Any:
        assert not self.open, "no reply yet"
        if self.error is not None:
            raise self.error
        return self.value


class SimRef:
    def __init__(self, world: World, name: str, make: Callable[[], Any]) -> None:
        self.world = world
        self.path = f"/user/{name}"
        self.make = make
        self.alive = True
        self.mailbox: deque[tuple[Any, SimReply | None]] = deque()
        self.watchers: set[SimRef] = set()
        self.asked: list[SimReply] = []
        self.instance = make()
        self.ctx = SimContext(self)

    def tell(self, msg: Any) -> None:
        self._put(msg, None)

    def ask(self, msg: Any, timeout: float | None = None) -> SimReply:
        reply = SimReply()
        self.asked.append(reply)
        self._put(msg, reply)
        return reply

    def _put(self, msg: Any, reply: SimReply | None) -> None:
        if self.alive:
            self.mailbox.append((msg, reply))
            self.world.ready.append(self)
        elif reply is not None:
            reply.fail(RuntimeError(f"{self.path} has ended"))

    def is_terminated(self) -> bool:
        return not self.alive


class SimContext:
    def __init__(self, ref: SimRef) -> None:
        self.self = ref
        self.path = ref.path
        self.world = ref.world
        self.reply_slot: SimReply | None = None

    def reply_to(self) -> SimReply:
        slot, self.reply_slot = self.reply_slot or SimReply(), None
        return slot

    def send_with_delay(self, first: float, every: float, msg: Any) -> None:
        def fire() -> None:
            if self.self.alive:
                self.self.tell(msg)
                self.world.at(every, fire)

        self.world.at(first, fire)

    def watch(self, ref: SimRef) -> None:
        if ref.alive:
            ref.watchers.add(self.self)
        else:
            self.self.tell(Terminated(ref, "stopped", "before"))

    def unwatch(self, ref: SimRef) -> None:
        ref.watchers.discard(self.self)

    def spawn(self, cls: Any, *args: Any) -> SimRef:
        return self.world.spawn(cls, *args)

    def kill(self, ref: SimRef) -> None:
        self.world.end(ref, last_word=False)

    def pipe_to_self(self, work: SimReply, convert: Callable[[Any], Any]) -> None:
        if work.open:
            work.then = lambda outcome: self.self.tell(convert(outcome))
        else:
            self.self.tell(convert(work.value if work.error is None else work.error))


class World:
    def __init__(self, seed: int = 0) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self.ready: deque[SimRef] = deque()
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.count = itertools.count()
        self.restarts = 0

    def at(self, delay: float, f: Callable[[], None]) -> None:
        heapq.heappush(self.timers, (self.now + delay, next(self.count), f))

    def spawn(self, cls: Any, *args: Any) -> SimRef:
        ref = SimRef(self, f"a{next(self.count)}", lambda: cls(*args))
        self._hook(ref, "pre_start")
        return ref

    def end(self, ref: SimRef, last_word: bool = True) -> None:
        """Stops it; without its last word: killed."""
        if not ref.alive:
            return
        ref.alive = False
        if last_word:
            self._hook(ref, "post_stop")
        for reply in ref.asked:
            reply.fail(RuntimeError(f"{ref.path} has ended"))
        for watcher in ref.watchers:
            watcher.tell(Terminated(ref, "stopped", ""))

    def settle(self) -> None:
        while self.ready:
            ref = self.ready.popleft()
            if not ref.alive or not ref.mailbox:
                continue
            msg, reply = ref.mailbox.popleft()
            ref.ctx.reply_slot = reply
            try:
                out = _run(ref.instance.receive(msg, ref.ctx))
            except Exception as e:
                self.restart(ref, e, msg)
                if reply is not None:
                    reply.fail(e)
                continue
            if out is not None and reply is not None:
                reply(out)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        self.settle()
        while self.timers and self.timers[0][0] <= end:
            self.now, _, f = heapq.heappop(self.timers)
            f()
            self.settle()
        self.now = end

    def restart(self, ref: SimRef, why: Exception, msg: Any = None) -> None:
        """As supervision does it: a new instance, the same mailbox."""
        self.restarts += 1
        before = getattr(ref.instance, "pre_restart", None)
        if before is not None and not getattr(before, "__odeon_default__", False):
            before(why, msg, ref.ctx)
        ref.instance = ref.make()
        self._hook(ref, "pre_start")

    def _hook(self, ref: SimRef, name: str) -> None:
        hook = getattr(ref.instance, name, None)
        if hook is not None:
            _run(hook(ref.ctx))


def _run(work: Any) -> Any:
    if not hasattr(work, "send"):
        return work
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a handler waits")
