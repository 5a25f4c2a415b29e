"""The system's side of its worker processes. The interface is told in `odeon.subprocess_worker`."""

from __future__ import annotations

import atexit
import collections
import concurrent.futures
import contextlib
import importlib
import itertools
import logging
import math
import os
import select
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from . import _worker_frames as frames
from . import codecs
from ._worker_actor import NO_ANSWER, Listener, WorkerActor
from ._worker_process import Worker, WorkerMetrics
from .errors import (
    InvalidArgument,
    MailboxFull,
    QuotaExceeded,
    SystemStopped,
    Unhandled,
    WorkerDied,
)

_native: Any = importlib.import_module("odeon._native")
_log = logging.getLogger("odeon.worker")

FLAGS = frames.FLAGS
SharedBuffer: Any = _native.Segment

_LOOK_SECONDS = 1.0  # between two looks at memory and at workers that are late
_MOST_RESTARTS = 5  # of one place in the pool ...
_RESTART_WINDOW = 60.0  # ... within so many seconds; then the place stays empty
_FORWARD_SECONDS = 60.0  # for the answer to a message that a worker passed on
_FRAMES_A_TURN = 256  # of one worker, before the next one's are taken


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Bounds and quotas of a pool. Sizes are bytes, times seconds; None: no bound."""

    ring_bytes: int = 1 << 20  #: of each direction; a power of two, at least 64 KiB
    max_actors: int | None = None  #: of the whole pool; more raise QuotaExceeded
    max_waiting: int = 65_536  #: messages that found the ring full, a worker; more: MailboxFull
    memory_soft_limit: int | None = None  #: resident bytes of a worker: past it, it is replaced
    memory_hard_limit: int | None = None  #: its address space: past it, MemoryError inside
    cpu_share: float | None = None  #: 0 < share <= 1: its weight beside other processes (nice)
    max_handler_seconds: float | None = None  #: a worker silent for longer than that is replaced
    start_seconds: float = 30.0  #: within which a worker must be ready
    stop_seconds: float = 5.0  #: for a worker to end when told; then it is killed
    allow_pickle: bool = False  #: for messages without a codec
    python: str | None = None  #: the interpreter; None: this one


_open_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


class WorkerPool:
    """`count` worker processes, and the thread that listens to them.

    A worker that dies is started again, its actors are not: that is supervision's to decide. Any
    thread may use a pool. `close` (or leaving a `with` block) ends the workers; at the program's
    exit it is called for pools that are still open.
    """

    def __init__(self, count: int, options: PoolOptions | None = None) -> None:
        self.options = options or PoolOptions()
        self._check_options(count)
        self.codec = frames.FamilyCodec()
        self.flags = FLAGS | (codecs.ALLOW_PICKLE if self.options.allow_pickle else 0)
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._closing = False
        self._actors = 0
        self._outward = concurrent.futures.ThreadPoolExecutor(4, "odeon-worker-asks")
        self._heard, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._restarts: list[collections.deque[float]] = [collections.deque() for _ in range(count)]
        self._workers: list[Worker | None] = [None] * count
        try:
            for place in range(count):
                self._workers[place] = self._start(place)
        except BaseException:
            self._kill_all()
            self._close_bell()
            raise
        self._thread = threading.Thread(target=self._listen, name="odeon-workers", daemon=True)
        self._thread.start()
        _open_pools.add(self)

    def _check_options(self, count: int) -> None:
        share = self.options.cpu_share
        if count < 1 or (share is not None and not 0 < share <= 1):
            raise InvalidArgument("a pool has at least one worker, and a share between 0 and 1")

    # -- what users call -------------------------------------------------------------------------

    def spawn(self, cls: type | str, args: Sequence[Any] = (),
              kwargs: dict[str, Any] | None = None, *, path: str | None = None,
              listener: Listener | None = None, ref: Any = None, parent: Any = None,
              failure: BaseException | None = None,
              supervised: bool = False) -> Future[WorkerActor]:
        """Makes an actor on the worker that has the fewest.

        `ref` is the reference that stands for it in the system, its `ctx.self` there, and `parent`
        its `ctx.parent`. A `supervised` one tells its listener what becomes of each message.
        `failure` says that it is made again after that one: `post_restart` is called. The future
        fails with what the constructor or the hook raised. Raises QuotaExceeded, ValueError for a
        class that cannot be imported elsewhere, EncodingError for such arguments, WorkerDied when
        no worker is left.
        """
        if isinstance(cls, type):
            reason = frames.unreachable(cls)
            if reason is not None:
                raise ValueError(reason)
            cls = f"{cls.__module__}.{cls.__qualname__}"
        number = next(self._numbers)
        path = path or f"/worker/{cls.rpartition('.')[2]}-{number}"
        with self._lock:
            worker = self._least_loaded()
            actor = WorkerActor(self, worker, number, path, listener or Listener())
            worker.actors[number] = actor
        told = None if failure is None else frames.failure_of(failure, self.codec)
        spec = {"cls": cls, "path": path, "self": ref, "parent": parent,
                "supervised": supervised, "args": list(args),
                "kwargs": dict(kwargs or {}), "restarted": told}
        made: Future[WorkerActor] = Future()

        def done(outcome: Future[Any]) -> None:
            error = outcome.exception()
            if error is not None:
                worker.actors.pop(number, None)
            if not made.set_running_or_notify_cancel():
                if error is None:  # nobody waits for it any more
                    with contextlib.suppress(WorkerDied, MailboxFull):
                        actor.stop()
            elif error is not None:
                made.set_exception(error)
            else:
                made.set_result(actor)

        try:
            worker.call(frames.SPAWN, number, spec).add_done_callback(done)
        except BaseException:
            worker.actors.pop(number, None)
            raise
        return made

    def _least_loaded(self) -> Worker:
        alive = [one for one in self._workers if one is not None and one.why is None]
        if self._closing:
            raise SystemStopped("the pool of workers is closed")
        if not alive:
            raise WorkerDied("no worker process is left: each died too often")
        most = self.options.max_actors
        if most is not None and sum(len(one.actors) for one in alive) >= most:
            raise QuotaExceeded(f"the pool has {most} actors, which is its quota")
        return min(alive, key=lambda one: len(one.actors))

    def metrics(self) -> list[WorkerMetrics]:
        """What each worker told last, a second ago at most while it is well."""
        with self._lock:
            return [one.metrics for one in self._workers if one is not None]

    def close(self) -> None:
        """Ends the workers: their actors' post_stop runs, open futures fail. Again: nothing.

        Blocks for `stop_seconds` at most; then what is left is killed.
        """
        with self._lock:
            if self._closing:
                return
            self._closing = True
        _open_pools.discard(self)
        self._ring()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._outward.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the thread ------------------------------------------------------------------------------

    def _present(self) -> list[Worker]:
        return [one for one in self._workers if one is not None]

    def _ring(self) -> None:
        os.write(self._bell, b"!")

    def _close_bell(self) -> None:
        os.close(self._heard)
        os.close(self._bell)

    def _start(self, place: int) -> Worker:
        options = self.options
        nice = 0
        if options.cpu_share is not None:
            # A step of niceness is a quarter of the weight: what the kernel's scheduler does.
            nice = min(19, round(math.log(1 / options.cpu_share, 1.25)))
        return Worker(place, options, self.codec, self.flags, nice)

    def _listen(self) -> None:
        deadline = math.inf
        looked = time.monotonic()
        while True:
            now = time.monotonic()
            if self._closing:
                deadline = min(deadline, now + self.options.stop_seconds)
                if not self._present():
                    break
                for worker in self._present():
                    worker.tell_to_stop()
                if now >= deadline:
                    self._kill_all()
            if now - looked >= _LOOK_SECONDS:
                looked = now
                self._look(now)
            self._turn()
        self._close_bell()

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._heard, select.POLLIN)
        sleep = True
        for worker in self._present():
            self._take(worker)
            poll.register(worker.channel.fileno(), select.POLLIN)
            if not worker.channel.about_to_wait():
                sleep = False
        limit = 50 if self._closing else int(_LOOK_SECONDS * 1000)
        ready = {fd for fd, _ in poll.poll(limit if sleep else 0)}
        if self._heard in ready:
            os.read(self._heard, 64)
        for worker in self._present():
            if worker.channel.fileno() in ready:
                worker.channel.woken()
            if worker.waiting:
                worker.flush()

    def _take(self, worker: Worker) -> None:
        try:
            for _ in range(_FRAMES_A_TURN):
                arrived = worker.channel.receive(self.codec.native, self.flags)
                if arrived is None:
                    return
                try:
                    self._arrived(worker, *arrived)
                except Exception as error:
                    _log.error("a callback of a worker's outcome failed", exc_info=error)
        except EOFError:
            self._died(worker, worker.why or "the process ended")
        except OSError as error:
            self._died(worker, str(error))

    def _arrived(self, worker: Worker, kind: int, actor: int, request: int, value: Any,
                 error: BaseException | None) -> None:
        if kind in (frames.REPLY, frames.DONE):
            worker.settle(request, NO_ANSWER if kind == frames.DONE else value, error)
        elif kind == frames.HANDLED:
            if (found := worker.actors.get(actor)) is not None:
                found.listener.handled(request)
        elif kind == frames.FAILED:
            self._failed(worker, actor, request, value, error)
        elif kind == frames.ALIVE:
            worker.beat(value)
        elif kind == frames.READY:
            worker.ready(value)
        elif kind == frames.STOPPED:
            stopped = worker.actors.pop(actor, None)
            if stopped is not None:
                stopped.listener.stopped()
        elif kind in (frames.ASIDE, frames.BACK):
            if (found := worker.actors.get(actor)) is not None:
                found.listener.aside() if kind == frames.ASIDE else found.listener.back(request)
        elif error is not None:
            if kind == frames.FORWARD:
                worker.settle(request, None, error, True)
            else:
                worker.refuse(request, error)
        elif kind == frames.SEND:
            value[0].tell(value[1])
        elif kind == frames.ASK:
            self._outward.submit(self._ask_out, worker, request, *value)
        elif kind == frames.CALL:
            if (found := worker.actors.get(actor)) is not None:
                found.listener.called(request, value)
        elif kind == frames.FORWARD:
            if request:
                self._outward.submit(self._forward, worker, request, *value)
            else:
                value[0].tell(value[1])

    def _failed(self, worker: Worker, actor: int, request: int, value: Any,
                error: BaseException | None) -> None:
        failure = error or frames.error_of(value)
        message = None if error is not None else value["message"]
        if request:
            worker.settle(request, None, failure)
        if (found := worker.actors.get(actor)) is None or (request and message is None):
            return
        if message is not None:
            found.listener.holds(failure, message)
        elif isinstance(failure, Unhandled):
            found.listener.unhandled(failure)
        else:
            found.listener.failed(failure)

    def _forward(self, worker: Worker, request: int, target: Any, message: Any) -> None:
        try:
            answer = target.ask_blocking(message, timeout=_FORWARD_SECONDS)
        except Exception as error:
            worker.settle(request, None, error, True)
        else:
            worker.settle(request, answer, None, True)

    def _ask_out(self, worker: Worker, request: int, target: Any, message: Any,
                 timeout: float) -> None:
        try:
            worker.post(frames.ANSWER, 0, request, target.ask_blocking(message, timeout=timeout))
        except WorkerDied:
            pass  # nobody is left to hear it
        except Exception as error:
            worker.refuse(request, error)

    def _look(self, now: float) -> None:
        """Ends workers that use too much, are too slow to start, or hang."""
        for worker in self._present():
            reason = worker.trouble(now)
            if reason is not None:
                worker.why = reason
                worker.kill()

    def _died(self, worker: Worker, reason: str) -> None:
        worker.reap(reason)
        with self._lock:
            place = worker.place
            self._workers[place] = None
            lost = list(worker.actors.values())
            worker.actors.clear()
        error = WorkerDied(worker.why or reason)
        if not self._closing:
            _log.warning("worker process %d: %s", worker.pid, error)
            self._replace(place)
        worker.fail_all(error)
        for actor in lost:
            try:
                actor.listener.died(WorkerDied(f"{actor.path}: {error}"))
            except Exception as failure:
                _log.error("a listener failed on its worker's death", exc_info=failure)
        worker.is_over = True

    def _replace(self, place: int) -> None:
        times = self._restarts[place]
        now = time.monotonic()
        while times and times[0] < now - _RESTART_WINDOW:
            times.popleft()
        if len(times) >= _MOST_RESTARTS:
            _log.error("a worker died %d times within %s s; it is not started again",
                       _MOST_RESTARTS + 1, _RESTART_WINDOW)
            return
        times.append(now)
        try:
            self._workers[place] = self._start(place)
        except OSError as failure:
            _log.error("a worker process cannot be started", exc_info=failure)

    @property
    def is_replacing(self) -> bool:
        """No worker is there now, and the death of one has not been dealt with."""
        present = self._present()
        return not self._closing and bool(present) and all(
            one.why is not None or one.channel.peer_gone for one in present)

    def _kill_all(self) -> None:
        for worker in self._present():
            worker.why = worker.why or "the pool was closed"
            worker.kill()


def _close_all() -> None:
    for pool in list(_open_pools):
        pool.close()


atexit.register(_close_all)
