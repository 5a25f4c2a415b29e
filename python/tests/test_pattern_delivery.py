"""Reliable delivery, over a way that loses, repeats and reorders; in a world with its own time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from odeon.errors import CorruptRecord, InvalidArgument, MailboxFull, StoreFull
from odeon.patterns import _clock
from odeon.patterns.delivery import (
    ConsumerOptions,
    ConsumerStatus,
    Deliver,
    Delivery,
    Demand,
    GetConsumerStatus,
    GetProducerStatus,
    MemoryQueue,
    ProducerOptions,
    ProducerStatus,
    QueueState,
    Ready,
    Send,
    Sequenced,
    Start,
    check_loaded,
)
from odeon.patterns.delivery_controllers import ConsumerController, ProducerController
from odeon.patterns.delivery_work import GetWorkStatus, WorkController
from pattern_kit import FakeClock
from pattern_sim import SimRef, SimReply, World


class Book:
    """What the consumers have seen and done, over their lives."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.confirmed: list[int] = []
        self.fail_at = 0  # raises once at that one, before it confirms
        self.confirms = True


class Clerk:
    def __init__(self, book: Book, source: SimRef) -> None:
        self.book = book
        self.source = source

    def pre_start(self, ctx: Any) -> None:
        self.source.tell(Start(ctx.self))

    def receive(self, d: Delivery, ctx: Any) -> None:
        self.book.got.append(d.message)
        if self.book.fail_at == d.message:
            self.book.fail_at = 0
            raise RuntimeError("crashed")
        if self.book.confirms:
            self.book.confirmed.append(d.message)
            d.confirm()
            d.confirm()  # twice is once


@dataclass
class Faults:
    """Of 100."""

    lose: int = 0
    repeat: int = 0
    swap: int = 0
    cut: bool = False


class Line:
    """A way between the controllers."""

    def __init__(self, to: SimRef, faults: Faults) -> None:
        self.to = to
        self.faults = faults
        self.back: Any = None
        self.held: Sequenced | None = None

    def receive(self, msg: Any, ctx: Any) -> None:
        def chance(percent: int) -> bool:
            return percent > 0 and ctx.world.chance.randrange(100) < percent

        lost = self.faults.cut or chance(self.faults.lose)
        if isinstance(msg, Demand):
            self.back = msg.to
            demand = replace(msg, to=ctx.self)
            if not lost:
                self.to.tell(demand)
            if not self.faults.cut and chance(self.faults.repeat):
                self.to.tell(demand)
        elif not lost:
            if self.held is None and chance(self.faults.swap):
                self.held = msg
                return
            self.back.tell(msg)
            if chance(self.faults.repeat):
                self.back.tell(msg)
            held, self.held = self.held, None
            if held is not None:
                self.back.tell(held)


