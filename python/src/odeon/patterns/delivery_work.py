"""Work pulling: reliable delivery of each message to one of several workers, whichever has room.

    work = system.spawn(WorkController, ProducerOptions("jobs"), queue)
    # each worker: a ConsumerController of its own, made with `work`, and its consumer
    await work.ask(Send(Job(…)))

A worker is whoever asks: it joins with its controller's first demand, and leaves when that
controller ends. What it had not confirmed goes to the others. Each message is dealt with at least
once; only one whose worker ended in the middle may be dealt with twice. There is no order between
workers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from odeon.actor import Actor
from odeon.messages import Terminated
from odeon.patterns._events import log
from odeon.patterns.circuit_breaker import text_of
from odeon.patterns.delivery import (
    Deliver,
    Demand,
    DurableQueue,
    ProducerOptions,
    Ready,
    Send,
    at_capacity,
    check_loaded,
)
from odeon.patterns.delivery_controllers import ProducerController

if TYPE_CHECKING:
    from odeon._native import ActorRef, Context, ReplyTo


@dataclass(frozen=True, slots=True)
class GetWorkStatus:
    """The reply is a `WorkStatus`."""


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """`waiting`: with nobody; `in_hand`: with workers, not confirmed; `accepted`: the last number
    given; `finished`: confirmed by workers; `given_back`: taken from workers that ended."""

    workers: int
    waiting: int
    in_hand: int
    accepted: int
    finished: int
    given_back: int


@dataclass(frozen=True, slots=True)
class _Done:
    """A message's way through one worker has ended."""

    number: int
    confirmed: bool


def _outcome(number: int, reply: object) -> _Done:
    return _Done(number, not isinstance(reply, BaseException))


@dataclass(slots=True, eq=False)
class _Worker:
    to: ActorRef[Any]
    consumer: int
    window: int
    controller: ActorRef[Any]
    in_hand: set[int] = field(default_factory=set)

    def free_places(self) -> int:
        return max(self.window - len(self.in_hand), 0)


class WorkController(Actor[Any]):
    """Takes the same messages as `ProducerController`, with the same meaning, but for the numbers,
    which count what was accepted here; and `GetWorkStatus`. With a durable queue it may be
    restarted: what was not known to be finished is given out again."""

    def __init__(self, options: ProducerOptions = ProducerOptions(),
                 queue: DurableQueue | None = None) -> None:
        self._options = options
        self._queue = queue
        self._accepted = self._confirmed = self._finished = self._given_back = self._hired = 0
        self._kept: dict[int, Any] = {}  # not finished, ascending; at most `capacity`
        self._waiting: deque[int] = deque()  # of these, with nobody
        self._workers: list[_Worker] = []
        self._confirmations: dict[int, ReplyTo] = {}
        self._asked: deque[ReplyTo] = deque()  # at most `capacity`

    async def pre_start(self, ctx: Context) -> None:
        if self._queue is None:
            return
        loaded = await self._queue.load()
        check_loaded(self._options.producer, loaded)
        self._accepted = loaded.last
        self._confirmed = loaded.confirmed
        self._kept = dict(loaded.unconfirmed)
        self._waiting = deque(self._kept)

    def receive(self, msg: Any, ctx: Context) -> Any:
        match msg:
            case Send(message):
                return self._send(message, ctx)
            case Deliver(message):
                return self._deliver(message, ctx)
            case Ready():
                to = ctx.reply_to()
                if self._room() > 0:
                    to(self._room())
                elif len(self._asked) < self._options.capacity:
                    self._asked.append(to)
                else:
                    to.fail(at_capacity(self._options))
            case Demand():
                self._demanded(msg, ctx)
                self._give_out(ctx)
            case _Done():
                return self._done(msg, ctx)
            case Terminated():
                for worker in [w for w in self._workers if w.to == msg.ref]:
                    self._dismiss(worker, ctx)
                self._give_out(ctx)
            case GetWorkStatus():
                return WorkStatus(len(self._workers), len(self._waiting),
                                  len(self._kept) - len(self._waiting), self._accepted,
                                  self._finished, self._given_back)
            case _:
                return NotImplemented
        return None

    async def _send(self, message: Any, ctx: Context) -> None:
        to = ctx.reply_to()
        number = await self._accept(message, to)
        if number is not None:
            to(number)
            self._give_out(ctx)

    async def _deliver(self, message: Any, ctx: Context) -> None:
        to = ctx.reply_to()
        number = await self._accept(message, to)
        if number is not None:
            self._confirmations[number] = to
            self._give_out(ctx)

    async def _accept(self, message: Any, to: ReplyTo) -> int | None:
        if len(self._kept) >= self._options.capacity:
            to.fail(at_capacity(self._options))
            return None
        number = self._accepted + 1
        if self._queue is not None:
            try:
                await self._queue.append(number, message)
            except Exception as e:
                to.fail(e)
                return None
        self._accepted = number
        self._kept[number] = message
        self._waiting.append(number)
        return number

    def _demanded(self, d: Demand, ctx: Context) -> None:
        worker = next((w for w in self._workers if w.to == d.to), None)
        if worker is not None and d.consumer < worker.consumer:
            return  # of a life that is over
        if worker is not None and d.consumer > worker.consumer:
            self._dismiss(worker, ctx)
            worker = None
        if worker is None:
            self._hired += 1
            options = replace(self._options, capacity=d.window,
                              producer=f"{self._options.producer}/{self._hired}")
            worker = _Worker(d.to, d.consumer, d.window, ctx.spawn(ProducerController, options))
            self._workers.append(worker)
            ctx.watch(d.to)
        worker.controller.tell(d)

    async def _done(self, d: _Done, ctx: Context) -> None:
        for w in self._workers:
            w.in_hand.discard(d.number)
        if d.number not in self._kept:
            return
        if not d.confirmed:
            self._given_back += 1
            self._waiting.appendleft(d.number)
        else:
            self._finished += 1
            del self._kept[d.number]
            to = self._confirmations.pop(d.number, None)
            if to is not None:
                to(d.number)
            await self._keep_confirmed()
        self._give_out(ctx)

    async def _keep_confirmed(self) -> None:
        """The queue knows "all up to here": that is what is before the oldest one kept."""
        up_to = next(iter(self._kept)) - 1 if self._kept else self._accepted
        if self._queue is None or up_to <= self._confirmed:
            return
        self._confirmed = up_to
        try:
            await self._queue.confirm(up_to)
        except Exception as e:
            log.warning("%s: a confirmation was not kept: %s", self._options.producer, text_of(e))

    def _dismiss(self, worker: _Worker, ctx: Context) -> None:
        """Its controller's end fails what it had in hand, which comes back as `_Done`."""
        ctx.kill(worker.controller)
        ctx.unwatch(worker.to)
        self._workers.remove(worker)

    def _give_out(self, ctx: Context) -> None:
        while self._waiting:
            worker = max(self._workers, key=_Worker.free_places, default=None)
            if worker is None or worker.free_places() == 0:
                return
            number = self._waiting.popleft()
            worker.in_hand.add(number)
            way = worker.controller.ask(Deliver(self._kept[number]), timeout=None)
            ctx.pipe_to_self(way, partial(_outcome, number))
        while self._asked and self._room() > 0:
            self._asked.popleft()(self._room())

    def _room(self) -> int:
        places = sum(w.free_places() for w in self._workers)
        return min(max(places - len(self._waiting), 0), self._options.capacity - len(self._kept))
