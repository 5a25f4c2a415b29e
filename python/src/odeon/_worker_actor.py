"""An actor in a worker process, as the system sees it, and who hears of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _worker_frames as frames
from .errors import MailboxFull, WorkerDied

if TYPE_CHECKING:
    from ._worker_pool import WorkerPool
    from ._worker_process import Worker


class _NoAnswer:
    def __repr__(self) -> str:
        return "NO_ANSWER"


NO_ANSWER: Any = _NoAnswer()  #: what a future holds when the handler gave no answer


class Listener:
    """Hears what happens to one actor in a worker. On the pool's thread: must not block."""

    def failed(self, error: BaseException) -> None:
        """A message without a future failed in the actor's handler."""

    def stopped(self) -> None:
        """The actor stopped itself."""

    def died(self, error: WorkerDied) -> None:
        """The actor's process has ended, and the actor with it."""

    # Of supervised actors; see `_worker_cell`.

    def holds(self, error: BaseException, message: str) -> None:
        """It failed on a message of that class, and waits for `resume`, `restart` or `stop`."""

    def handled(self, count: int) -> None:
        """So many of its oldest messages are over."""

    def aside(self) -> None:
        """It stashed the oldest."""

    def back(self, place: int) -> None:
        """What it stashed is before the others again, from that place on."""

    def called(self, request: int, what: list[Any]) -> None:
        """It wants something of its context."""

    def unhandled(self, error: BaseException) -> None:
        """It has no handler for a message that nobody asked with."""


class WorkerActor:
    """An actor in a worker process. Any thread may use it."""

    def __init__(self, pool: WorkerPool, worker: Worker, number: int, path: str,
                 listener: Listener) -> None:
        self._pool = pool
        self._worker = worker
        self.number = number
        self.path = path
        self.listener = listener

    @property
    def alive(self) -> bool:
        """False once its process has ended, or it has stopped."""
        return self.number in self._worker.actors

    @property
    def is_dying(self) -> bool:
        """Its process has ended, and some who wait for an answer may have to be told."""
        return self._worker.is_dying

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._worker.pid

    def tell(self, value: Any) -> None:
        """Sends. Raises EncodingError, MailboxFull, WorkerDied."""
        worker = self._worker
        if self.number in worker.actors and not worker.waiting:
            try:
                if worker.send(frames.TELL, self.number, 0, worker.native, worker.flags, value):
                    return
            except EOFError:
                pass  # `post` says it in full
        self._check()
        worker.post(frames.TELL, self.number, 0, value)

    def ask(self, value: Any) -> Future[Any]:
        """Sends; the future has the outcome. Raises EncodingError, MailboxFull, WorkerDied."""
        return self._call(frames.TELL, value)

    def tell_encoded(self, manifest: str, version: int, payload: Any,
                     buffers: Sequence[Any] | None = None) -> None:
        """As `tell`, for a message that is encoded already."""
        self._check()
        self._worker.post_encoded((frames.TELL, self.number, 0, manifest, version, payload,
                                   buffers))

    def ask_encoded(self, manifest: str, version: int, payload: Any,
                    buffers: Sequence[Any] | None = None) -> Future[Any]:
        """As `ask`, for a message that is encoded already."""
        self._check()
        return self._worker.call_encoded(frames.TELL, self.number, manifest, version, payload,
                                         buffers)

    # -- of supervised actors: see `_worker_hosted`

    @property
    def is_congested(self) -> bool:
        """Messages wait for room in the ring."""
        return bool(self._worker.waiting)

    def when_room(self, call: Callable[[], None]) -> None:
        """Calls once when none waits; on any thread."""
        self._worker.when_room(call)

    def expect(self, hears: Any) -> int:
        """The number of a request, whose outcome goes to ``hears.settled(value, error)``."""
        return self._worker.expect(hears)

    def forget(self, number: int) -> None:
        """Its outcome is of no interest any more."""
        self._worker.forget(number)

    def post(self, request: int, value: Any) -> None:
        """A message; `request`: of `expect`, or 0. Raises as `tell`."""
        self._check()
        self._worker.post(frames.TELL, self.number, request, value)

    def post_encoded(self, request: int, manifest: str, version: int, payload: Any,
                     buffers: Any) -> None:
        """The same, for a message that is encoded already."""
        self._check()
        self._worker.post_encoded((frames.TELL, self.number, request, manifest, version, payload,
                                   buffers))

    def resume(self) -> None:
        """It goes on after a failure as if nothing had been."""
        with contextlib.suppress(WorkerDied, MailboxFull):
            self._worker.post(frames.RESUME, self.number, 0, None)

    def answer(self, request: int, value: Any, error: BaseException | None) -> None:
        """To what it wanted of its context; request 0: it does not wait."""
        if request == 0:
            return
        try:
            if error is None:
                self._worker.post(frames.ANSWER, 0, request, value)
        except (MailboxFull, WorkerDied):
            pass
        except Exception as unsendable:
            error = unsendable
        if error is not None:
            self._worker.refuse(request, error)

    def restart(self, error: BaseException, message: Any = None) -> Future[Any]:
        """A new instance in place of the present one, with the hooks of both."""
        failure = frames.failure_of(error, self._pool.codec)
        return self._call(frames.RESTART, {"failure": failure, "message": message})

    def stop(self) -> Future[Any]:
        """Ends the actor after the message in hand; done after post_stop."""
        future = self._call(frames.STOP, None)
        self._worker.actors.pop(self.number, None)
        return future

    def _call(self, kind: int, value: Any) -> Future[Any]:
        self._check()
        return self._worker.call(kind, self.number, value)

    def _check(self) -> None:
        if not self.alive:
            raise WorkerDied(f"{self.path}: {self._worker.why or 'the actor has stopped'}")