class ShakyQueue(MemoryQueue):
    """Refuses when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse_next = False
        self.loads = 0

    async def load(self) -> QueueState:
        self.loads += 1
        return await super().load()

    async def append(self, number: int, message: Any) -> None:
        refuse, self.refuse_next = self.refuse_next, False
        if refuse:
            raise StoreFull("no space")
        await super().append(number, message)


class Trade:
    def __init__(self, producer: ProducerOptions = ProducerOptions(),
                 consumer: ConsumerOptions = ConsumerOptions(), durable: bool = True,
                 seed: int = 0) -> None:
        self.world = World(seed)
        self.faults = Faults()
        self.book = Book()
        self.queue = ShakyQueue() if durable else None
        self.options = consumer
        self.out = self.world.spawn(ProducerController, producer, self.queue)
        self.line = self.world.spawn(Line, self.out, self.faults)
        self.new_consumer()
        self.world.settle()

    def new_consumer(self) -> None:
        self.into = self.world.spawn(ConsumerController, self.options, self.line)
        self.end = self.world.spawn(Clerk, self.book, self.into)

    def give(self, first: int, last: int) -> None:
        for n in range(first, last + 1):
            self.out.tell(Send(n))

    def ask(self, ref: SimRef, msg: Any) -> Any:
        reply = ref.ask(msg)
        self.world.settle()
        return reply.get()

    def sent(self) -> ProducerStatus:
        status = self.ask(self.out, GetProducerStatus())
        assert isinstance(status, ProducerStatus)
        return status

    def received(self) -> ConsumerStatus:
        status = self.ask(self.into, GetConsumerStatus())
        assert isinstance(status, ConsumerStatus)
        return status


def up_to(n: int, first: int = 1) -> list[int]:
    return list(range(first, n + 1))


def test_messages_arrive_once_in_order_and_are_told_to_be_confirmed() -> None:
    t = Trade()
    assert t.ask(t.out, Send(1)) == 1
    assert t.ask(t.out, Deliver(2)) == 2
    t.give(3, 200)
    t.world.settle()
    assert t.book.got == up_to(200)
    assert t.sent() == ProducerStatus(accepted=200, confirmed=200, kept=0, sent=200)
    assert t.received().doubles == 0


@pytest.mark.parametrize("seed", range(1, 13))
def test_a_bad_way_costs_no_message_no_double_and_no_order(seed: int) -> None:
    t = Trade(ProducerOptions(capacity=1000), ConsumerOptions(window=1 + 4 * seed), seed % 2 == 0,
              seed)
    t.faults.lose, t.faults.repeat, t.faults.swap = 30, 20, 20
    t.give(1, 300)
    for _ in range(2000):
        if len(t.book.got) >= 300:
            break
        t.world.advance(1)
    assert t.book.got == up_to(300)
    t.faults.lose = t.faults.repeat = t.faults.swap = 0
    t.world.advance(5)
    assert t.sent().confirmed == 300
    assert t.sent().sent > 350  # the faults were there
    assert t.received().doubles > 0


def test_a_whole_run_of_messages_that_was_lost_is_sent_again() -> None:
    t = Trade(consumer=ConsumerOptions(window=10))
    t.give(1, 5)
    t.world.settle()
    t.faults.cut = True
    t.give(6, 40)
    t.world.advance(10)
    assert t.book.got == up_to(5)
    t.faults.cut = False
    t.world.advance(3)
    assert t.book.got == up_to(40)


def test_nothing_is_sent_beyond_the_demand_nor_kept_beyond_the_capacity() -> None:
    t = Trade(ProducerOptions(capacity=20), ConsumerOptions(window=5))
    t.book.confirms = False
    t.give(1, 20)
    t.world.advance(60)
    assert t.book.got == [1]
    assert (t.received().waiting, t.received().received) == (5, 5)
    more = t.out.ask(Ready())
    refused = t.out.ask(Send(21))
    t.world.settle()
    assert more.open
    with pytest.raises(MailboxFull, match="keeps 20 messages"):
        refused.get()
    t.book.confirms = True
    t.world.end(t.end)
    t.book.got.clear()
    t.end = t.world.spawn(Clerk, t.book, t.into)
    t.world.advance(2)
    assert t.book.got == up_to(20)
    assert 1 <= more.get() <= 5


def test_a_consumer_that_is_restarted_before_it_confirmed_gets_the_message_again() -> None:
    t = Trade()
    t.book.fail_at = 7
    t.give(1, 20)
    t.world.settle()
    assert t.world.restarts == 1
    assert t.book.got == up_to(7) + up_to(20, 7)
    assert t.book.confirmed == up_to(20)


@pytest.mark.parametrize("killed", [False, True])
def test_the_successor_of_a_consumers_controller_loses_nothing(killed: bool) -> None:
    """And after a stop it repeats nothing."""
    t = Trade(consumer=ConsumerOptions(window=8))
    t.give(1, 9)
    t.world.settle()
    t.faults.cut = True  # the confirmations of these do not come through while it lives
    t.give(10, 12)
    t.world.settle()
    t.faults.cut = False
    t.book.confirms = False
    t.give(13, 14)
    t.world.advance(2)
    t.world.end(t.into, last_word=not killed)
    t.world.end(t.end)
    t.world.settle()
    t.book.confirms = True
    t.give(15, 30)
    t.new_consumer()
    t.world.advance(5)
    seen = t.book.confirmed
    if killed:
        seen = list(dict.fromkeys(seen))
    assert seen == up_to(30)


def test_a_consumers_controller_that_is_restarted_in_place_goes_on_by_itself() -> None:
    t = Trade()
    t.give(1, 3)
    t.world.settle()
    t.world.restart(t.into, RuntimeError("crashed"))
    t.give(4, 10)
    t.world.advance(5)
    assert t.world.restarts == 1
    assert t.book.got == up_to(10)


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_producers_controller_that_is_restarted_goes_on_from_its_durable_queue(
        seed: int) -> None:
    t = Trade(consumer=ConsumerOptions(window=3), seed=seed)
    assert t.queue is not None
    if seed % 2 == 0:
        t.faults.lose, t.faults.repeat, t.faults.swap = 20, 20, 20
    for n in range(1, 61):
        t.out.tell(Send(n))
        if n % 10 == 0:
            t.world.restart(t.out, RuntimeError("crashed"))
        if n % 3 == 0:
            t.world.settle()
        if n % 7 == 0:
            t.world.advance(1)
    for _ in range(300):
        if len(t.book.got) >= 60:
            break
        t.world.advance(1)
    assert t.book.got == up_to(60)
    assert t.queue.loads == 7


def test_a_new_controller_with_the_same_durable_queue_delivers_what_the_old_one_kept() -> None:
    t = Trade(consumer=ConsumerOptions(window=3))
    t.faults.cut = True
    t.give(1, 10)
    t.world.settle()
    t.world.end(t.out, last_word=False)
    t.world.end(t.into, last_word=False)
    out = t.world.spawn(ProducerController, ProducerOptions(), t.queue)
    into = t.world.spawn(ConsumerController, ConsumerOptions(), out)
    t.world.spawn(Clerk, t.book, into)
    t.world.advance(2)
    assert t.book.got == up_to(10)
    assert t.ask(out, Send(11)) == 11


def test_without_a_durable_queue_a_new_controller_begins_a_new_count() -> None:
    t = Trade(consumer=ConsumerOptions(window=3), durable=False)
    t.give(1, 5)
    t.world.settle()
    t.world.end(t.out, last_word=False)
    out = t.world.spawn(ProducerController, ProducerOptions())
    line = t.world.spawn(Line, out, t.faults)
    into = t.world.spawn(ConsumerController, ConsumerOptions(), line)
    t.world.end(t.end)
    t.world.spawn(Clerk, t.book, into)
    assert t.ask(out, Send(6)) == 1
    t.world.advance(2)
    assert t.book.got == up_to(6)


def test_a_message_that_the_durable_queue_refuses_is_refused_and_takes_no_number() -> None:
    t = Trade()
    assert t.queue is not None
    t.queue.refuse_next = True
    refused = t.out.ask(Send(1))
    t.world.settle()
    with pytest.raises(StoreFull, match="no space"):
        refused.get()
    assert t.ask(t.out, Send(2)) == 1
    t.world.settle()
    assert t.book.got == [2]


def test_a_consumer_that_forgets_to_confirm_gets_it_again_where_that_is_chosen() -> None:
    with _clock.use(FakeClock()) as clock:
        t = Trade(consumer=ConsumerOptions(deliver_after=5))
        t.book.confirms = False
        t.give(1, 2)
        for _ in range(20):
            clock.at += 1  # type: ignore[attr-defined]
            t.world.advance(1)
        assert t.book.got == [1] * 4


def test_options_and_queues_that_make_no_sense_are_refused_with_a_reason() -> None:
    with pytest.raises(InvalidArgument, match="at least one message"):
        ProducerOptions(capacity=0)
    with pytest.raises(InvalidArgument, match="resend_after above zero"):
        ProducerOptions(resend_after=0)
    with pytest.raises(InvalidArgument, match="a window of at least one"):
        ConsumerOptions(window=0)
    with pytest.raises(CorruptRecord, match="2 messages from number 4, confirmed up to 2, "
                                            "appended up to 5"):
        check_loaded("p", QueueState(5, 2, [(4, "x"), (5, "y")]))
    with pytest.raises(CorruptRecord):
        check_loaded("p", QueueState(4, 2, [(3, "x"), (5, "y")]))
    check_loaded("p", QueueState(4, 2, [(3, "x"), (4, "y")]))


# -- work pulling ----------------------------------------------------------------------------------


class Workshop:
    def __init__(self, workers: int, window: int = 2, capacity: int = 1000) -> None:
        self.world = World()
        self.queue = MemoryQueue()
        self.work = self.world.spawn(WorkController, ProducerOptions("jobs", capacity), self.queue)
        self.books: list[Book] = []
        self.controllers: list[SimRef] = []
        for _ in range(workers):
            self.hire(window)

    def hire(self, window: int = 2) -> Book:
        book = Book()
        self.books.append(book)
        into = self.world.spawn(ConsumerController, ConsumerOptions(window), self.work)
        self.controllers.append(into)
        self.world.spawn(Clerk, book, into)
        self.world.settle()
        return book

    def send(self, *jobs: int) -> list[SimReply]:
        replies = [self.work.ask(Deliver(job)) for job in jobs]
        self.world.settle()
        return replies

    def status(self) -> Any:
        reply = self.work.ask(GetWorkStatus())
        self.world.settle()
        return reply.get()


def test_each_job_is_done_by_one_worker_and_its_sender_is_told() -> None:
    w = Workshop(3)
    replies = w.send(*up_to(60))
    assert sorted(n for b in w.books for n in b.confirmed) == up_to(60)
    assert all(b.confirmed for b in w.books)
    assert [r.get() for r in replies] == up_to(60)
    s = w.status()
    assert (s.workers, s.waiting, s.in_hand, s.accepted, s.finished) == (3, 0, 0, 60, 60)


def test_a_worker_that_is_busy_gets_no_more_than_its_window() -> None:
    w = Workshop(2)
    w.books[0].confirms = False
    w.send(*up_to(20))
    assert len(w.books[0].got) == 1
    s = w.status()
    assert s.in_hand == 2 and s.finished == 18


def test_what_a_worker_that_ended_had_not_confirmed_goes_to_the_others() -> None:
    w = Workshop(2)
    w.books[0].confirms = w.books[1].confirms = False
    replies = w.send(*up_to(4))
    w.books[1].confirms = True
    w.world.end(w.controllers[0], last_word=False)
    w.world.end(w.controllers[1], last_word=False)
    w.world.settle()
    assert w.status().workers == 0
    book = w.hire()
    w.world.advance(2)
    assert sorted(book.confirmed) == up_to(4)
    assert [r.get() for r in replies] == up_to(4)
    assert w.status().given_back == 4


def test_work_waits_for_workers_and_no_more_than_the_capacity() -> None:
    w = Workshop(0, capacity=3)
    replies = w.send(1, 2, 3, 4)
    with pytest.raises(MailboxFull):
        replies[3].get()
    ready = w.work.ask(Ready())
    w.world.settle()
    assert ready.open and w.status().waiting == 3
    w.hire(window=5)
    assert [r.get() for r in replies[:3]] == [1, 2, 3]
    assert ready.get() >= 1


def test_a_restarted_work_controller_gives_out_what_was_not_finished() -> None:
    w = Workshop(1)
    w.books[0].confirms = False
    w.send(1, 2, 3)
    w.world.end(w.work, last_word=False)
    w.work = w.world.spawn(WorkController, ProducerOptions("jobs"), w.queue)
    book = w.hire(5)
    w.world.advance(2)
    assert sorted(book.confirmed) == [1, 2, 3]
    assert w.status().accepted == 3
