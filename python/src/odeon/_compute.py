"""Stateless work beside the actors: ``system.compute``."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _interop
from .errors import InvalidArgument, SystemStopped

if TYPE_CHECKING:
    from .subprocess_worker import WorkerActor, WorkerPool

__all__ = ["Compute", "Runner"]


class Runner:
    """Calls functions in a worker process."""

    async def receive(self, call: tuple[str, list[Any], dict[str, Any]]) -> list[Any]:
        path, args, kwargs = call
        made = _interop.find_factory(path)(*args, **kwargs)
        return [await made if inspect.isawaitable(made) else made]


class _Seat:
    """One worker process's runner, and how many calls it has in hand."""

    def __init__(self) -> None:
        self.runner: Future[WorkerActor] | None = None
        self.calls = 0


class Compute:
    """The threads and processes of one system's computations; made on first need. Any thread."""

    def __init__(self, name: str, threads: int | None, processes: int | None) -> None:
        self._name = name
        cores = len(os.sched_getaffinity(0))
        self._most_threads = threads or cores + 4
        self._most_processes = processes or cores
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._pool: WorkerPool | None = None
        self._seats: list[_Seat] = []
        self._closed = False

    def submit(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
               execution: str) -> Future[Any]:
        """Begins; the future has the outcome. Raises what cannot be sent to another process."""
        if execution == "thread":
            if inspect.iscoroutinefunction(fn):
                raise InvalidArgument("a coroutine function needs no thread: await it")
            return self._in_thread(fn, args, kwargs)
        if execution == "process":
            return self._in_process(fn, args, kwargs)
        raise InvalidArgument(f'execution is "thread" or "process", not {execution!r}')

    def _in_thread(self, fn: Callable[..., Any], args: tuple[Any, ...],
                   kwargs: dict[str, Any]) -> Future[Any]:
        with self._lock:
            self._check()
            if self._threads is None:
                self._threads = concurrent.futures.ThreadPoolExecutor(
                    self._most_threads, f"{self._name}-compute")
            context = contextvars.copy_context()
            return self._threads.submit(context.run, fn, *args, **kwargs)

    def _in_process(self, fn: Callable[..., Any], args: tuple[Any, ...],
                    kwargs: dict[str, Any]) -> Future[Any]:
        from .subprocess_worker import PoolOptions, WorkerPool

        path = _interop.factory_path(fn)
        with self._lock:
            self._check()
            if self._pool is None:
                self._pool = WorkerPool(self._most_processes, PoolOptions())
                self._seats = [_Seat() for _ in range(self._most_processes)]
            encoded = self._pool.codec.encode((path, list(args), kwargs), self._pool.flags)
            seat = min(self._seats, key=lambda s: s.calls)
            if seat.runner is None or self._is_gone(seat.runner):
                seat.runner = self._pool.spawn(Runner, path=f"/compute-{next(self._numbers)}")
            seat.calls += 1
            runner = seat.runner
        outcome: Future[Any] = Future()

        def ended(of: Future[list[Any]]) -> None:
            with self._lock:
                seat.calls -= 1
            if not outcome.set_running_or_notify_cancel():
                return
            error = of.exception()
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(of.result()[0])

        def begun(made: Future[WorkerActor]) -> None:
            try:
                made.result().ask_encoded(
                    encoded.manifest, encoded.version, encoded.payload, encoded.buffers
                ).add_done_callback(ended)
            except Exception as error:
                failed: Future[list[Any]] = Future()
                failed.set_exception(error)
                ended(failed)

        runner.add_done_callback(begun)
        return outcome

    @staticmethod
    def _is_gone(runner: Future[WorkerActor]) -> bool:
        return runner.done() and (runner.exception() is not None or not runner.result().alive)

    def _check(self) -> None:
        if self._closed:
            raise SystemStopped("the actor system has ended")

    def close(self) -> None:
        """Waits for what runs in threads; ends the processes. What waits is cancelled."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, None
            pool, self._pool = self._pool, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
        if pool is not None:
            pool.close()


async def awaited(outcome: Future[Any], timeout: float | None) -> Any:
    """The outcome, on the running loop."""
    async with asyncio.timeout(timeout):
        return await asyncio.wrap_future(outcome)
